"""Public keys of others: read from what an administrator pasted."""

from __future__ import annotations

from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

_HEADER = "-----BEGIN "


class CertificateUnreadable(ValueError):
    """The text holds no RSA public key; the message says why, in words."""


@lru_cache(maxsize=32)
def rsa_public_key(text: str) -> RSAPublicKey:
    """The RSA key of a PEM certificate or PEM public key.

    Validity dates are not looked at: every public copy of Safaricom's certificates is past its
    end (Daraja reference, section 19). Raises CertificateUnreadable.
    """
    text = text.strip()
    if _HEADER not in text:
        raise CertificateUnreadable(
            "it is not PEM text, which begins with -----BEGIN CERTIFICATE-----."
        )
    if "PRIVATE KEY" in text:
        raise CertificateUnreadable("it is a private key, which belongs in no settings.")
    try:
        key: object
        if f"{_HEADER}CERTIFICATE" in text:
            key = x509.load_pem_x509_certificate(text.encode()).public_key()
        else:
            key = load_pem_public_key(text.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise CertificateUnreadable("it can't be read: copy the whole text of the file.") from None
    if not isinstance(key, RSAPublicKey):
        raise CertificateUnreadable("its key is not an RSA key.")
    return key
