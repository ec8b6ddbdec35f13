"""The original's `Crypto(text, command)` facade, for the callers that know it."""

from __future__ import annotations

from integrations.crypto.keyring import keyring
from integrations.crypto.secret import EncryptedStr, Secret


class Crypto:
    """`Crypto(value, "encrypt").encrypt()` and `Crypto(token, "decrypt").decrypt()`.

    The second argument is kept and ignored, as in the original (compatibility reference, 2.2).
    Tokens of the original are standard Fernet and decrypt with the key they were made with.
    """

    def __init__(self, text: str | Secret, command: str = "") -> None:
        self.text = text
        self.command = command

    def encrypt(self) -> EncryptedStr:
        """A token that encrypted fields store as it is; raises ConfigurationError."""
        if isinstance(self.text, EncryptedStr):
            return self.text
        if isinstance(self.text, Secret):
            return EncryptedStr(self.text.token)
        return EncryptedStr(keyring.encrypt(self.text))

    def decrypt(self) -> str:
        """The plaintext; raises DecryptionError (the original returned the error's text)."""
        if isinstance(self.text, Secret):
            return self.text.reveal()
        return keyring.decrypt(self.text)

    def __repr__(self) -> str:
        return f"<Crypto {self.command}>"
