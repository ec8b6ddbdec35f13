"""What a business expects to be paid, and which receipt was allotted to which expectation."""

from __future__ import annotations

import uuid
from decimal import Decimal

from django.db import models
from django.db.models.functions import Now

from integrations.models.payment import Payment
from integrations.models.settings_model import Environment


class ExpectationState(models.TextChoices):
    """How much of it came; derived from the payments that are allotted to it."""

    OPEN = "open", "Nothing paid yet"
    PARTLY_PAID = "partly_paid", "Partly paid"
    PAID = "paid", "Paid"
    OVERPAID = "overpaid", "Overpaid"
    CANCELLED = "cancelled", "Cancelled"


class ExpectedPayment(models.Model):
    """An amount that somebody is expected to pay under a reference, an invoice for instance.

    `received` and `state` are derived: change them only through `payments.expectations`.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    business = models.CharField(max_length=64, blank=True, default="")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    reference = models.CharField(max_length=64)
    # The reference as it is compared: no case, no spaces, no dashes.
    reference_key = models.CharField(max_length=64)
    amount = models.DecimalField(max_digits=14, decimal_places=2)
    currency = models.CharField(max_length=3, default="KES")
    # Of the expected payer, 2547…; known numbers are found again in masked and hashed ones.
    phone = models.CharField(max_length=16, blank=True)
    description = models.CharField(max_length=200, blank=True)
    received = models.DecimalField(max_digits=14, decimal_places=2, default=Decimal(0))
    state = models.CharField(
        max_length=20, choices=ExpectationState.choices, default=ExpectationState.OPEN
    )
    # After this instant nothing is allotted to it by itself any more.
    expires_at = models.DateTimeField(null=True, blank=True)
    idempotency_key = models.CharField(max_length=128, null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "expected payment"
        ordering = ["-id"]
        permissions = [
            ("match_payment", "Can match payments to what is expected"),
            ("export_expectedpayment", "Can export expected payments and receipts to match"),
        ]
        indexes = [
            models.Index(
                fields=["business", "environment", "reference_key"], name="expected_reference"
            ),
            # Those that a payer's number may lead to.
            models.Index(
                fields=["business", "environment", "amount"],
                name="expected_by_phone",
                condition=models.Q(state=ExpectationState.OPEN) & ~models.Q(phone=""),
            ),
            models.Index(fields=["business", "-id"], name="expected_business"),
            models.Index(fields=["state", "-id"], name="expected_state"),
            models.Index(fields=["-created_at"], name="expected_created"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["business", "environment", "idempotency_key"], name="expected_idempotency"
            ),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="expected_amount"),
            models.CheckConstraint(
                condition=~models.Q(reference_key=""), name="expected_has_reference"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reference}: {self.currency} {self.amount:,.2f} ({self.state})"

    @property
    def outstanding(self) -> Decimal:
        """What is missing; negative for what came too much."""
        return self.amount - self.received


class AllotmentStatus(models.TextChoices):
    """Whether a receipt found its expectation."""

    MATCHED = "matched", "Matched"
    UNMATCHED = "unmatched", "Nobody expected it"
    # A person looked and left it with the payer's account, with a note.
    ON_ACCOUNT = "on_account", "Left on account"


class AllotmentHow(models.TextChoices):
    """By what a receipt was matched."""

    REFERENCE = "reference", "Reference"
    PHONE = "phone", "Phone and amount"
    HOOK = "hook", "The ERP's rule"
    HAND = "hand", "By hand"


class Allotment(models.Model):
    """The place of one receipt: one expectation, or none yet. A receipt is never split."""

    payment = models.OneToOneField(Payment, on_delete=models.PROTECT, related_name="allotment")
    # As the payment's, so that lists need no join.
    business = models.CharField(max_length=64, blank=True, default="")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    reference_key = models.CharField(max_length=64, blank=True)
    expectation = models.ForeignKey(
        ExpectedPayment, null=True, blank=True, on_delete=models.PROTECT, related_name="allotments"
    )
    status = models.CharField(max_length=20, choices=AllotmentStatus.choices)
    how = models.CharField(max_length=20, choices=AllotmentHow.choices, blank=True)
    note = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "receipt to match"
        verbose_name_plural = "receipts to match"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["status", "-id"], name="allotment_status"),
            models.Index(fields=["business", "-id"], name="allotment_business"),
            models.Index(fields=["-created_at"], name="allotment_created"),
            # A new expectation looks for receipts that came before it.
            models.Index(
                fields=["business", "environment", "reference_key"],
                name="allotment_waiting",
                condition=models.Q(status=AllotmentStatus.UNMATCHED),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status=AllotmentStatus.MATCHED, expectation__isnull=False)
                | (~models.Q(status=AllotmentStatus.MATCHED) & models.Q(expectation__isnull=True)),
                name="allotment_matched",
            )
        ]

    def __str__(self) -> str:
        return f"{self.payment_id}: {self.get_status_display()}"
