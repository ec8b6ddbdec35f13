"""Serializer field of a secret: written, never read; the mask is refused."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from integrations.crypto.fields import EncryptedTextField
from integrations.crypto.masking import MASK


class SecretField(serializers.CharField):
    """Write-only text. Leave the key out to keep the stored secret, send "" to clear it."""

    default_error_messages = {
        "mask": "This is the mask shown in place of a secret. Send the secret, or leave it out."
    }

    def __init__(self, **kwargs: Any) -> None:
        kwargs.pop("read_only", None)
        kwargs.pop("validators", None)
        super().__init__(**{**kwargs, "write_only": True, "allow_blank": True, "required": False})

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """White space alone would be stripped to "", and that means clear: refused."""
        if isinstance(data, str) and data and not data.strip():
            self.fail("blank")
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> str:
        """The text as sent; the mask is no secret."""
        text = super().to_internal_value(data)
        if MASK in text:
            self.fail("mask")
        return text


def register_secret_field() -> None:
    """Have every ModelSerializer use `SecretField` for encrypted model fields."""
    serializers.ModelSerializer.serializer_field_mapping[EncryptedTextField] = SecretField
