"""The address a request came from, with proxies believed only where configured."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from django.http import HttpRequest

from integrations.conf import hub_settings

_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]+)?|([0-9.]+):[0-9]+")


def client_address(request: HttpRequest) -> str:
    """The nearest address that is not one of our own proxies; "" where there is none.

    `X-Forwarded-For` is read from the right, and only past addresses in TRUSTED_PROXIES:
    anything further left was written by whoever sent the request.
    """
    address = str(request.META.get("REMOTE_ADDR") or "")
    hops = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
    while hops and _is_trusted(address):
        candidate = hops.pop()
        if not _parse(candidate):
            break
        address = candidate
    return str(_parse(address) or "")


def _parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address in its plainest form: some proxies add a port, some sockets map IPv4."""
    with_port = _WITH_PORT.fullmatch(text)
    try:
        address = ipaddress.ip_address(with_port[1] or with_port[2] if with_port else text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return address
    return address.ipv4_mapped or ipaddress.IPv6Address(int(address))


def _is_trusted(text: str) -> bool:
    address = _parse(text)
    if address is None:
        return False
    return any(
        address in network for network in map(_network, hub_settings.trusted_proxies) if network
    )


@lru_cache(maxsize=64)
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """None for what is no network: a typing mistake trusts nobody and breaks nothing."""
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None
