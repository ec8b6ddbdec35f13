"""What else is reported to KRA in order: stock, items, purchases, imports."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from integrations.models.kra_branch import KRABranch
from integrations.models.kra_invoice import KRAInvoice
from integrations.models.settings_model import Environment
from integrations.work import LeasedWork, lane_index


class WriteKind(models.TextChoices):
    """What is reported (eTIMS reference, section 5)."""

    ITEM = "item", "Item"
    COMPOSITION = "composition", "Item composition"
    STOCK_IO = "stock_io", "Stock movement"
    STOCK_MASTER = "stock_master", "Stock on hand"
    PURCHASE = "purchase", "Purchase"
    IMPORT = "import", "Imported item"
    CUSTOMER = "customer", "Branch customer"
    INSURANCE = "insurance", "Insurance"


class WriteState(models.TextChoices):
    """Where a report stands."""

    QUEUED = "queued", "Waiting to be sent"
    SENDING = "sending", "Being sent"
    IN_DOUBT = "in_doubt", "In doubt"
    DONE = "done", "Taken by KRA"
    REJECTED = "rejected", "Rejected"


class KRAWrite(LeasedWork):
    """One report of a branch, sent in order; numbered where KRA wants a running number.

    `key` names what it is about: the same one again is no second report.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    business = models.CharField(max_length=64, blank=True, default="")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    branch = models.ForeignKey(KRABranch, on_delete=models.PROTECT, related_name="writes")
    kind = models.CharField(max_length=20, choices=WriteKind.choices)
    state = models.CharField(max_length=20, choices=WriteState.choices, default=WriteState.QUEUED)
    key = models.CharField(max_length=120)
    # Of reports that replace the earlier ones about the same: what they are about. Their key is
    # that, "#" and a running number; a key of the caller's may look the same, and has no subject.
    subject = models.CharField(max_length=110, blank=True, default="")
    number = models.BigIntegerField("KRA number", null=True, blank=True)
    # What is to be reported, amounts as text; and the exact body once it was sent.
    document = models.JSONField()
    digest = models.CharField(max_length=64)
    body = models.JSONField(null=True, blank=True)
    times_sent = models.PositiveIntegerField(default=0)
    # How often KRA named another number since it was handed in, or sent again by a person.
    renumbered = models.PositiveIntegerField(default=0)
    invoice = models.ForeignKey(
        KRAInvoice, null=True, blank=True, on_delete=models.PROTECT, related_name="writes"
    )
    # Without which it makes no sense: a rejected one takes it along.
    after = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="followers"
    )
    result_code = models.CharField(max_length=40, blank=True, default="")
    result_text = models.CharField(max_length=300, blank=True, default="")
    message = models.CharField(max_length=300, blank=True, default="")
    attention = models.CharField(max_length=300, blank=True, default="")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta(LeasedWork.Meta):
        verbose_name = "KRA report"
        ordering = ["-id"]
        permissions = [
            ("report_krawrite", "Can report stock, items and purchases to KRA"),
            ("resend_krawrite", "Can send reports to KRA again"),
            ("settle_krawrite", "Can tell what became of a report in doubt"),
        ]
        indexes = [
            *LeasedWork.Meta.indexes,
            lane_index("branch", ordered=True),
            models.Index(fields=["business", "-id"], name="krawrite_business"),
            models.Index(fields=["state", "-id"], name="krawrite_state"),
            models.Index(fields=["kind", "-id"], name="krawrite_kind"),
            models.Index(
                fields=["branch", "kind", "subject", "-id"],
                name="krawrite_subject",
                condition=~models.Q(subject=""),
            ),
            models.Index(
                fields=["-id"], name="krawrite_attention", condition=~models.Q(attention="")
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["branch", "kind", "key"], name="krawrite_key"),
            models.UniqueConstraint(fields=["branch", "kind", "number"], name="krawrite_number"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.key} ({self.state.replace('_', ' ')})"
