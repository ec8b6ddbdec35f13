"""Invoices and credit notes on their way to KRA, and what became of each."""

from __future__ import annotations

import uuid
from typing import Any, NoReturn

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from integrations.exceptions import IntegrationError
from integrations.models.audit import AppendOnly
from integrations.models.kra_branch import KRABranch
from integrations.models.kra_choices import AmountProfile, Transport
from integrations.models.settings_model import Environment
from integrations.work import LeasedWork, lane_index


class InvoiceKind(models.TextChoices):
    """What a document is."""

    SALE = "sale", "Invoice"
    CREDIT_NOTE = "credit_note", "Credit note"


class InvoiceState(models.TextChoices):
    """Where a document stands. `integrations/kra/outbox/states.py` says which moves exist."""

    QUEUED = "queued", "Waiting to be sent"
    # Its number is allotted and the exact body stored, before the socket opens.
    SENDING = "sending", "Being sent"
    IN_DOUBT = "in_doubt", "In doubt"
    # KRA has it, by its own word; the signature could not be had yet.
    REGISTERED = "registered", "At KRA, signature missing"
    SIGNED = "signed", "Signed"
    REJECTED = "rejected", "Rejected"
    # Everything on it is excluded from eTIMS: KRA is not told.
    NOT_REQUIRED = "not_required", "Not for eTIMS"


