"""GitHub's scheme, which many have copied: an HMAC of the body in hex. Reference, section 2."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass

from integrations.callbacks.routes import CallbackRequest
from integrations.callbacks.verifiers.senders import (
    FindSender,
    header_bytes,
    live_secrets,
    refused,
)

_SIGNATURE = re.compile(rb"sha256=([0-9a-f]{64})")


@dataclass(frozen=True)
class GitHubSignature:
    """Any live secret (its text in UTF-8) must have signed the body.

    Only the body is signed: no time, and none of the headers. The event's id is that of
    `id_header`, which is the same when the event is sent again. Whoever has recorded a request can
    send it again under another id; with `by_body` the id is made of what is signed instead, for
    senders of whom no two events have the same bytes.
    """

    find: FindSender
    header: str = "X-Hub-Signature-256"
    id_header: str = "X-GitHub-Delivery"
    by_body: bool = False

    def __call__(self, request: CallbackRequest) -> list[str]:
        """No doubts, or CallbackRefused(401); see `live_secrets` for the rest."""
        secrets = live_secrets(request, self.find)
        found = _SIGNATURE.fullmatch(header_bytes(request, self.header))
        given = found[1] if found else b""
        is_signed = False
        for secret in secrets:
            digest = hmac.digest(secret.encode(), request.body, "sha256").hex().encode()
            is_signed |= hmac.compare_digest(given, digest)
        if not is_signed:
            raise refused(f"{self.header} is missing or does not fit.")
        told = "" if self.by_body else request.headers.get(self.id_header, "")
        request.event_id = request.event_id or told or request.body_digest()
        return []
