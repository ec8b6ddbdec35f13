"""The payment ledger: one row per payment, one append-only history per row."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any, NoReturn

from django.db import models
from django.db.models.functions import Now

from integrations.exceptions import IntegrationError
from integrations.models.audit import AppendOnly
from integrations.models.payout_batch import PayoutBatch
from integrations.models.settings_model import Environment
from integrations.work import LeasedWork


class PaymentState(models.TextChoices):
    """Where a payment stands. `integrations/payments/states.py` says which moves exist."""

    AWAITING_APPROVAL = "awaiting_approval", "Waits for approval"
    CREATED = "created", "Created"
    SENDING = "sending", "Sending"
    PENDING = "pending", "Waiting for the result"
    UNKNOWN = "unknown", "Outcome unknown"
    REQUIRES_ACTION = "requires_action", "Requires action"
    AUTHORIZED = "authorized", "Authorised"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"
    VOIDED = "voided", "Voided"
    # The same money was found to belong to another payment; see `Payment.merged_into`.
    MERGED = "merged", "Merged into another"


class Direction(models.TextChoices):
    """Which way the money goes, seen from the business."""

    IN = "in", "Money in"
    OUT = "out", "Money out"


class Product(models.TextChoices):
    """By which of a provider's products a payment is made."""

    STK_PUSH = "stk_push", "STK push"
    C2B = "c2b", "C2B payment"
    B2C = "b2c", "Payout (B2C)"
    REVERSAL = "reversal", "Reversal"


class Finding(models.TextChoices):
    """What a person found out about a payment that the product could not settle."""

    PAID = "paid", "It was paid"
    NOT_PAID = "not_paid", "It was not paid"