class KRAInvoice(LeasedWork):
    """One document. Change `state` only through `integrations.kra.outbox`.

    `number` is KRA's, allotted when the document's turn comes, in the transaction that stores
    `body`; a rejection gives it to the next document. Rows of a branch go strictly by id.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    business = models.CharField(max_length=64, blank=True, default="")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    branch = models.ForeignKey(KRABranch, on_delete=models.PROTECT, related_name="invoices")
    kind = models.CharField(max_length=20, choices=InvoiceKind.choices)
    state = models.CharField(
        max_length=20, choices=InvoiceState.choices, default=InvoiceState.QUEUED
    )
    # The ERP's own number (trdInvcNo).
    trader_number = models.CharField(max_length=50)
    number = models.BigIntegerField("KRA number", null=True, blank=True)
    original = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="credit_notes"
    )
    issued_at = models.DateTimeField()
    customer_pin = models.CharField(max_length=20, blank=True, default="")
    customer_name = models.CharField(max_length=60, blank=True, default="")
    # As invoiced; the totals are in KES, by the stored rate.
    currency = models.CharField(max_length=3, default="KES")
    exchange_rate = models.DecimalField(max_digits=18, decimal_places=8, default=1)
    total = models.DecimalField(max_digits=18, decimal_places=2)
    tax = models.DecimalField(max_digits=18, decimal_places=2)
    taxable = models.DecimalField(max_digits=18, decimal_places=2)
    reason = models.CharField(max_length=5, blank=True, default="")
    # The prepared document (`integrations.kra.documents`), amounts as text.
    document = models.JSONField()
    # Of what the ERP handed over: the same number again must say the same.
    digest = models.CharField(max_length=64)
    profile = models.CharField(max_length=20, choices=AmountProfile.choices)
    transport = models.CharField(max_length=20, choices=Transport.choices)
    # The exact body that was sent.
    body = models.JSONField(null=True, blank=True)
    times_sent = models.PositiveIntegerField(default=0)
    # KRA's answer.
    receipt_number = models.BigIntegerField(null=True, blank=True)
    total_receipt_number = models.BigIntegerField(null=True, blank=True)
    internal_data = models.CharField(max_length=100, blank=True, default="")
    signature = models.CharField(max_length=100, blank=True, default="")
    control_unit_id = models.CharField(max_length=100, blank=True, default="")
    mrc_no = models.CharField(max_length=100, blank=True, default="")
    signed_at = models.DateTimeField(null=True, blank=True)
    result_code = models.CharField(max_length=40, blank=True, default="")
    result_text = models.CharField(max_length=300, blank=True, default="")
    # For people: why it was rejected, or what is being waited for.
    message = models.CharField(max_length=300, blank=True, default="")
    # Why a person has to look, "" where nobody has to.
    attention = models.CharField(max_length=300, blank=True, default="")
    # Receipts handed out so far: every further one is a copy.
    times_printed = models.PositiveIntegerField(default=0)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    # Since when it waits for its turn: its creation, or its last correction.
    queued_at = models.DateTimeField(db_default=Now(), editable=False)
    # It stands aside until the document behind it, whose number is open, is settled.
    parked_at = models.DateTimeField(null=True, blank=True, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta(LeasedWork.Meta):
        verbose_name = "KRA invoice"
        ordering = ["-id"]
        permissions = [
            ("submit_krainvoice", "Can submit invoices to KRA"),
            ("resend_krainvoice", "Can verify and resend invoices"),
            ("settle_krainvoice", "Can tell what became of an invoice in doubt"),
            ("export_krainvoice", "Can export KRA invoices"),
        ]
        indexes = [
            *LeasedWork.Meta.indexes,
            lane_index("branch", ordered=True),
            models.Index(fields=["business", "-id"], name="krainvoice_business"),
            models.Index(fields=["state", "-id"], name="krainvoice_state"),
            models.Index(fields=["branch", "-id"], name="krainvoice_branch"),
            models.Index(fields=["environment", "-id"], name="krainvoice_environment"),
            models.Index(fields=["kind", "-id"], name="krainvoice_kind"),
            # People look for these, also by their beginning.
            models.Index(
                fields=["trader_number"],
                name="krainvoice_trader_number",
                opclasses=["varchar_pattern_ops"],
            ),
            models.Index(
                fields=["customer_name"],
                name="krainvoice_customer_name",
                opclasses=["varchar_pattern_ops"],
            ),
            models.Index(
                fields=["customer_pin"],
                name="krainvoice_customer_pin",
                condition=~models.Q(customer_pin=""),
            ),
            models.Index(fields=["number"], name="krainvoice_by_number"),
            models.Index(fields=["receipt_number"], name="krainvoice_receipt"),
            models.Index(fields=["-created_at"], name="krainvoice_created"),
            models.Index(
                fields=["-id"], name="krainvoice_attention", condition=~models.Q(attention="")
            ),
            # What waits, and since when: found for each branch without a look at others.
            models.Index(
                fields=["branch", "queued_at"],
                name="krainvoice_waiting",
                condition=models.Q(state__in=["in_doubt", "queued", "sending"]),
            ),
            models.Index(
                fields=["branch"],
                name="krainvoice_parked",
                condition=models.Q(parked_at__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["branch", "number"], name="krainvoice_number"),
            models.UniqueConstraint(fields=["branch", "trader_number"], name="krainvoice_trader"),
            # One number of a branch is open at a time: the database itself sees to it.
            models.UniqueConstraint(
                fields=["branch"],
                name="krainvoice_one_open",
                condition=models.Q(state__in=["sending", "in_doubt"]),
            ),
            models.CheckConstraint(
                condition=models.Q(number__isnull=True) | models.Q(number__gte=1),
                name="krainvoice_number_from_one",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.trader_number} ({self.state.replace('_', ' ')})"


class KRAInvoiceEvent(models.Model):
    """One thing that happened to a document. Append-only."""

    invoice = models.ForeignKey(KRAInvoice, on_delete=models.PROTECT, related_name="events")
    at = models.DateTimeField(auto_now_add=True)
    kind = models.CharField(max_length=40)
    from_state = models.CharField(max_length=20, blank=True, default="")
    to_state = models.CharField(max_length=20, blank=True, default="")
    number = models.BigIntegerField(null=True, blank=True)
    text = models.CharField(max_length=300, blank=True, default="")
    data = models.JSONField(default=dict)

    objects = AppendOnly.as_manager()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add the event; a second save is refused."""
        if not self._state.adding:
            raise IntegrationError("Invoice history is append-only.", code="append_only")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        raise IntegrationError("Invoice history is append-only.", code="append_only")
