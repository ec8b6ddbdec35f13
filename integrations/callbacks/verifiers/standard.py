"""Standard Webhooks 1.0.0, also under Svix's header names (webhooks reference, 1 and 1.2)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from integrations.callbacks.routes import CallbackRequest
from integrations.callbacks.verifiers.senders import FindSender, live_secrets, refused
from integrations.exceptions import ConfigurationError, InvalidInput
from integrations.webhooks import signing

TOLERANCE_SECONDS = 300
_PREFIXES = ("webhook", "svix")
# Others are less strict about the length than the specification is.
_SIZES = range(16, 129)


class _Claim(NamedTuple):
    message_id: str
    timestamp: str
    signatures: str


@dataclass(frozen=True)
class StandardWebhooks:
    """Any live secret of the addressee must have signed id, time and exact body.

    Secrets are `whsec_` texts (v1) and `whpk_` public keys (v1a). The time may be
    `tolerance_seconds` off, either way. The id is kept as the event's.
    """

    find: FindSender
    tolerance_seconds: int = TOLERANCE_SECONDS
    clock: Callable[[], float] = field(default=time.time, repr=False)

    def __call__(self, request: CallbackRequest) -> list[str]:
        """No doubts, or CallbackRefused(401); see `live_secrets` for the rest."""
        secrets, public_keys = _keys(live_secrets(request, self.find), request.route)
        claim = _claim(request)
        if claim is None:
            raise refused("The headers webhook-id, -timestamp and -signature are not all there.")
        timestamp = signing.read_timestamp(claim.timestamp)
        if timestamp is None or not signing.is_message_id(claim.message_id):
            raise refused("The webhook's id or time is not well-formed.")
        content = signing.signed_bytes(claim.message_id, timestamp, request.body)
        # The digits as they came: "0017" is another text than the number is written with.
        is_plain = str(timestamp) == claim.timestamp
        is_signed = signing.verify_v1(secrets, claim.signatures, content)
        is_signed |= signing.verify_v1a(public_keys, claim.signatures, content)
        if not (is_plain and is_signed):
            raise refused("No signature of the webhook fits.")
        if abs(self.clock() - timestamp) > self.tolerance_seconds:
            raise refused(f"The webhook's time is more than {self.tolerance_seconds} s off.")
        request.event_id = request.event_id or claim.message_id
        return []


def _claim(request: CallbackRequest) -> _Claim | None:
    """The three headers of the first prefix that has them all; never some of each."""
    for prefix in _PREFIXES:
        names = (f"{prefix}-id", f"{prefix}-timestamp", f"{prefix}-signature")
        values = [request.headers.get(name, "") for name in names]
        if all(values):
            return _Claim(*values)
    return None


def _keys(texts: list[str], route: str) -> tuple[list[bytes], list[Ed25519PublicKey]]:
    try:
        secrets = [
            signing.decode_secret(text, sizes=_SIZES)
            for text in texts
            if not text.startswith(signing.PUBLIC_PREFIX)
        ]
        public_keys = [
            signing.decode_public_key(text)
            for text in texts
            if text.startswith(signing.PUBLIC_PREFIX)
        ]
    except InvalidInput as error:
        reason = f"Callback route {route!r} has a secret that can't be used: {error.reason}."
        raise ConfigurationError(reason) from None
    return secrets, public_keys
