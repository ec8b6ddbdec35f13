"""The list of integrations an installation uses."""

from __future__ import annotations

from typing import Any

from django.db import models, transaction

from integrations import registry
from integrations.models.stamp import ConfigStamp, StampedQuerySet


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
            super().save(*args, **kwargs)
            ConfigStamp.objects.touch()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete with its settings rows."""
        with transaction.atomic():
            answer = super().delete(*args, **kwargs)
            ConfigStamp.objects.touch()
            return answer
