"""What is asked of a provider and what came back, as plain values."""

from __future__ import annotations

import json as jsonlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from requests.structures import CaseInsensitiveDict

from integrations.exceptions import TransportError


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one call: seconds, and bytes of the answer's body.

    `connect` bounds TCP (all addresses together) and the TLS handshake, each; `read` one wait for
    the peer; `total` everything together, retries, token and waits included. A name lookup has
    3 seconds of its own. `place` bounds the wait for a place under the rate limit; 0 refuses the
    call at once where it would have to wait.
    """

    connect: float = 5.0
    read: float = 20.0
    total: float = 30.0
    max_bytes: int = 262_144
    place: float = math.inf


@dataclass(frozen=True, slots=True)
class Call:
    """One operation at a provider.

    `idempotent` says that sending it twice does no harm; a money post is never idempotent.
    `deadline` is an instant of `time.monotonic()`; the earlier of it and now + `limits.total`
    holds. The body is `json`, or `form` as browsers send forms. `retry` is the most attempts.
    `reference` is our own id, for the record. Headers and body may hold secrets and stay out of
    the repr.
    """

    operation: str
    method: str
    url: str = field(repr=False)
    json: Mapping[str, Any] | None = field(default=None, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    idempotent: bool = False
    limits: Limits = Limits()
    deadline: float | None = None
    reference: str = ""
    retry: int = 3


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer of any HTTP status: the provider layer decides what it means."""

    status: int
    headers: CaseInsensitiveDict[str] = field(repr=False)
    body: bytes = field(repr=False)
    elapsed: float

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; numbers with a point come as Decimal, never float.

        Raises TransportError(sent=True, code "not_json") for HTML, nothing, or another type:
        gateways answer so even with status 200 (Daraja reference, section 1).
        """
        try:
            value = jsonlib.loads(self.body, parse_float=Decimal, parse_constant=_refuse_constant)
        except (ValueError, ArithmeticError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise TransportError(
                "The provider's answer is not a JSON object.", sent=True, code="not_json"
            )
        return value
