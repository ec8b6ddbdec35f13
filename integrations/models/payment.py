"""The payment ledger: one row per payment, one append-only history per row."""

from __future__ import annotations

import uuid
from typing import Any, NoReturn

from django.db import models

from integrations.exceptions import IntegrationError
from integrations.models.audit import AppendOnly
from integrations.models.settings_model import Environment
from integrations.work import LeasedWork


class PaymentState(models.TextChoices):
    """Where a payment stands. `integrations/payments/states.py` says which moves exist."""

    CREATED = "created", "Created"
    SENDING = "sending", "Sending"
    PENDING = "pending", "Waiting for the payer"
    UNKNOWN = "unknown", "Outcome unknown"
    REQUIRES_ACTION = "requires_action", "Requires action"
    AUTHORIZED = "authorized", "Authorised"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"
    VOIDED = "voided", "Voided"


class Payment(LeasedWork):
    """A payment through a provider. Change `state` only through `payments.ledger`.

    Its work columns drive `payments.advance`: sending what was enqueued, asking about what is
    pending or unknown.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    provider = models.CharField(max_length=20)
    product = models.CharField(max_length=20)
    business = models.CharField(max_length=64, blank=True, default="")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    amount = models.DecimalField(max_digits=14, decimal_places=2)
    currency = models.CharField(max_length=3, default="KES")
    state = models.CharField(
        max_length=20, choices=PaymentState.choices, default=PaymentState.CREATED
    )
    phone = models.CharField(max_length=16, blank=True)
    account_reference = models.CharField(max_length=64, blank=True)
    description = models.CharField(max_length=200, blank=True)
    transaction_type = models.CharField(max_length=30, blank=True)
    short_code = models.CharField(max_length=20, blank=True)
    # Where the money goes: the short code, or the till.
    party_b = models.CharField(max_length=20, blank=True)
    idempotency_key = models.CharField(max_length=128, null=True, blank=True)
    # Digest of the secret in this payment's callback path; the secret itself is not kept.
    callback_digest = models.CharField(max_length=64, null=True, blank=True, unique=True)
    checkout_id = models.CharField(max_length=100, null=True, blank=True)
    merchant_request_id = models.CharField(max_length=100, blank=True)
    receipt = models.CharField(max_length=40, null=True, blank=True)
    result_code = models.CharField(max_length=40, blank=True)
    result_text = models.CharField(max_length=300, blank=True)
    message = models.CharField(max_length=300, blank=True)
    # Why a person has to look, "" where nobody has to.
    attention = models.CharField(max_length=300, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta(LeasedWork.Meta):
        ordering = ["-id"]
        indexes = [
            *LeasedWork.Meta.indexes,
            models.Index(fields=["business", "state"], name="payment_business_state"),
            models.Index(fields=["-created_at"], name="payment_created"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["business", "environment", "idempotency_key"],
                name="payment_idempotency",
            ),
            models.UniqueConstraint(
                fields=["provider", "environment", "checkout_id"], name="payment_checkout"
            ),
            models.UniqueConstraint(
                fields=["provider", "environment", "receipt"], name="payment_receipt"
            ),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="payment_amount"),
        ]

    def __str__(self) -> str:
        return f"{self.currency} {self.amount:,.2f} {self.account_reference} ({self.state})"


class PaymentEvent(models.Model):
    """One thing that happened to a payment. Append-only."""

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="events")
    at = models.DateTimeField(auto_now_add=True)
    kind = models.CharField(max_length=40)
    from_state = models.CharField(max_length=20, blank=True)
    to_state = models.CharField(max_length=20, blank=True)
    text = models.CharField(max_length=300, blank=True)
    data = models.JSONField(default=dict)

    objects = AppendOnly.as_manager()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add the event; a second save is refused."""
        if not self._state.adding:
            raise IntegrationError("Payment history is append-only.", code="append_only")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        raise IntegrationError("Payment history is append-only.", code="append_only")
