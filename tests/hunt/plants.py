"""Secrets of this run: made from one seed, which child processes inherit with the environment.

Each begins and ends alike, so that one search per encoding finds any of them, also one that was
cut off or that stands inside another text (`key:secret` of Basic, a signed password).
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import string
from collections.abc import Iterator

_SEED = os.environ.setdefault("LEAK_HUNT_SEED", secrets.token_hex(16))
_ALPHABET = string.ascii_letters + string.digits


def _letters(label: str, count: int) -> str:
    digest = hashlib.sha512(f"{_SEED} {label}".encode()).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:count])


HEAD, TAIL = _letters("head", 12), _letters("tail", 12)
# Published by Safaricom for its sandbox short code (Daraja reference, section 1); hunted as well.
PASSKEY = "bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919"

_TEXTS = (
    "consumer key", "consumer secret", "passkey", "initiator password", "security credential",
    "typed consumer key", "typed consumer secret", "Django secret key", "access token",
    "admin password", "posted secret", "header secret", "broker password", "Redis password",
    "database password", "API token", "client id", "client secret", "communication key",
)  # fmt: skip
_KEYS = ("environment key", "database key", "second database key")


def _text(kind: str) -> str:
    return HEAD + _letters(kind, 16) + TAIL


def _fernet_key(kind: str) -> str:
    # 32 bytes in base64: 43 characters, of which the last carries four bits, and the padding.
    return f"{HEAD}{_letters(kind, 18)}{TAIL}A="


PLANTS = {kind: _text(kind) for kind in _TEXTS} | {kind: _fernet_key(kind) for kind in _KEYS}


_PLANTED = re.compile(rf"{HEAD}\w*{TAIL}|{HEAD}|{TAIL}|{PASSKEY}")


def planted(kind: str) -> str:
    """The planted secret of this kind (KeyError for one that no hunt knows)."""
    return PLANTS[kind]


def encodings(text: str) -> Iterator[tuple[str, bytes]]:
    """The text in every encoding that is searched for, each with its name.

    In base64 the letters depend on where the text begins inside a group of three bytes; only
    those that depend on the text alone are given. Letters and digits stay what they are in URLs,
    JSON and HTML.
    """
    raw = text.encode()
    yield "as it is", raw
    yield "in hexadecimal", raw.hex().encode()
    yield "in hexadecimal", raw.hex().upper().encode()
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw)
        # The first group holds the shift, the last one what follows the text.
        yield "in base64", encoded[4 if shift else 0 : len(raw + b"\0" * shift) // 3 * 4]


def needles() -> dict[bytes, str]:
    """What to search for, and how it would be encoded: enough to find any planted secret."""
    found = {form: how for mark in (HEAD, TAIL, PASSKEY) for how, form in encodings(mark)}
    # The bytes of a Fernet key begin with those that its head stands for.
    key = base64.urlsafe_b64decode(HEAD)
    return found | {key: "as key bytes", key.hex().encode(): "as key bytes in hexadecimal"}


def without_plants(text: str) -> str:
    """The text with planted secrets taken out: names of tests may hold their parameters."""
    return _PLANTED.sub("[secret]", text)


def kind_of(text: bytes) -> str:
    """Which planted secret stands in the text, as far as it can be told."""
    for kind, value in {**PLANTS, "published passkey": PASSKEY}.items():
        middle = value if value == PASSKEY else value[len(HEAD) : -len(TAIL) - 2]
        if any(form in text for _, form in encodings(middle)):
            return kind
    return "part of a planted secret"
