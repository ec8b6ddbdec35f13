"""A payout file: many payouts that are checked, approved, sent and cancelled as one."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from integrations.models.settings_model import Environment
from integrations.work import LeasedWork


class BatchState(models.TextChoices):
    """Where a payout file stands; what became of its rows is in the rows."""

    AWAITING_APPROVAL = "awaiting_approval", "Waits for approval"
    RUNNING = "running", "Going out"
    PAUSED = "paused", "Paused"
    CANCELLING = "cancelling", "Being cancelled"
    FINISHED = "finished", "Finished"
    CANCELLED = "cancelled", "Cancelled"


class PayoutBatch(LeasedWork):
    """One file. Its rows are `Payment`s (`batch.rows`), in the order of their ids.

    Its work columns drive `payments.batches.run`: letting the rows go at the pace of the
    settings, and noticing the end.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=100, blank=True, default="")
    business = models.CharField(max_length=64, blank=True, default="")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    short_code = models.CharField(max_length=20, blank=True)
    # What all of its payouts are for, such as SalaryPayment.
    command = models.CharField(max_length=30)
    count = models.PositiveIntegerField()
    total = models.DecimalField(max_digits=16, decimal_places=2)
    currency = models.CharField(max_length=3, default="KES")
    # Over what the rows say: the same file, however its columns are ordered, has the same one.
    digest = models.CharField(max_length=64, editable=False)
    idempotency_key = models.CharField(max_length=128, null=True, blank=True)
    state = models.CharField(max_length=20, choices=BatchState.choices)
    message = models.CharField(max_length=300, blank=True, default="")
    # Nobody: a program of the host made it. An account that is gone leaves its name.
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    requested_by_name = models.CharField(max_length=200)
    # The file whose failed rows this one pays again.
    retry_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="retries"
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta(LeasedWork.Meta):
        verbose_name = "payout file"
        ordering = ["-id"]
        indexes = [
            *LeasedWork.Meta.indexes,
            models.Index(fields=["business", "-id"], name="payoutbatch_business"),
            models.Index(fields=["state", "-id"], name="payoutbatch_state"),
            models.Index(fields=["digest"], name="payoutbatch_digest"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["business", "environment", "idempotency_key"],
                name="payoutbatch_idempotency",
            ),
            models.CheckConstraint(condition=models.Q(count__gt=0), name="payoutbatch_count"),
            models.CheckConstraint(condition=models.Q(total__gt=0), name="payoutbatch_total"),
        ]

    def __str__(self) -> str:
        name = f"{self.name}: " if self.name else ""
        return f"{name}{self.count:,} payouts, {self.currency} {self.total:,.2f}"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to its rows."""
        return self.state in (BatchState.FINISHED, BatchState.CANCELLED)
