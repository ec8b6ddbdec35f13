"""The original's `Crypto(text, command)` facade, for the callers that know it."""

from __future__ import annotations

from integrations.crypto.keyring import keyring
from integrations.crypto.secret import EncryptedStr, Secret
from integrations.exceptions import InvalidInput


class Crypto:
    """`Crypto(value, "encrypt").encrypt()` and `Crypto(token, "decrypt").decrypt()`.

    The second argument is kept and ignored, as in the original (compatibility reference, 2.2).
    Tokens of the original are standard Fernet and decrypt with the key they were made with.
    """

    def __init__(self, text: str | Secret | None, command: str = "") -> None:
        self.text = text
        self.command = command

    def encrypt(self) -> EncryptedStr:
        """A token that encrypted fields store as it is; "" for nothing.

        Raises ConfigurationError without a usable key, InvalidInput for a mask or no text.
        """
        return EncryptedStr(Secret.seal(self.text, "text").token)

    def decrypt(self) -> str:
        """The plaintext, "" for nothing stored.

        Raises DecryptionError (the original returned the error's text), InvalidInput for what
        is no text.
        """
        if isinstance(self.text, Secret):
            return self.text.reveal()
        if self.text is not None and not isinstance(self.text, str):
            raise InvalidInput("text", "must be text.", code="invalid_secret")
        return keyring.decrypt(self.text) if self.text else ""

    def __repr__(self) -> str:
        return f"<Crypto {self.command}>"
