"""The keyring: which keys encrypt and decrypt, where they come from, when they are reread.

Order (the documented one): keys of the database row first, then CYPHER_KEY. The first key of
the whole list encrypts, every key decrypts. Decision record 0001.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.utils.crypto import salted_hmac

from integrations.crypto.keys import check_key, environment_keys, make_ring, split_keys
from integrations.exceptions import ConfigurationError, DecryptionError, InvalidInput

# The version can't tell of everything, such as a bulk update of a host's own key row.
REREAD_SECONDS = 60.0


class KeySource(Protocol):
    """Where the database's keys come from; set by the app at start."""

    def version(self) -> str:
        """A text that changes whenever the keys may have changed; cheap to ask."""

    def keys(self) -> Sequence[str]:
        """Key texts of the database row, already unwrapped; [] where it has none."""


class EnvironmentOnly:
    """The source before the app is ready, and for hosts without a key row."""

    def version(self) -> str:
        """Never changes."""
        return ""

    def keys(self) -> Sequence[str]:
        """No database keys."""
        return ()


@dataclass(frozen=True, slots=True)
class _Loaded:
    ring: MultiFernet
    first: Fernet
    version: str
    reread_at: float


class Keyring:
    """Encrypts and decrypts text with the present keys. Thread-safe; safe to fork.

    Keys are reread when the source's version changes, and every REREAD_SECONDS.
    """

    def __init__(self) -> None:
        self._source: KeySource = EnvironmentOnly()
        self._loaded: _Loaded | None = None
        self._lock = threading.Lock()

    def use(self, source: KeySource) -> None:
        """Take the database's keys from `source` from now on."""
        self._source = source
        self.forget()

    def forget(self) -> None:
        """Reread all keys before the next use."""
        self._loaded = None

    def encrypt(self, text: str, *, field: str = "text") -> str:
        """A standard Fernet token.

        Raises ConfigurationError where there is no usable key, and InvalidInput naming `field`
        for what is no text that UTF-8 can carry.
        """
        return self._present().ring.encrypt(_as_bytes(text, field)).decode()

    def decrypt(self, token: str, *, where: str = "") -> str:
        """The text of a token, tried with every key, after one reload if none fits.

        Raises DecryptionError naming `where`; never returns an empty or partial answer.
        """
        raw = token.encode("ascii", "replace")
        try:
            return self._present().ring.decrypt(raw).decode()
        except InvalidToken:
            # Another process may have rotated the key a moment ago.
            self.forget()
        except UnicodeDecodeError:
            raise DecryptionError(f"The stored secret {where} holds no text.") from None
        try:
            return self._present().ring.decrypt(raw).decode()
        except InvalidToken:
            raise DecryptionError(
                f"The stored secret{f' {where}' if where else ''} can't be read: "
                "the encryption key does not match it."
            ) from None

    def is_first(self, token: str) -> bool:
        """Whether the first key opens the token; raises ConfigurationError without a key."""
        try:
            self._present().first.extract_timestamp(token.encode("ascii", "replace"))
        except InvalidToken:
            return False
        return True

    def freshen(self, token: str) -> str:
        """The token under the first key; as it is where it is already, or where no key opens it.

        Raises nothing: a token that can't be read now is kept, whatever the reason.
        """
        try:
            if self.is_first(token):
                return token
            return self._present().ring.rotate(token.encode("ascii", "replace")).decode()
        except (InvalidToken, ConfigurationError):
            return token

    def _present(self) -> _Loaded:
        version = self._source.version()
        loaded = self._loaded
        if loaded is not None and self._is_current(loaded, version):
            return loaded
        with self._lock:
            loaded = self._loaded
            if loaded is None or not self._is_current(loaded, version):
                reread_at = time.monotonic() + REREAD_SECONDS
                keys = self._load()
                loaded = _Loaded(make_ring(keys), Fernet(keys[0]), version, reread_at)
                self._loaded = loaded
            return loaded

    def _is_current(self, loaded: _Loaded, version: str) -> bool:
        return loaded.version == version and time.monotonic() < loaded.reread_at

    def renew_lock(self) -> None:
        """After fork: another thread of the parent may have held it."""
        self._lock = threading.Lock()

    def _load(self) -> list[str]:
        keys = [check_key(key, "AppSettings.cypher_key") for key in self._source.keys()]  # noqa: SIM118
        keys += [key for key in environment_keys() if key not in keys]
        if not keys:
            raise ConfigurationError(
                "No encryption key: set CYPHER_KEY (or CYPHER_KEY_FILE) to a Fernet key.",
                code="no_key",
            )
        return keys


def _as_bytes(text: object, field: str) -> bytes:
    if not isinstance(text, str):
        raise InvalidInput(field, "must be text.", code="invalid_secret")
    try:
        return text.encode()
    except UnicodeEncodeError:
        # Its own error would carry the text.
        pass
    raise InvalidInput(field, "has a character that is no Unicode text.", code="invalid_secret")


keyring = Keyring()
os.register_at_fork(after_in_child=keyring.renew_lock)


def encrypt_text(text: str) -> str:
    """`text` as a Fernet token under the present key; see `Keyring.encrypt`."""
    return keyring.encrypt(text)


def decrypt_text(token: str) -> str:
    """The text of a Fernet token; see `Keyring.decrypt`."""
    return keyring.decrypt(token)


def fingerprint(text: str) -> str:
    """Four hex digits that tell two secrets apart without holding any part of either.

    Keyed with Django's SECRET_KEY, so a leaked page does not help to guess the secret.
    """
    return salted_hmac("integrations.secret", text, algorithm="sha256").hexdigest()[:4]


def wrap_key(text: str) -> str:
    """Database keys under the environment's key, or bare where the environment has none.

    Each key is checked first (ConfigurationError). A bare key is a `check --deploy` error.
    """
    keys = [check_key(key, "AppSettings.cypher_key") for key in split_keys(text)]
    outer = environment_keys()
    joined = ",".join(keys)
    return make_ring(outer).encrypt(joined.encode()).decode() if outer and keys else joined


def unwrap_key(stored: str) -> list[str]:
    """The keys that `wrap_key` stored.

    Raises ConfigurationError where the environment has a key that does not open them: a bare
    or foreign value must not silently become the key that everything is encrypted with.
    """
    outer = environment_keys()
    if not outer:
        return [check_key(key, "AppSettings.cypher_key") for key in split_keys(stored)]
    try:
        return split_keys(make_ring(outer).decrypt(stored.encode("ascii", "replace")).decode())
    except InvalidToken:
        raise ConfigurationError(
            "AppSettings.cypher_key does not open with CYPHER_KEY. Put back the CYPHER_KEY it "
            "was saved under, or type the key into the admin again.",
            code="key_mismatch",
        ) from None
