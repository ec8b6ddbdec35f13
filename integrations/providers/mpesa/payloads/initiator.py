"""The API user in whose name money is sent, reversed and asked about.

Source: Daraja reference, section 19.
"""

from __future__ import annotations

import base64
import binascii

from cryptography.hazmat.primitives.asymmetric import padding

from integrations.config import Snapshot
from integrations.crypto.certificate import CertificateUnreadable, rsa_public_key
from integrations.exceptions import ConfigurationError

# Bytes of an RSA block: keys of 1024 to 8192 bits.
_BLOCKS = range(128, 1025)
_WHOLE_GROUPS = 8


def initiator_name(config: Snapshot) -> str:
    """The API user's name; raises ConfigurationError where there is none."""
    name = config.text("initiator_name").strip()
    if not name:
        raise ConfigurationError(
            "Enter initiator_name in the M-Pesa settings: the API user of the organisation portal.",
            code="no_initiator",
        )
    return name


def security_credential(config: Snapshot) -> str:
    """The initiator's password as M-Pesa takes it: encrypted for Safaricom, in base64.

    Made anew at each call from `initiator_password` and `certificate` (PKCS#1 v1.5, the password
    alone); where no password is set, the ready-made `security_credential`. Two values of one
    password differ, so it is nothing to compare by.

    Raises ConfigurationError that names the field to fill in; the password is in no error.
    """
    if config.text("initiator_password"):
        return _encrypted(config)
    ready_made = "".join(config.text("security_credential").split())
    if not ready_made:
        raise ConfigurationError(
            "Enter initiator_password (with the certificate) in the M-Pesa settings, or the "
            "ready-made security_credential.",
            code="no_credential",
        )
    if not _is_encrypted(ready_made):
        raise ConfigurationError(
            "security_credential is not the encrypted initiator password: it is base64 text of "
            "344 characters from the Daraja portal. Enter a plain password as initiator_password.",
            code="bad_credential",
        )
    return ready_made


def _encrypted(config: Snapshot) -> str:
    certificate = config.text("certificate").strip()
    if not certificate:
        raise ConfigurationError(
            "The initiator password can't be encrypted without Safaricom's certificate: enter "
            f"certificate in the M-Pesa settings, the one of the {config.environment} environment.",
            code="no_certificate",
        )
    try:
        key = rsa_public_key(certificate)
    except CertificateUnreadable as error:
        raise ConfigurationError(
            f"certificate in the M-Pesa settings can't be used: {error}", code="bad_certificate"
        ) from None
    try:
        sealed = key.encrypt(config.text("initiator_password").encode(), padding.PKCS1v15())
    except ValueError:
        raise ConfigurationError(
            "initiator_password is too long for the key of the certificate.", code="bad_certificate"
        ) from None
    return base64.b64encode(sealed).decode()


def _is_encrypted(text: str) -> bool:
    """Whether it is base64 of a whole RSA block."""
    try:
        block = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return False
    return len(block) in _BLOCKS and len(block) % _WHOLE_GROUPS == 0
