"""The value that a stored secret has in Python: a token that opens only on purpose."""

from __future__ import annotations

import base64
import binascii
from typing import Any, NoReturn

from integrations.crypto.keyring import keyring
from integrations.crypto.masking import MASK
from integrations.exceptions import InvalidInput


class EncryptedStr(str):
    """A Fernet token as text. The type, never the look of the text, says it is encrypted."""

    __slots__ = ()


class Secret:
    """A stored secret. Shows a mask everywhere; `reveal()` decrypts.

    Holds the ciphertext only: pickles and copies carry no plaintext. It is false when nothing
    is stored, is not a `str`, and can't be encoded as JSON.
    """

    __slots__ = ("stored", "token", "where")

    def __init__(self, token: str = "", *, where: str = "", stored: bool = False) -> None:
        self.token = str(token)
        self.where = where
        # Came from the database: nobody typed it, so it stays bound to its hosts.
        self.stored = stored

    @classmethod
    def seal(cls, value: object, field: str = "secret") -> Secret:
        """A Secret for whatever was assigned: text is encrypted, ciphertext kept by type.

        Raises InvalidInput for the reserved mask, for anything that is not text and for an
        EncryptedStr that is no token, and ConfigurationError where there is no key.
        """
        if isinstance(value, Secret):
            return value
        if value is None or value == "":
            return cls()
        if isinstance(value, EncryptedStr):
            if not is_token_shaped(value):
                raise InvalidInput(field, "is no Fernet token.", code="invalid_secret")
            return cls(value)
        if not isinstance(value, str):
            raise InvalidInput(field, "must be text.", code="invalid_secret")
        if MASK in value:
            raise InvalidInput(
                field, "is the mask shown in place of a secret, not a secret.", code="mask_as_value"
            )
        return cls(keyring.encrypt(value, field=field))

    def reveal(self) -> str:
        """The plaintext, "" where nothing is stored; raises DecryptionError or
        ConfigurationError, never returns an empty answer for a secret that can't be read."""
        return keyring.decrypt(self.token, where=self.where) if self.token else ""

    def __bool__(self) -> bool:
        return bool(self.token)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.token == self.token

    def __hash__(self) -> int:
        return hash(self.token)

    def __repr__(self) -> str:
        return f"<Secret {MASK if self.token else 'empty'}>"

    def __str__(self) -> str:
        return MASK if self.token else ""

    def __reduce__(self) -> tuple[Any, ...]:
        # The state of slots, as `copyreg` sets it: nobody typed it, in another process either.
        return type(self), (self.token,), (None, {"stored": self.stored})

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __json__(self) -> NoReturn:
        raise TypeError("A Secret can't be encoded as JSON.")


def is_token_shaped(text: str) -> bool:
    """Whether the text has the structure of a Fernet token (version byte, sizes).

    A sanity check of what is known to be ciphertext; never used to decide whether a typed
    secret is already encrypted.
    """
    try:
        raw = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(raw) >= 73 and raw[0] == 0x80 and (len(raw) - 57) % 16 == 0
