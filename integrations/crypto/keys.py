"""Fernet keys as text: parsing, and the keys that are refused."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings

from integrations.conf import hub_settings
from integrations.crypto.devkey import generate_dev_key, is_dev_key, read_or_create
from integrations.exceptions import ConfigurationError

# SHA-256 of the key that the original project published as a model default (compatibility
# reference, section 1.1). Everyone knows that key, so nothing may be stored under it.
PUBLISHED_KEY_DIGEST = "0ce408b3e9f7d0bc3f10168046f4ac02b7acc52a75289aa7837a69298a1faa2a"


def split_keys(text: str) -> list[str]:
    """The keys of a setting that lists several, separated by commas or white space."""
    return [part for part in re.split(r"[,\s]+", text.strip()) if part]


def canonical_key(text: str, source: str) -> str:
    """The key in its one spelling; raises ConfigurationError where it is no Fernet key."""
    try:
        raw = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32:
        raise ConfigurationError(
            f"{source} is not a Fernet key (32 bytes in URL-safe base64, 44 characters).",
            code="bad_key",
        )
    return base64.urlsafe_b64encode(raw).decode()


def is_published(text: str) -> bool:
    """Whether this is the key that the original project published, known by its digest."""
    return hashlib.sha256(text.encode()).hexdigest() == PUBLISHED_KEY_DIGEST


def check_key(text: str, source: str) -> str:
    """The key in its one spelling, unless it must not be used.

    Raises ConfigurationError for a malformed key, the published key of the original project,
    and a development key outside DEBUG. The text of the key never enters the error.
    """
    key = canonical_key(text, source)
    if is_published(key):
        raise ConfigurationError(
            f"{source} is the key that the original project published; everyone has it. "
            "Set a new one; `manage.py rotate_encryption_key --from-legacy` re-encrypts.",
            code="published_key",
        )
    if is_dev_key(key) and not settings.DEBUG:
        raise ConfigurationError(
            f"{source} is a development key, and DEBUG is off. Generate a production key.",
            code="dev_key",
        )
    return key


def environment_keys() -> list[str]:
    """Keys of the CYPHER_KEY setting, first one encrypts; [] where none is set.

    Under DEBUG a missing key is generated once per checkout and kept in a file. Raises
    ConfigurationError for a key that must not be used.
    """
    keys = split_keys(hub_settings.cypher_key)
    path = hub_settings.cypher_dev_key_file
    if not keys and settings.DEBUG and path:
        keys = [read_or_create(path, generate_dev_key)]
    return [check_key(key, "CYPHER_KEY") for key in keys]


def make_ring(keys: list[str]) -> MultiFernet:
    """A ring whose first key encrypts and whose keys all decrypt."""
    return MultiFernet([Fernet(key) for key in keys])
