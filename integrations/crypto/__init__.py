"""Secrets: keyring, the `Secret` value, the encrypted model field, masking."""

from integrations.crypto.keyring import (
    decrypt_text,
    encrypt_text,
    fingerprint,
    keyring,
)
from integrations.crypto.masking import MASK, redact
from integrations.crypto.secret import EncryptedStr, Secret

__all__ = [
    "MASK",
    "EncryptedStr",
    "Secret",
    "decrypt_text",
    "encrypt_text",
    "fingerprint",
    "keyring",
    "redact",
]
