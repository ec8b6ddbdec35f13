"""Which callbacks exist: their checks, their handler, and what the provider wants to hear."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from integrations.exceptions import ConfigurationError, IntegrationError
from integrations.models import InboundCallback
from integrations.models.inbound_callback import Verdict

# What fits the column, and every database.
_PLAIN_KEY = re.compile(r"[\x21-\x7e]{1,128}")


@dataclass(slots=True)
class CallbackRequest:
    """A callback as it arrived. `token_digest` stands for the secret path segment.

    `business` is set by the verifier that finds whose callback it is: None while nobody knows.
    """

    route: str
    token_digest: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    source: str = ""
    business: str | None = None
    # What the same verifier found, for the route's `reply`.
    addressee: Any = None
    # The sender's own id of the event, set by a verifier: what was processed under it is not
    # processed again.
    event_id: str = ""

    def body_digest(self) -> str:
        """SHA-256 of the body in hex: an id for events that come without one."""
        return hashlib.sha256(self.body).hexdigest()

    def dedupe_key(self) -> str:
        """The event's id within its address, as it is stored; "" without an id.

        Within the address, or one sender could make another's event look like a repetition.
        """
        if not self.event_id:
            return ""
        key = f"{self.token_digest[:16]}:{self.event_id}"
        return key if _PLAIN_KEY.fullmatch(key) else hashlib.sha256(key.encode()).hexdigest()


class CallbackRefused(IntegrationError):
    """A check says no: answered with `status` (400 malformed, 401 not authentic)."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason, code="callback_refused")
        self.status = status


# Returns doubts in words, [] for none: a doubted callback is stored and answered, but not
# believed. Raises CallbackRefused.
Verifier = Callable[[CallbackRequest], list[str]]
Handler = Callable[[InboundCallback], Verdict]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that depends on the request; `reason` is kept with it, for people."""

    body: Mapping[str, Any]
    reason: str = ""


@dataclass(frozen=True)
class CallbackRoute:
    """One kind of callback. Every verifier is run, none can be forgotten by a subclass.

    Without `handle` a request is stored and nothing is left to do. `reply` works out the answer
    before that, and quickly: the provider waits; it must raise nothing but what makes a 503.
    """

    name: str
    verifiers: tuple[Verifier, ...]
    handle: Handler | None
    accepted: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({"ok": True}))
    reply: Callable[[CallbackRequest], Reply] | None = None


_routes: dict[str, CallbackRoute] = {}


def register_route(route: CallbackRoute) -> None:
    """Make a route known; another one under its name is an error."""
    if _routes.setdefault(route.name, route) != route:
        raise ConfigurationError(f"Callback route {route.name!r} is declared twice.")


def find_route(name: str) -> CallbackRoute | None:
    """The route of this name, if any."""
    return _routes.get(name)
