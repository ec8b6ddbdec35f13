"""The row that holds the database's encryption key. A host ERP may have its own model."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import models, router, transaction

from integrations.crypto.fields import DUMP_MARK, EncryptedTextField, note_stored
from integrations.crypto.keyring import keyring, unwrap_key, wrap_key
from integrations.crypto.masking import MASK
from integrations.crypto.secret import EncryptedStr, Secret, is_token_shaped
from integrations.exceptions import InvalidInput
from integrations.models.audit import AuditEntry
from integrations.models.stamp import ConfigStamp, StampedQuerySet, stamp_loaded


class WrappedKey(Secret):
    """A stored key: opens with the environment's key, since it can't open itself."""

    __slots__ = ()

    def reveal(self) -> str:
        """The key text, several joined by commas; raises ConfigurationError."""
        return ",".join(unwrap_key(self.token)) if self.token else ""


class WrappedKeyField(EncryptedTextField):
    """Stores Fernet keys wrapped by CYPHER_KEY, or bare where the environment has none."""

    opens_with_keyring = False

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

    def to_python(self, value: Any) -> Any:
        """As its base; a bare key of a dump is wrapped where the environment has a key now."""
        if isinstance(value, str) and value.startswith(DUMP_MARK):
            stored = value.removeprefix(DUMP_MARK)
            return WrappedKey(stored) if is_token_shaped(stored) else self.seal(stored)
        return self.seal(value)

    def _may_be_old(self, value: Secret) -> bool:
        """Whatever was not typed: a held row must not take a new key away again."""
        return value.stored

    def _gives_way(self, held: Secret, present: Secret) -> bool:
        """Always: see `_may_be_old`."""
        return True

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
        alias = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        with transaction.atomic(), transaction.atomic(using=alias, savepoint=False):
            # Locked before the field looks which key is there: one that is replaced meanwhile
            # would come back, and the new one with it be gone.
            rows = type(self).objects.using(alias).select_for_update()
            before = None if self._state.adding else rows.filter(pk=self.pk).first()
            super().save(*args, **kwargs)
            ConfigStamp.objects.touch()
            AuditEntry.objects.record(
                "app_settings.changed" if before else "app_settings.created",
                target=self,
                fields=self._changed_fields(before),
            )
            transaction.on_commit(keyring.forget, robust=True)
            transaction.on_commit(partial(note_stored, self), robust=True)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete; every process rereads its keyring."""
        with transaction.atomic():
            AuditEntry.objects.record("app_settings.deleted", target=self)
            answer = super().delete(*args, **kwargs)
            ConfigStamp.objects.touch()
            transaction.on_commit(keyring.forget, robust=True)
            return answer

    def _changed_fields(self, before: AppSettings | None) -> list[str]:
        names = ("name", "app_key", "cypher_key")
        present = [name for name in names if getattr(self, name)]
        if before is None:
            return present
        return [name for name in names if getattr(self, name) != getattr(before, name)]


stamp_loaded(AppSettings)
