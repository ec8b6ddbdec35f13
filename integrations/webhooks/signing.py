"""Signatures of Standard Webhooks 1.0.0 (`v1`, `v1a`) and of the original project, over bytes.

Webhooks reference, sections 1 and 1.1. Nothing here reads a clock or parses a body: the integer
second and the exact bytes are signed. No error quotes a secret.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
import secrets
from collections.abc import Callable, Collection
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from integrations.exceptions import InvalidInput

SECRET_PREFIX, PRIVATE_PREFIX, PUBLIC_PREFIX = "whsec_", "whsk_", "whpk_"
# The specification asks for 24 to 64 random bytes.
SECRET_BYTES = range(24, 65)
_NEW_SECRET_BYTES = 32
_SEED_BYTES = 32
# Visible ASCII without a full stop: with one, id "a.1" and body "x" would be signed as id "a" and
# body "1.x" are.
_MESSAGE_ID = re.compile(r"[\x21-\x2d\x2f-\x7e]{1,200}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")

# Takes what is signed, returns the entry of the header: "v1,..." or "v1a,...".
Sign = Callable[[bytes], str]


class KeyPair(NamedTuple):
    """An ed25519 pair as text; its repr shows the public half only."""

    private: str
    public: str

    def __repr__(self) -> str:
        return f"KeyPair(public={self.public!r})"


def new_secret() -> str:
    """A random secret of 32 bytes as `whsec_...`."""
    raw = secrets.token_bytes(_NEW_SECRET_BYTES)
    return SECRET_PREFIX + base64.b64encode(raw).decode()


def new_key_pair() -> KeyPair:
    """A random ed25519 pair as `whsk_...` (the seed) and `whpk_...`."""
    seed = Ed25519PrivateKey.generate().private_bytes_raw()
    private = PRIVATE_PREFIX + base64.b64encode(seed).decode()
    return KeyPair(private, public_key_of(private))


def decode_secret(text: str, *, sizes: Collection[int] = SECRET_BYTES) -> bytes:
    """The key bytes of a `whsec_` text, with or without its base64 padding.

    Raises InvalidInput("secret") for anything else, and for a length that is not in `sizes`.
    """
    raw = _decode(text, SECRET_PREFIX, "secret")
    if len(raw) not in sizes:
        raise InvalidInput("secret", "has the wrong length: 24 to 64 bytes are wanted")
    return raw


def is_standard(text: str) -> bool:
    """Whether `decode_secret` takes the text."""
    try:
        decode_secret(text)
    except InvalidInput:
        return False
    return True


def key_bytes(text: str) -> bytes:
    """What a stored secret signs with: the decoded bytes of a `whsec_` text.

    Any other text is one of the original project, whose key is the text itself in UTF-8.
    """
    return decode_secret(text) if is_standard(text) else text.encode()


def decode_private_key(text: str) -> Ed25519PrivateKey:
    """The key of a `whsk_` text: 32 bytes (the seed), or 64 (seed and public key).

    Raises InvalidInput("asymmetric_key"), also where the two halves don't belong together.
    """
    raw = _decode(text, PRIVATE_PREFIX, "asymmetric_key")
    if len(raw) not in (_SEED_BYTES, 2 * _SEED_BYTES):
        raise InvalidInput("asymmetric_key", "has the wrong length: 32 or 64 bytes are wanted")
    key = Ed25519PrivateKey.from_private_bytes(raw[:_SEED_BYTES])
    if raw[_SEED_BYTES:] not in (b"", key.public_key().public_bytes_raw()):
        raise InvalidInput("asymmetric_key", "holds a public key that is not its own")
    return key


def decode_public_key(text: str) -> Ed25519PublicKey:
    """The key of a `whpk_` text; raises InvalidInput("public_key")."""
    raw = _decode(text, PUBLIC_PREFIX, "public_key")
    if len(raw) != _SEED_BYTES:
        raise InvalidInput("public_key", "has the wrong length: 32 bytes are wanted")
    return Ed25519PublicKey.from_public_bytes(raw)


def public_key_of(private: str) -> str:
    """The `whpk_` text that belongs to a `whsk_` text; raises as `decode_private_key` does."""
    raw = decode_private_key(private).public_key().public_bytes_raw()
    return PUBLIC_PREFIX + base64.b64encode(raw).decode()


def _decode(text: str, prefix: str, field: str) -> bytes:
    if not isinstance(text, str) or not text.startswith(prefix):
        raise InvalidInput(field, f"must begin with {prefix}")
    encoded = text.removeprefix(prefix).rstrip("=")
    try:
        # Only the padding is forgiven: spaces or the URL alphabet are a mistake in copying.
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        pass
    raise InvalidInput(field, f"is no base64 after {prefix}")


def is_message_id(text: str) -> bool:
    """Whether the text may be a `webhook-id`: visible ASCII without a full stop, 200 at most."""
    return _MESSAGE_ID.fullmatch(text) is not None


def read_timestamp(text: str) -> int | None:
    """The Unix second of a `webhook-timestamp`: 1 to 12 ASCII digits and nothing else."""
    return int(text) if _TIMESTAMP.fullmatch(text) else None


def signed_bytes(message_id: str, timestamp: int, body: bytes) -> bytes:
    """What both versions sign; raises InvalidInput for an id that could be read in two ways."""
    if not is_message_id(message_id):
        raise InvalidInput("message_id", "must be visible ASCII without a full stop")
    return b"%s.%d.%s" % (message_id.encode(), timestamp, body)


def v1_signer(key: bytes) -> Sign:
    """Signs with one key many times: the key's share of the work is done once, here."""
    prepared = hmac.new(key, digestmod="sha256")

    def sign(content: bytes) -> str:
        mac = prepared.copy()
        mac.update(content)
        return "v1," + binascii.b2a_base64(mac.digest(), newline=False).decode()

    return sign


