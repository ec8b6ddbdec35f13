"""Who may send to an address: found by the secret part of the URL, never by what is in the body."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from integrations.callbacks.routes import CallbackRefused, CallbackRequest
from integrations.crypto import Secret
from integrations.exceptions import ConfigurationError


@dataclass(frozen=True, slots=True)
class Sender:
    """One sender: every secret of theirs that is live, and whose business their events are."""

    secrets: Sequence[str | Secret] = field(repr=False)
    business: str = ""


# Takes the digest of the URL's last part; None for an address that nobody was given.
FindSender = Callable[[str], Sender | None]


def token_digest(token: str) -> str:
    """What `find` is asked with: SHA-256 in hex of the last part of the callback's URL."""
    return hashlib.sha256(token.encode()).hexdigest()


def by_token(senders: Mapping[str, Sender]) -> FindSender:
    """Senders by the last part of their URL; only digests of it are kept."""
    return {token_digest(token): sender for token, sender in senders.items()}.get


def refused(reason: str) -> CallbackRefused:
    """Not authentic. The reason is kept for people; the sender hears nothing of it."""
    return CallbackRefused(401, reason)


def live_secrets(request: CallbackRequest, find: FindSender) -> list[str]:
    """The texts of the addressee's secrets; notes whose business it is.

    Raises CallbackRefused for an unknown address. Raises ConfigurationError where there is no
    secret, and DecryptionError: then the sender is told to come again, and nothing is let in.
    """
    sender = find(request.token_digest)
    if sender is None:
        raise refused("This callback address is not known.")
    if sender.business or request.business is None:
        request.business = sender.business
    given = (each.reveal() if isinstance(each, Secret) else each for each in sender.secrets)
    texts = [text for text in given if text]
    if not texts:
        raise ConfigurationError(f"Callback route {request.route!r} has a sender without a secret.")
    return texts


def header_bytes(request: CallbackRequest, name: str) -> bytes:
    """A header as it came over the wire; b"" where there is none."""
    try:
        return request.headers.get(name, "").encode("latin-1")
    except UnicodeEncodeError:  # not from a socket
        return b""
