"""The emulator's own key pair: its certificate for clients, and the reading of credentials.

Source: Daraja reference, section 19.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

_KEY_BITS = 2048  # section 19 [3+]: 256 bytes, 344 base64 characters


def certificate_pem() -> bytes:
    """The certificate that clients encrypt with; expired, as every public copy is [derived]."""
    return _certificate(_private_key())


def read_credential(encoded: str) -> str | None:
    """The initiator password in a SecurityCredential; None where it can't be decrypted.

    Section 19 [3+]: base64 of the password alone, RSA with PKCS#1 v1.5.
    """
    try:
        sealed = b64decode(encoded, validate=True)
        return _private_key().decrypt(sealed, padding.PKCS1v15()).decode()
    except (binascii.Error, ValueError):
        return None


@cache
def _private_key() -> rsa.RSAPrivateKey:
    # One per process: making one takes a tenth of a second and more.
    return rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)


@cache
def _certificate(key: rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Sandbox API encryption")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2017, 4, 25, tzinfo=UTC))
        .not_valid_after(datetime(2018, 4, 25, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)
