"""The client certificate that an endpoint demands: readable, in time, with its own key."""

from __future__ import annotations

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from integrations.exceptions import InvalidInput

CERTIFICATE, KEY = "client_certificate", "client_key"
LONGEST_PEM = 64 * 1024
# Said when a certificate is saved that ends so soon.
ENDS_SOON = timedelta(days=14)


def check_pair(certificate: str, key: str, *, now: datetime) -> str:
    """A warning where the certificate ends soon, else "".

    `certificate` is PEM, the client's own first, then those between it and its root. Raises
    InvalidInput: half a pair, unreadable, with a passphrase, out of time, another one's key.
    """
    if not certificate and not key:
        return ""
    if not key:
        raise InvalidInput(KEY, "is needed with a client certificate", code="required")
    if not certificate:
        raise InvalidInput(CERTIFICATE, "is needed with a client key", code="required")
    found = _read_certificate(certificate)
    if _public_key_of(key) != _as_bytes(found.public_key()):
        raise InvalidInput(KEY, "is not the key of this client certificate")
    if found.not_valid_after_utc <= now:
        raise InvalidInput(CERTIFICATE, f"ended on {found.not_valid_after_utc:%Y-%m-%d}")
    if found.not_valid_before_utc > now:
        raise InvalidInput(CERTIFICATE, f"begins on {found.not_valid_before_utc:%Y-%m-%d}")
    if found.not_valid_after_utc - now > ENDS_SOON:
        return ""
    return f"{CERTIFICATE}: ends on {found.not_valid_after_utc:%Y-%m-%d}."


def _read_certificate(text: str) -> x509.Certificate:
    if "PRIVATE KEY" in text:
        # It would be stored, and shown, in the clear.
        raise InvalidInput(CERTIFICATE, "holds a private key, which belongs in client_key")
    if len(text) > LONGEST_PEM:
        raise InvalidInput(CERTIFICATE, f"has more than {LONGEST_PEM} characters")
    try:
        return x509.load_pem_x509_certificates(text.encode())[0]
    except (ValueError, IndexError):
        raise InvalidInput(CERTIFICATE, "can't be read: it must be PEM text") from None


def _public_key_of(text: str) -> bytes:
    if len(text) > LONGEST_PEM:
        raise InvalidInput(KEY, f"has more than {LONGEST_PEM} characters")
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except TypeError:
        raise InvalidInput(KEY, "has a passphrase: store it without one") from None
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidInput(KEY, "can't be read: it must be a PEM private key") from None
    return _as_bytes(key.public_key())


def _as_bytes(key: object) -> bytes:
    text: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return text
