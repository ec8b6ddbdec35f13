"""The shape of the secrets: mistakes of copying that can be seen without asking anybody.

No finding holds any part of a secret. Source: Daraja reference, sections 1, 2 and 4.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Iterator

from integrations.health.preflight.account import SANDBOX_STK_CODE, is_loopback
from integrations.health.preflight.finding import Finding, Subject, error, ok, warning

# Published by Safaricom for everybody (section 1).
PUBLISHED_PASSKEY = "bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919"
_QUOTES = "\"'“”‘’`"  # noqa: RUF001 - those of word processors
_HEX = re.compile(r"[0-9a-fA-F]{64}")
_KEYS = ("consumer_key", "consumer_secret", "passkey")


def check_readable(subject: Subject) -> Iterator[Finding]:
    """Every secret that is set can be opened with the present keys."""
    for name, reason in subject.unreadable.items():
        yield error(
            name,
            f"is set and can't be read: {reason}",
            "Bring the encryption key back, or type the secret again.",
        )
    if subject.has_secrets:
        yield ok("secrets", "can be read with the present encryption key.")


def check_copying(subject: Subject) -> Iterator[Finding]:
    """Spaces, quotes and swapped fields."""
    bad = False
    for name in (*_KEYS, "initiator_password"):
        text = subject.secret(name)
        if re.search(r"\s", text):
            bad = True
            yield error(name, "has a space or a line break in it.", "Copy it again without.")
        if name in _KEYS and any(mark in text for mark in _QUOTES):
            bad = True
            yield error(name, "has quotes in it.", "Copy it again without the quotes.")
    for one, other in (("consumer_key", "consumer_secret"), ("passkey", "consumer_secret"),
                       ("passkey", "consumer_key")):  # fmt: skip
        if subject.secret(one) and subject.secret(one) == subject.secret(other):
            bad = True
            yield error(one, f"is the same text as {other}.", "Copy each from its own place.")
    if _looks_swapped(subject.secret("consumer_key"), subject.secret("consumer_secret")):
        bad = True
        yield warning(
            "consumer_key",
            "and consumer_secret have the lengths of each other.",
            "Check that they are not swapped.",
        )
    if not bad and subject.secret("consumer_key"):
        yield ok("consumer_key", "and consumer_secret have no mistake of copying.")


def _looks_swapped(key: str, secret: str) -> bool:
    """Daraja's keys and secrets come in the lengths 32 with 16, and 48 with 64. [guess]"""
    return (len(key), len(secret)) in {(16, 32), (64, 48)}


def check_passkey(subject: Subject) -> Iterator[Finding]:
    """As received, and of the right environment."""
    passkey = subject.secret("passkey")
    if not passkey or re.search(r"\s", passkey):
        return
    decoded = _decoded(passkey)
    if decoded and re.search(r"[0-9]{14}$", decoded):
        yield error(
            "passkey",
            "is an encoded password: short code, passkey and a time in base64.",
            "Enter the passkey as it was received; the hub encodes it for each request.",
        )
    elif decoded and _HEX.fullmatch(decoded):
        yield error(
            "passkey", "is encoded in base64.", "Enter the passkey as it was received, not encoded."
        )
    elif subject.is_live and hmac.compare_digest(passkey.encode(), PUBLISHED_PASSKEY.encode()):
        yield error(
            "passkey",
            "is the published one of the sandbox, and the environment is production.",
            "Enter the passkey from the go-live mail.",
        )
    elif not subject.is_live and passkey != PUBLISHED_PASSKEY and _uses_published(subject):
        yield error(
            "passkey",
            f"is not the published one, and {SANDBOX_STK_CODE} takes no other.",
            "Copy it from the test credentials of the Daraja portal.",
        )
    elif not _HEX.fullmatch(passkey) and not is_loopback(subject):
        yield warning(
            "passkey",
            f"has {len(passkey)} characters, and passkeys are 64 digits and letters from a to f.",
            "Compare it with the mail it came with.",
        )
    else:
        yield ok("passkey", "has the form of a passkey.")


def _uses_published(subject: Subject) -> bool:
    return subject.short_code == SANDBOX_STK_CODE and not is_loopback(subject)


def _decoded(text: str) -> str:
    """What base64 text holds, where it is plain characters; "" otherwise."""
    try:
        return base64.b64decode(text, validate=True).decode("ascii")
    except (ValueError, binascii.Error, UnicodeDecodeError):
        return ""
