"""Whose callback path was called, and what speaks against a callback before it is believed."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import NamedTuple

from integrations.exceptions import ConfigurationError, ConfigurationUnavailable
from integrations.payments.accounts import account_of


class Addressee(NamedTuple):
    """Whose callback path was called."""

    provider: str
    business: str
    short_code: str


def doubts_about(addressee: Addressee, *, source: str, short_code: str) -> list[str]:
    """What speaks against a callback, in words; [] for none.

    `short_code` is the header that Daraja sends beside the body, "" where it is absent.
    """
    try:
        settings = account_of(addressee.provider, addressee.business, addressee.short_code).values
    except ConfigurationUnavailable:
        raise
    except ConfigurationError:
        # It must be stored all the same: Daraja sends it once.
        return ["The settings of this account are gone, and with them the list of sources."]
    doubts = []
    allowed = str(settings["callback_sources"] or "")
    if allowed.strip() and not is_listed(source, allowed):
        doubts.append(f"The source address {source or '(none)'} is not on the list.")
    # Which of a till's two numbers the header carries is not documented.
    if short_code and short_code.strip() not in (addressee.short_code, settings["till_number"]):
        doubts.append("The short code is not the one it was asked for.")
    return doubts


def is_listed(source: str, allowed: str) -> bool:
    """Whether an address is in a list of addresses and networks separated by white space."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return False
    return any(address in network for network in _networks(allowed))


@lru_cache(maxsize=64)
def _networks(allowed: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    """The networks of a list as it is typed; what is none is left out."""
    networks = []
    for part in re.split(r"[,\s]+", allowed.strip()):
        try:
            networks.append(ipaddress.ip_network(part, strict=False))
        except ValueError:
            continue
    return tuple(networks)
