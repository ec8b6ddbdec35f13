"""Base of every integration's settings: one row per business, declared once.

The fields of a subclass are the declaration: the config dict, the admin form, masking, the
API schema and the docs table are derived from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, partial
from types import MappingProxyType
from typing import Any, ClassVar, Self, TypeVar
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models.signals import post_delete
from django.utils import timezone

from integrations import registry
from integrations.crypto.fields import EncryptedTextField, note_stored
from integrations.crypto.secret import Secret
from integrations.models.audit import AuditEntry
from integrations.models.integration import Integrations
from integrations.models.settings_hook import tell_settings_change
from integrations.models.stamp import ConfigStamp, StampedQuerySet, stamp_loaded

_M = TypeVar("_M", bound="type[SettingsModel]")
DEFAULT_PORTS = {"https": 443, "http": 80}


class Environment(models.TextChoices):
    """Which side of a provider a row talks to."""

    SANDBOX = "sandbox", "Sandbox"
    PRODUCTION = "production", "Production"


def host_of(url: str) -> str:
    """ "host:port" of a URL, lower case with the default port filled in; "" for no URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        return ""
    host = (parts.hostname or "").removesuffix(".")
    if not host:
        return ""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class SettingsQuerySet(StampedQuerySet):
    """Bulk writes that bind secrets to hosts, and tell of each row."""

    def bulk_create(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:
        """As Django's; each row's secrets are bound to its hosts."""
        rows = list(objs)
        for row in rows:
            row.bind_secrets(None)
        with transaction.atomic():
            made = super().bulk_create(rows, *args, **kwargs)
            for row in made:
                tell_settings_change("created", row, row.set_fields())
        return made

    def update(self, **kwargs: Any) -> int:
        """As `StampedQuerySet`'s."""
        fields = [name for name in self.model.told_fields() if name in kwargs]
        if not fields:
            return super().update(**kwargs)
        with transaction.atomic():
            keys = list(self.order_by().values_list("pk", flat=True))
            count = super().update(**kwargs)
            for row in self.model._default_manager.filter(pk__in=keys).order_by("pk"):
                tell_settings_change("changed", row, fields)
        return count

    update.alters_data = True  # type: ignore[attr-defined]


class SettingsModel(models.Model):
    """Settings of one integration for one business ("" is the whole installation).

    Secrets are bound to the hosts they were typed for (`secret_hosts`); the outbound client
    refuses to send them anywhere else, so a new host needs the secrets typed again.
    """

    info: ClassVar[registry.Integration]
    # Fields that decide who hears secrets which are not stored here (callback paths): changing
    # one asks for the stored secrets again, as a new host does.
    guarded_fields: ClassVar[tuple[str, ...]] = ()
    # Where a business may have several rows: the field that tells them apart (`AccountSettings`).
    account_field: ClassVar[str] = ""
    # Where a form would be long: further sections with their fields; all else is the account.
    sections: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType({})
    # Documented names that stand for a field of another name: in the config dict, and as variables.
    aliases: ClassVar[Mapping[str, str]] = MappingProxyType({})
    # URL fields that receive secrets, by environment; see `outbound_urls`.

    business = models.CharField(
        max_length=64,
        blank=True,
        default="",
        help_text="The host ERP's key of a business; empty for the whole installation.",
    )
    shared = models.BooleanField(
        default=False,
        help_text="Let businesses use it that have no row of their own, or name its account "
        "(installation only).",
    )
    environment = models.CharField(
        max_length=20,
        choices=Environment.choices,
        default=Environment.SANDBOX,
        help_text="Sandbox moves no money. Production does; its secrets are typed anew.",
    )
    secret_hosts = models.JSONField(default=list, editable=False)
    secrets_saved = models.JSONField(default=dict, editable=False)
    last_test_at = models.DateTimeField(null=True, editable=False)
    last_test_ok = models.BooleanField(null=True, editable=False)
    last_test_message = models.CharField(max_length=300, blank=True, editable=False)
    last_test_ms = models.PositiveIntegerField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = SettingsQuerySet.as_manager()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        owner = self.business or "installation"
        return f"{self.info.label} ({owner}, {self.get_environment_display()})"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save with secrets bound, stamp changed and the change audited, in one transaction."""
        with transaction.atomic():
            before = self._stored(is_locked=True)
            self._empty_nones()
            if before is None:
                self._link()
            self.bind_secrets(before, written=kwargs.get("update_fields"))
            if kwargs.get("update_fields") is not None:
                extra = {"secrets_saved", "secret_hosts", "updated_at"}
                kwargs["update_fields"] = {*kwargs["update_fields"], *extra}
            super().save(*args, **kwargs)
            ConfigStamp.objects.touch()
            action = "changed" if before else "created"
            fields = self._changed_fields(before)
            AuditEntry.objects.record(
                f"settings.{action}", target=self, business=self.business, fields=fields
            )
            tell_settings_change(action, self, fields)
            transaction.on_commit(partial(note_stored, self), robust=True)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete; the stamp changes and the deletion is audited in the same transaction."""
        with transaction.atomic():
            AuditEntry.objects.record("settings.deleted", target=self, business=self.business)
            answer = super().delete(*args, **kwargs)
            ConfigStamp.objects.touch()
            return answer

    @classmethod
    @cache
    def config_fields(cls) -> tuple[str, ...]:
        """Names of the fields this integration declares, in order."""
        base = {field.name for field in SettingsModel._meta.get_fields()}
        base |= {"id", "integration", "is_main"}
        return tuple(f.name for f in cls._meta.concrete_fields if f.name not in base)

    @classmethod
    @cache
    def owner_fields(cls) -> tuple[str, ...]:
        """Names of the fields that say whom a row serves, in order."""
        names = ("business", "is_main", "shared", "environment")
        return tuple(name for name in names if name != "is_main" or cls.account_field)

    @classmethod
    @cache
    def told_fields(cls) -> tuple[str, ...]:
        """Names of the fields whose change is audited and published, in order."""
        return (*cls.owner_fields(), *cls.config_fields())

    @classmethod
    @cache
    def secret_fields(cls) -> tuple[str, ...]:
        """Names of the encrypted fields, in order."""
        return tuple(f.name for f in cls._meta.concrete_fields if isinstance(f, EncryptedTextField))

    @classmethod
    def field_of(cls, key: str) -> Any:
        """The field behind a key of the config dict; raises FieldDoesNotExist."""
        return cls._meta.get_field(cls.aliases.get(key, key))

    def outbound_urls(self) -> list[str]:
        """The URLs that receive this row's secrets in its environment."""
        raise NotImplementedError(f"{type(self).__name__} must say where its secrets go.")

    def config_values(self) -> dict[str, Any]:
        """The config dict of this row; secrets are `Secret`, URLs follow the environment."""
        names = {name: name for name in self.config_fields()} | dict(self.aliases)
        return {name: getattr(self, field) for name, field in names.items()}

    def outbound_hosts(self) -> list[str]:
        """The "host:port" texts of `outbound_urls`, sorted."""
        return sorted({host_of(url) for url in self.outbound_urls()} - {""})

    def kept_secrets(
        self, before: SettingsModel | None, written: Iterable[str] | None = None
    ) -> list[str]:
        """Names of the set secrets that nobody typed: read from a row, or equal to `before`.

        `written` are the fields that a save will write (None: all); the others stay as stored.
        """
        return [name for name in self.secret_fields() if self._is_kept(name, before, written)]

    def _is_kept(
        self, name: str, before: SettingsModel | None, written: Iterable[str] | None
    ) -> bool:
        stored = getattr(before, name) if before else Secret()
        if written is not None and name not in written:
            return bool(stored)
        value = getattr(self, name)
        return bool(value) and (value.stored or value == stored)

    def clean(self) -> None:
        """Refuse what can't work: hosts moved under kept secrets, a shared business row."""
        super().clean()
        self._empty_nones()
        if self.shared and self.business:
            raise ValidationError({"shared": "Only the installation's own row can be shared."})
        before = self._stored()
        kept = self.kept_secrets(before)
        moved = self._what_moved(before or self)
        if moved and kept:
            again = ValidationError(f"{moved}: type this secret again.", code="host_not_confirmed")
            raise ValidationError(dict.fromkeys(kept, again))

    def _empty_nones(self) -> None:
        """The original's columns were nullable; its callers may pass None for "not set"."""
        for field in self._meta.concrete_fields:
            if (
                not field.null
                and getattr(self, field.attname) is None
                and field.empty_strings_allowed
            ):
                setattr(self, field.attname, "")

    def _link(self) -> None:
        """Join the `Integrations` row of this name, so that its switch reaches this row."""
        if getattr(self, "integration_id", 0) is None:
            rows = Integrations.objects.filter(name=self.info.name)
            self.integration = rows.order_by("-is_active", "pk").first() or (
                Integrations.objects.create(
                    name=self.info.name, integration_type=self.info.category
                )
            )

    def _what_moved(self, before: SettingsModel) -> str:
        if sorted(before.secret_hosts) != self.outbound_hosts():
            return f"The host is now {', '.join(self.outbound_hosts())}"
        # Both environments behind one host: the secrets are still those of the other one.
        if before.environment != self.environment:
            return f"The environment is now {self.environment}"
        for name in self.guarded_fields:
            if getattr(before, name) != getattr(self, name):
                return f"The {name.replace('_', ' ')} was changed"
        return ""

    def bind_secrets(
        self, before: SettingsModel | None, *, written: Iterable[str] | None = None
    ) -> None:
        """Note when secrets were typed and, where all set ones were, for which hosts.

        `written` as for `kept_secrets`. Secrets copied from another row keep the hosts that
        this row names, so that a copy with a new host is refused too.
        """
        now = timezone.now().isoformat(timespec="seconds")
        origin = before or self
        kept = self.kept_secrets(before, written)
        saved = {name: at for name, at in origin.secrets_saved.items() if name in kept}
        for name in self.secret_fields():
            is_written = written is None or name in written
            if is_written and name not in kept and getattr(self, name):
                saved[name] = now
        self.secrets_saved = saved
        self.secret_hosts = origin.secret_hosts if kept else self.outbound_hosts()

    def note_test(
        self, *, ok: bool, message: str, milliseconds: int, is_audited: bool = True
    ) -> None:
        """Store a connection test's result; not a change of settings, so no new stamp.

        Health endpoints are polled, so their tests leave no audit entry.
        """
        values = {
            "last_test_at": timezone.now(),
            "last_test_ok": ok,
            "last_test_message": message[:300],
            "last_test_ms": milliseconds,
        }
        with transaction.atomic():
            models.QuerySet(type(self)).filter(pk=self.pk).update(**values)
            if is_audited:
                AuditEntry.objects.record(
                    "settings.tested", target=self, business=self.business, detail=message
                )

    def _stored(self, *, is_locked: bool = False) -> Self | None:
        if self._state.adding or self.pk is None:
            return None
        rows = type(self)._default_manager.filter(pk=self.pk)
        # Locked while saving: nobody may put in secrets between this look and the write.
        return (rows.select_for_update() if is_locked else rows).first()

    def set_fields(self) -> list[str]:
        """Names of the fields that hold something."""
        return [name for name in self.told_fields() if getattr(self, name)]

    def _changed_fields(self, before: SettingsModel | None) -> list[str]:
        if before is None:
            return self.set_fields()
        return [n for n in self.told_fields() if getattr(self, n) != getattr(before, n)]


def declare_settings(model: _M) -> _M:
    """Class decorator: registers the model's `info`, which is all an integration needs."""
    registry.register_integration(model.info, model)
    stamp_loaded(model)
    # A signal, and not `delete`: rows go with their `Integrations` row, and in bulk, too.
    post_delete.connect(_tell_deleted, sender=model, dispatch_uid="integrations.settings_deleted")
    return model


def _tell_deleted(*, instance: SettingsModel, **_: Any) -> None:
    tell_settings_change("deleted", instance)


def integration_link(related_name: str) -> Any:
    """The documented foreign key to the `Integrations` row."""
    return models.ForeignKey(
        Integrations, null=True, blank=True, on_delete=models.CASCADE, related_name=related_name
    )
