"""The list of integrations an installation uses."""

from __future__ import annotations

from typing import Any

from django.db import models, transaction

from integrations import registry
from integrations.models.audit import AuditEntry
from integrations.models.stamp import ConfigStamp, StampedQuerySet, stamp_loaded


class Integrations(models.Model):
    """One integration of this installation and whether it is in use."""

    name = models.CharField(max_length=100, choices=registry.integration_names, default="MPESA")
    integration_type = models.CharField(
        max_length=20, choices=registry.integration_types, default="PAYMENT"
    )
    is_active = models.BooleanField(default=True)
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = StampedQuerySet.as_manager()

    class Meta:
        verbose_name = "Integrations"
        verbose_name_plural = "Integrations"
        ordering = ["integration_type", "-is_default", "name"]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; a new default takes the place of the other default of its type."""
        with transaction.atomic():
            if self.is_default:
                others = Integrations.objects.filter(integration_type=self.integration_type)
                others.exclude(pk=self.pk).filter(is_default=True).update(is_default=False)
            before = None if self._state.adding else Integrations.objects.filter(pk=self.pk).first()
            super().save(*args, **kwargs)
            ConfigStamp.objects.touch()
            AuditEntry.objects.record(
                "integration.changed" if before else "integration.created",
                target=self, fields=self._changed_fields(before),
            )  # fmt: skip

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete with its settings rows."""
        with transaction.atomic():
            for row in self._settings_rows():
                AuditEntry.objects.record("settings.deleted", target=row, business=row.business)
            AuditEntry.objects.record("integration.deleted", target=self)
            answer = super().delete(*args, **kwargs)
            ConfigStamp.objects.touch()
            return answer

    def _settings_rows(self) -> list[Any]:
        """The settings rows that go with this one; the cascade itself tells nobody."""
        models_ = (registry.settings_model(item.slug) for item in registry.integrations())
        linked = (model for model in models_ if hasattr(model, "integration"))
        return [row for model in linked for row in model._default_manager.filter(integration=self)]

    def _changed_fields(self, before: Integrations | None) -> list[str]:
        names = ("name", "integration_type", "is_active", "is_default")
        return [n for n in names if before is None or getattr(self, n) != getattr(before, n)]


stamp_loaded(Integrations)
