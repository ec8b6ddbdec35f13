"""Secrets that are sent along as they are: in a header of their own, as Bearer, or as Basic."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from integrations.callbacks.routes import CallbackRequest
from integrations.callbacks.verifiers.senders import (
    FindSender,
    header_bytes,
    live_secrets,
    refused,
)


@dataclass(frozen=True)
class SharedSecret:
    """A header must hold one of the live secrets, after `prefix`.

    It proves who sends, and nothing about the body: https is what protects that. For a Bearer
    token: `header="Authorization", prefix="Bearer "`. `id_header` names the header with the
    event's id, where the sender has one.
    """

    find: FindSender
    header: str = "X-Webhook-Secret"
    prefix: str = ""
    id_header: str = ""

    def __call__(self, request: CallbackRequest) -> list[str]:
        """No doubts, or CallbackRefused(401); see `live_secrets` for the rest."""
        secrets = live_secrets(request, self.find)
        given = header_bytes(request, self.header)
        prefix = self.prefix.encode()
        has_prefix = given[: len(prefix)].lower() == prefix.lower()
        is_one = _is_one_of(given[len(prefix) :], secrets)
        if not (has_prefix and is_one):
            raise refused(f"{self.header} is missing or does not fit.")
        _note_id(request, self.id_header)
        return []


@dataclass(frozen=True)
class BasicAuth:
    """User name and password; each live secret is a `name:password` text. See `SharedSecret`."""

    find: FindSender
    id_header: str = ""

    def __call__(self, request: CallbackRequest) -> list[str]:
        """No doubts, or CallbackRefused(401); see `live_secrets` for the rest."""
        secrets = live_secrets(request, self.find)
        scheme, _, encoded = header_bytes(request, "Authorization").partition(b" ")
        is_one = _is_one_of(_decoded(encoded), secrets)
        if scheme.lower() != b"basic" or not is_one:
            raise refused("Authorization is missing or does not fit.")
        _note_id(request, self.id_header)
        return []


def _decoded(encoded: bytes) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _is_one_of(given: bytes, secrets: Iterable[str]) -> bool:
    """Compares digests, so that the time tells neither content nor length; all of them."""
    digest = hashlib.sha256(given).digest()
    found = False
    for secret in secrets:
        found |= hmac.compare_digest(digest, hashlib.sha256(secret.encode()).digest())
    return found


def _note_id(request: CallbackRequest, id_header: str) -> None:
    if id_header:
        request.event_id = request.event_id or request.headers.get(id_header, "")
