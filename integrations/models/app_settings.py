"""The row that holds the database's encryption key. A host ERP may have its own model."""

from __future__ import annotations

from typing import Any

from django.db import models, transaction

from integrations.crypto.fields import EncryptedTextField
from integrations.crypto.keyring import keyring, unwrap_key, wrap_key
from integrations.crypto.masking import MASK
from integrations.crypto.secret import EncryptedStr, Secret
from integrations.exceptions import InvalidInput
from integrations.models.audit import AuditEntry
from integrations.models.stamp import ConfigStamp, StampedQuerySet


class WrappedKey(Secret):
    """A stored key: opens with the environment's key, since it can't open itself."""

    __slots__ = ()

    def reveal(self) -> str:
        """The key text, several joined by commas; raises ConfigurationError."""
        return ",".join(unwrap_key(self.token)) if self.token else ""


class WrappedKeyField(EncryptedTextField):
    """Stores Fernet keys wrapped by CYPHER_KEY, or bare where the environment has none."""

    def seal(self, value: object) -> Secret:
        """Wrap typed text; raises ConfigurationError for a key that must not be used."""
        if isinstance(value, Secret):
            return WrappedKey(value.token, stored=value.stored)
        if isinstance(value, EncryptedStr) or not value:
            return WrappedKey(str(value or ""))
        if not isinstance(value, str) or MASK in value:
            raise InvalidInput(self.name, "must be a Fernet key.", code="bad_key")
        return WrappedKey(wrap_key(value))

    def from_db_value(self, value: str | None, *_: Any) -> Secret:
        """The stored key."""
        return WrappedKey(value or "", stored=True)

    def db_check(self, connection: Any) -> None:  # type: ignore[override]
        """None: a bare key is allowed where the environment has no key."""


class AppSettings(models.Model):
    """Application settings of an installation without a host ERP's own row.

    `cypher_key`, where set, is what encrypts; the row with the lowest id counts.
    """

    name = models.CharField(max_length=255, default="Default")
    app_key = EncryptedTextField(help_text="Kept for callers of the original; not used here.")
    cypher_key = WrappedKeyField(
        help_text="A Fernet key (44 characters). Leave empty to use CYPHER_KEY alone."
    )

    objects = StampedQuerySet.as_manager()

    class Meta:
        verbose_name = "application settings"
        verbose_name_plural = "application settings"

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; every process rereads its keyring."""
        with transaction.atomic():
            super().save(*args, **kwargs)
            ConfigStamp.objects.touch()
            AuditEntry.objects.record("app_settings.saved", target=self)
            transaction.on_commit(keyring.forget, robust=True)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete; every process rereads its keyring."""
        with transaction.atomic():
            AuditEntry.objects.record("app_settings.deleted", target=self)
            answer = super().delete(*args, **kwargs)
            ConfigStamp.objects.touch()
            transaction.on_commit(keyring.forget, robust=True)
            return answer
