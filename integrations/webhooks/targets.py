"""Where a URL leads, judged on its text and put in the one spelling that is used for sending."""

from __future__ import annotations

import ipaddress
import logging
from copy import copy
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from integrations.conf import HubSettings
from integrations.exceptions import ConfigurationError, InvalidInput
from integrations.models import AttemptOutcome
from integrations.outbound.guard import is_forbidden
from integrations.outbound.urls import allowed_hosts, check_url

logger = logging.getLogger("integrations.webhooks")
_KNOWN = 4096
_ALLOWED = HubSettings.outbound_allowed_hosts
# What a URL may hold as it is; all else is percent-encoded.
_SAFE = "%/:=&?~+!$,;'@()*[]|-._"


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be called, as far as its text can tell.

    `url` is rebuilt from the parts that were judged, so libcurl's parser has no say in where it
    leads. `is_exempt`: the operator allows this exact host:port, whatever its address is.
    """

    url: str
    place: str
    host: str
    port: int
    is_literal: bool
    is_exempt: bool
    is_tls: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a parcel is not sent, in a sentence for the endpoint's owner."""

    outcome: AttemptOutcome
    reason: str


NOT_ALLOWED = Refusal(
    AttemptOutcome.BLOCKED,
    "The host's address belongs to an internal or reserved network; nothing was sent.",
)
_MISCONFIGURED = Refusal(
    AttemptOutcome.CONFIGURATION, "The hub's own settings are wrong; its operator can tell."
)


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _target(url: str) -> Target | Refusal:
    place = check_url(url)
    parts = urlsplit(url)
    host, _, port = place.rpartition(":")
    host = host.strip("[]")
    exempt, literal = place in allowed_hosts(), _is_literal(host)
    if literal and not exempt and is_forbidden(host):
        logger.warning("webhook to %s not sent: a forbidden address", place)
        return NOT_ALLOWED
    is_tls = parts.scheme == "https"
    shown = place.removesuffix(":443" if is_tls else ":80")
    query = f"?{quote(parts.query, safe=_SAFE)}" if parts.query else ""
    clean = f"{parts.scheme}://{shown}{quote(parts.path or '/', safe=_SAFE)}{query}"
    return Target(clean, place, host, int(port), literal, exempt, is_tls)


def _misconfigured(error: ConfigurationError) -> Refusal:
    logger.error("webhooks are not sent: %s", error)
    return _MISCONFIGURED


def _judge(url: str) -> Target | Refusal:
    try:
        return _target(url)
    except InvalidInput as error:
        return Refusal(AttemptOutcome.BLOCKED, f"URL: {error.reason}.")
    except ConfigurationError as error:
        return _misconfigured(error)


class Targets:
    """The judgements of this process, each made once until OUTBOUND_ALLOWED_HOSTS changes."""

    def __init__(self) -> None:
        self._known: dict[str, Target | Refusal] = {}
        self._allowed: Any = None

    def find(self, url: str) -> Target | Refusal:
        """Where a URL leads, or why it may not be called."""
        try:
            allowed = _ALLOWED.raw()
        except ConfigurationError as error:
            return _misconfigured(error)
        if allowed != self._allowed:
            self._known.clear()
            self._allowed = copy(allowed)
        found = self._known.get(url)
        if found is None:
            if len(self._known) >= _KNOWN:
                self._known.pop(next(iter(self._known)))
            found = self._known[url] = _judge(url)
        return found
