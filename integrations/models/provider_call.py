"""One row per call to a provider: telemetry for people, never a source of truth about money."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _


class ProviderCall(models.Model):
    """A call that left, or was refused before it could leave. No bodies, no secrets.

    Written after the fact and outside the caller's transaction; a row may be missing after a
    crash, so nothing is ever decided by it.
    """

    class Outcome(models.TextChoices):
        """What became of the call, seen from here."""

        OK = "ok", _("done")
        REFUSED = "refused", _("refused by the provider")
        FAILED = "failed", _("failed, nothing was carried out")
        UNKNOWN = "unknown", _("unknown, may have been carried out")
        BLOCKED = "blocked", _("stopped here, not sent")

    provider = models.CharField(max_length=50)
    operation = models.CharField(max_length=80)
    business = models.CharField(max_length=100, blank=True, default="")
    environment = models.CharField(max_length=20, blank=True, default="")
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    error_code = models.CharField(max_length=80, blank=True, default="")
    latency_ms = models.PositiveIntegerField()
    cost = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    reference = models.CharField(max_length=100, blank=True, default="")
    provider_request_id = models.CharField(max_length=120, blank=True, default="")
    # A digest: it tells two sets of credentials apart and reveals neither.
    credential = models.CharField(max_length=64, blank=True, default="")
    correlation_id = models.CharField(max_length=64, blank=True, default="", db_default="")
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = _("provider call")
        verbose_name_plural = _("provider calls")
        ordering: ClassVar[list[str]] = ["-created_at", "-id"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["provider", "created_at"], name="providercall_provider_created"),
            models.Index(fields=["reference"], name="providercall_reference"),
            models.Index(fields=["-created_at", "-id"], name="providercall_created"),
            models.Index(fields=["business", "-id"], name="providercall_business"),
            # What people look for is rare.
            models.Index(
                fields=["-created_at", "-id"],
                name="providercall_not_ok",
                condition=~models.Q(outcome="ok"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.operation}: {self.outcome}"
