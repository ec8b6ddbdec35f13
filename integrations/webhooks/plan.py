"""What is sent to one endpoint: worked out once, then filled in for each delivery.

`EndpointPlan.build` is the hot path of a dispatcher: no query, no decryption, no parsing in it.
The plan holds revealed secrets. It lives in memory, is never pickled, and its repr hides them.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NoReturn, Protocol, Self
from urllib.parse import quote

from integrations.crypto import MASK
from integrations.exceptions import InvalidInput
from integrations.models import WebhookEndpoint
from integrations.models.webhook_endpoint import BodyFormat
from integrations.webhooks.credentials import Credentials, credentials_of
from integrations.webhooks.secrets import LiveKey, live_keys
from integrations.webhooks.signing import is_message_id

USER_AGENT = "BengoERP-Integrations"


class Message(Protocol):
    """What a delivery needs of a `WebhookMessage`: `body` is the stored payload."""

    event_type: Any
    occurred_at: Any
    body: Any

    @property
    def message_id(self) -> str:
        """The `webhook-id`."""


@dataclass(slots=True)
class Prepared:
    """One request. `shown_headers` may be stored and shown, the others may not."""

    headers: list[str] = field(repr=False)
    body: bytes = field(repr=False)
    shown_headers: dict[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Type:
    """What every message of one event type has in common."""

    opening: bytes
    header: str


@lru_cache(maxsize=1024)
def _type(event_type: str) -> _Type:
    # A host's own name may hold anything; as a header it must not.
    safe = quote(event_type, safe="!#$%&'()*+,/:;=?@[]^`{|}~")
    opening = b'{"type":%s,"timestamp":"' % json.dumps(event_type).encode()
    return _Type(opening, safe)


@lru_cache(maxsize=16)
def _iso(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()


class EndpointPlan:
    """An endpoint's address, credentials and keys, ready for use.

    A key that was replaced stops signing when its overlap ends, also in a plan that is kept.
    Everything else is as it was when the plan was loaded: load it again when the endpoint changes
    (`updated_at`).
    """

    __slots__ = (
        "_constant", "_is_guessable", "_keys", "_next_expiry", "_original", "_shown", "_signers",
        "_wraps", "certificate", "endpoint_id", "key", "secrets", "timeout", "token_request",
        "url",
    )  # fmt: skip

    def __init__(
        self,
        endpoint: WebhookEndpoint,
        *,
        credentials: Credentials,
        keys: Sequence[LiveKey],
        secret: str,
    ) -> None:
        self.endpoint_id = endpoint.pk
        self.url = endpoint.url
        self.timeout = float(endpoint.timeout_seconds)
        self.token_request = credentials.token_request
        self.certificate, self.key = credentials.certificate, credentials.key
        # What an answer must not show: receivers repeat what they were sent.
        self.secrets = credentials.secrets
        self._wraps = endpoint.body_format == BodyFormat.STANDARD
        headers = {"Content-Type": "application/json", "User-Agent": USER_AGENT}
        sent = headers | credentials.headers
        self._constant = [f"{name}: {value}" for name, value in sent.items()]
        self._shown = headers | credentials.shown
        # A text that a person chose might be guessed by trying it on a signature that is shown.
        self._is_guessable = not all(key.is_random for key in keys)
        self._original = hmac.new(secret.encode(), digestmod="sha256") if secret else None
        self._keys = list(keys)
        self._take_keys(float("-inf"))

    @classmethod
    def load(cls, endpoint: WebhookEndpoint) -> Self:
        """The plan of a stored endpoint: one query, for the keys that were replaced.

        Raises DecryptionError; ConfigurationError, such as "host_not_confirmed" where what is
        secret was typed for another host; InvalidInput for stored values that can't be sent.
        """
        return cls(
            endpoint,
            credentials=credentials_of(endpoint),
            keys=live_keys(endpoint),
            secret=endpoint.secret.reveal(),
        )

    @property
    def needs_token(self) -> bool:
        """Whether each request also carries an access token, which `AccessTokens` has."""
        return self.token_request is not None

    def build(self, message: Message, *, at: float) -> Prepared:
        """The request for one message, as it is sent `at` this time (Unix seconds).

        The payload's bytes go out as they are stored. Raises InvalidInput for a message whose body
        was dropped, or whose id is none.
        """
        if message.body is None:
            raise InvalidInput("body", "is no longer kept")
        message_id, payload = message.message_id, bytes(message.body)
        if not is_message_id(message_id):
            raise InvalidInput("message_id", "must be visible ASCII without a full stop")
        if at >= self._next_expiry:
            self._take_keys(at)
        second = int(at)
        kind = _type(message.event_type)
        body = self._wrap(kind, message, payload) if self._wraps else payload
        iso = _iso(second)
        content = b"%s.%d.%s" % (message_id.encode(), second, body)
        signatures = self._sign(content, iso, payload)
        varying = {
            "webhook-id": message_id,
            "webhook-timestamp": str(second),
            "X-Webhook-Timestamp": iso,
            "X-Webhook-Event": kind.header,
        }
        shown = {**self._shown, **varying, **signatures}
        if self._is_guessable:
            shown.update(dict.fromkeys(signatures, MASK))
        varying.update(signatures)
        lines = [f"{name}: {value}" for name, value in varying.items()]
        return Prepared([*self._constant, *lines], body, shown)

    def _sign(self, content: bytes, iso: str, payload: bytes) -> dict[str, str]:
        """Both schemes' signature headers; none where there is nothing to sign with."""
        found = {}
        if self._signers:
            found["webhook-signature"] = " ".join([sign(content) for sign in self._signers])
        if self._original is not None:
            mac = self._original.copy()
            mac.update(b'{"timestamp":"%s","payload":%s}' % (iso.encode(), payload))
            found["X-Webhook-Signature"] = mac.hexdigest()
        return found

    def _wrap(self, kind: _Type, message: Message, payload: bytes) -> bytes:
        stamp = message.occurred_at
        if stamp.tzinfo is not UTC:
            stamp = stamp.astimezone(UTC)
        text = stamp.isoformat().removesuffix("+00:00")
        return b'%s%sZ","data":%s}' % (kind.opening, text.encode(), payload)

    def _take_keys(self, at: float) -> None:
        self._keys = [key for key in self._keys if key.until > at]
        self._signers = tuple(key.sign for key in self._keys)
        self._next_expiry = min((key.until for key in self._keys), default=float("inf"))

    def __repr__(self) -> str:
        return f"<EndpointPlan of endpoint {self.endpoint_id}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A plan holds secrets and can't be pickled.")