def v1a_signer(key: Ed25519PrivateKey) -> Sign:
    """Signs with one private key many times."""

    def sign(content: bytes) -> str:
        return "v1a," + binascii.b2a_base64(key.sign(content), newline=False).decode()

    return sign


def sign_v1(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """ "v1," and the HMAC-SHA256 in base64. `key` are the decoded bytes, `timestamp` Unix seconds.

    Raises InvalidInput for an id with a full stop or outside visible ASCII.
    """
    return v1_signer(key)(signed_bytes(message_id, timestamp, body))


def sign_v1a(key: Ed25519PrivateKey, message_id: str, timestamp: int, body: bytes) -> str:
    """ "v1a," and the ed25519 signature in base64; raises as `sign_v1` does."""
    return v1a_signer(key)(signed_bytes(message_id, timestamp, body))


def verify_v1(keys: Collection[bytes], signatures: str, content: bytes) -> bool:
    """Whether any entry of the header's text is the HMAC of `content` under any of the keys.

    Entries of other versions, and such as are malformed, are passed over. Each is compared with
    each key in constant time, whichever fits.
    """
    expected = [hmac.digest(key, content, "sha256") for key in keys]
    found = False
    for signature in _entries(signatures, "v1"):
        for digest in expected:
            found |= hmac.compare_digest(signature, digest)
    return found


def verify_v1a(keys: Collection[Ed25519PublicKey], signatures: str, content: bytes) -> bool:
    """`verify_v1` for ed25519."""
    return any(
        _fits(key, signature, content) for signature in _entries(signatures, "v1a") for key in keys
    )


def _fits(key: Ed25519PublicKey, signature: bytes, content: bytes) -> bool:
    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True


# A header of any length must not become any number of comparisons.
_MOST_ENTRIES = 32


def _entries(signatures: str, version: str) -> list[bytes]:
    """The decoded signatures of one version. An entry without a comma, or with two, is none."""
    found = []
    for entry in signatures.split(" ")[:_MOST_ENTRIES]:
        named, comma, encoded = entry.partition(",")
        if named != version or not comma:
            continue
        try:
            found.append(base64.b64decode(encoded, validate=True))
        except (binascii.Error, ValueError):
            continue
    return found


def original_text(timestamp_iso: str, payload: bytes) -> bytes:
    """What the original project signed: compact JSON of time and payload, not the body as sent."""
    return b'{"timestamp":%s,"payload":%s}' % (json.dumps(timestamp_iso).encode(), payload)


def original_signature(secret: str, timestamp_iso: str, payload: bytes) -> str:
    """The original's `X-Webhook-Signature`: hex HMAC-SHA256 keyed with the secret's text.

    `payload` are the stored bytes (compact JSON in UTF-8), `timestamp_iso` the header beside it.
    """
    return hmac.digest(secret.encode(), original_text(timestamp_iso, payload), "sha256").hex()