class Payment(LeasedWork):
    """A payment through a provider. Change `state` only through `payments.ledger`.

    Its work columns drive `payments.advance`: sending what was enqueued, asking about what is
    pending or unknown.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    provider = models.CharField(max_length=20)
    product = models.CharField(max_length=20, choices=Product.choices)
    direction = models.CharField(
        max_length=3, choices=Direction.choices, default=Direction.IN, db_default=Direction.IN
    )
    business = models.CharField(max_length=64, blank=True, default="")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    amount = models.DecimalField(max_digits=14, decimal_places=2)
    currency = models.CharField(max_length=3, default="KES")
    state = models.CharField(
        max_length=20, choices=PaymentState.choices, default=PaymentState.CREATED
    )
    phone = models.CharField(max_length=16, blank=True)
    # Of the other party as the provider told it: C2B gives a masked number or a digest of it.
    party = models.CharField(max_length=80, blank=True, default="", db_default="")
    party_name = models.CharField(max_length=120, blank=True, default="", db_default="")
    account_reference = models.CharField(max_length=64, blank=True)
    description = models.CharField(max_length=200, blank=True)
    # What the provider shows beside the description, where its product has such a field.
    occasion = models.CharField(max_length=100, blank=True, default="", db_default="")
    transaction_type = models.CharField(max_length=30, blank=True)
    short_code = models.CharField(max_length=20, blank=True)
    # Where the money goes: the short code, or the till.
    party_b = models.CharField(max_length=20, blank=True)
    idempotency_key = models.CharField(max_length=128, null=True, blank=True)
    # Digest of the secret in this payment's callback path; the secret itself is not kept.
    callback_digest = models.CharField(max_length=64, null=True, blank=True, unique=True)
    checkout_id = models.CharField(max_length=100, null=True, blank=True)
    merchant_request_id = models.CharField(max_length=100, blank=True)
    # OriginatorConversationID: chosen by us where the product lets us, unique at the provider.
    originator_id = models.CharField(max_length=100, null=True, blank=True)
    conversation_id = models.CharField(max_length=100, blank=True, default="", db_default="")
    receipt = models.CharField(max_length=40, null=True, blank=True)
    # What the provider took for it, where it tells.
    charge = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    # A reversal names the payment whose money it gives back.
    original = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="reversals"
    )
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="merged"
    )
    # The payout file that it came in.
    batch = models.ForeignKey(
        PayoutBatch, null=True, blank=True, on_delete=models.PROTECT, related_name="rows"
    )
    # When the file let it go.
    released_at = models.DateTimeField(null=True, blank=True)
    # The payout that failed, and that this one pays again.
    retry_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="retries"
    )
    result_code = models.CharField(max_length=40, blank=True)
    result_text = models.CharField(max_length=300, blank=True)
    message = models.CharField(max_length=300, blank=True)
    # Why a person has to look, "" where nobody has to.
    attention = models.CharField(max_length=300, blank=True, default="")
    # By whoever took it off that list; the state stays what the provider's word made it.
    finding = models.CharField(
        max_length=10, choices=Finding.choices, blank=True, default="", db_default=""
    )
    # Ages count from here and from `sent_at`, both by the database's clock.
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    # When the money moved, by the provider's word; statements are by this instant.
    paid_at = models.DateTimeField(null=True, blank=True)

    class Meta(LeasedWork.Meta):
        ordering = ["-id"]
        permissions = [
            ("push_payment", "Can start payments"),
            ("ask_payment", "Can ask the provider about payments"),
            ("export_payment", "Can export payments"),
            ("payout_payment", "Can pay out"),
            ("reverse_payment", "Can reverse payments"),
            ("approve_payout", "Can approve payouts and reversals of others"),
        ]
        # Lists are newest first: by id, and each filter has its index in that order.
        indexes = [
            *LeasedWork.Meta.indexes,
            models.Index(fields=["business", "-id"], name="payment_business"),
            models.Index(fields=["state", "-id"], name="payment_state"),
            models.Index(fields=["environment", "-id"], name="payment_environment"),
            models.Index(fields=["product", "-id"], name="payment_product"),
            models.Index(fields=["amount", "-id"], name="payment_by_amount"),
            models.Index(fields=["-created_at"], name="payment_created"),
            # Found by its beginning too, which on PostgreSQL the plain kind can't do.
            models.Index(
                fields=["account_reference"],
                name="payment_reference",
                opclasses=["varchar_pattern_ops"],
            ),
            # Of one phone; and what it was asked for or paid on a day, for daily limits.
            models.Index(fields=["phone", "created_at"], name="payment_phone_created"),
            models.Index(fields=["direction", "-id"], name="payment_direction"),
            # What went out on a day, for daily limits; what moved on a day, for statements.
            models.Index(
                fields=["business", "short_code", "created_at"],
                name="payment_out_created",
                condition=models.Q(direction=Direction.OUT),
            ),
            models.Index(
                fields=["short_code", "paid_at"],
                name="payment_paid_at",
                condition=models.Q(paid_at__isnull=False),
            ),
            # Whose receipt a C2B confirmation may be telling.
            models.Index(
                fields=["short_code", "amount", "sent_at"],
                name="payment_without_receipt",
                condition=models.Q(product=Product.STK_PUSH, receipt__isnull=True),
            ),
            # How far a payout file is, and its rows in their order.
            models.Index(
                fields=["batch", "state", "id"],
                name="payment_batch_state",
                condition=models.Q(batch__isnull=False),
            ),
            models.Index(
                fields=["-id"], name="payment_attention", condition=~models.Q(attention="")
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["business", "environment", "idempotency_key"],
                name="payment_idempotency",
            ),
            models.UniqueConstraint(
                fields=["provider", "environment", "checkout_id"], name="payment_checkout"
            ),
            # Across all products: money that is told of twice is one payment.
            models.UniqueConstraint(
                fields=["provider", "environment", "receipt"], name="payment_receipt"
            ),
            models.UniqueConstraint(
                fields=["provider", "environment", "originator_id"], name="payment_originator"
            ),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="payment_amount"),
        ]

    def __str__(self) -> str:
        state = self.state.replace("_", " ")
        return f"{self.currency} {self.amount:,.2f} {self.account_reference} ({state})"

    @property
    def reversed_amount(self) -> Decimal:
        """What was given back for certain, worked out from its reversals."""
        done = self.reversals.filter(state=PaymentState.SUCCEEDED)
        return done.aggregate(total=models.Sum("amount"))["total"] or Decimal(0)

    @property
    def net_amount(self) -> Decimal:
        """What is left of the amount after its reversals."""
        return self.amount - self.reversed_amount


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
