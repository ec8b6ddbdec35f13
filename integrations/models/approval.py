"""What waits for a second person, and what became of it. Moved by `integrations.approvals` only."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models.functions import Now


class ApprovalState(models.TextChoices):
    """Where a request for approval stands; everything but `open` is final."""

    OPEN = "open", "Waits for approval"
    APPROVED = "approved", "Approved"
    REJECTED = "rejected", "Rejected"
    WITHDRAWN = "withdrawn", "Withdrawn"
    EXPIRED = "expired", "Expired"


class Approval(models.Model):
    """A request that a second person decides. `subject` is the row that it is about.

    `facts` are what the approver is shown, as [name, text] pairs, and `digest` stands for them:
    approving is refused once the subject no longer says the same. One open request per subject.
    """

    State = ApprovalState

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # The name of a registered `approvals.Kind`.
    kind = models.CharField(max_length=40)
    business = models.CharField(max_length=64, blank=True, default="")
    content_type = models.ForeignKey(ContentType, on_delete=models.PROTECT, related_name="+")
    object_id = models.CharField(max_length=64)
    subject = GenericForeignKey("content_type", "object_id")
    amount = models.DecimalField(max_digits=16, decimal_places=2)
    currency = models.CharField(max_length=3)
    summary = models.CharField(max_length=300)
    facts = models.JSONField(default=list)
    digest = models.CharField(max_length=64, editable=False)
    state = models.CharField(
        max_length=10, choices=ApprovalState.choices, default=ApprovalState.OPEN
    )
    # Nobody: a program of the host asked for it. An account that is gone leaves its name.
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    requested_by_name = models.CharField(max_length=200)
    # By the database's clock, as the end is.
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at: models.DateTimeField[Any, datetime] = models.DateTimeField()
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    decided_by_name = models.CharField(max_length=200, blank=True, default="")
    decided_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=300, blank=True, default="")

    # Words for whoever asked, where nobody else could approve; told once, not stored.
    warning: str = ""

    class Meta:
        ordering: ClassVar[list[str]] = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["content_type", "object_id"],
                name="approval_one_open",
                condition=models.Q(state=ApprovalState.OPEN),
            ),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="approval_amount"),
        ]
        # What is open is little, whatever was decided before; the job of the ends reads it too.
        indexes = [
            models.Index(
                fields=["expires_at"],
                name="approval_open",
                condition=models.Q(state=ApprovalState.OPEN),
            ),
            models.Index(fields=["state", "-id"], name="approval_state"),
            models.Index(fields=["business", "-id"], name="approval_business"),
            models.Index(fields=["content_type", "object_id"], name="approval_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.currency} {self.amount:,.2f} {self.kind} ({self.get_state_display()})"

    @property
    def is_open(self) -> bool:
        """Whether somebody can still decide."""
        return self.state == ApprovalState.OPEN
