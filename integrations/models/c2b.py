"""C2B: the addresses that M-Pesa was given for a short code, and the receipts it told of there."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now

from integrations.models.mpesa import ApiVersion, ResponseType
from integrations.models.payment import Payment
from integrations.models.settings_model import Environment


class RegistrationState(models.TextChoices):
    """What became of a registration."""

    SENDING = "sending", "Being sent"
    REGISTERED = "registered", "Registered"
    REFUSED = "refused", "Refused"
    # The answer was lost: M-Pesa may use these addresses, so they are answered.
    UNKNOWN = "unknown", "Outcome unknown"


class C2BRegistration(models.Model):
    """Two secret addresses for a short code, as M-Pesa was told them; only digests are kept.

    Its addresses are answered, whatever its state, until a person retires it: M-Pesa goes on
    using what it was once given.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    business = models.CharField(max_length=64, blank=True, default="")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    short_code = models.CharField(max_length=20)
    version = models.CharField(max_length=2, choices=ApiVersion.c2b())
    response_type = models.CharField(max_length=10, choices=ResponseType.choices)
    # Of the secret in each path; the paths themselves are shown once and not kept.
    validation_digest = models.CharField(max_length=64, unique=True)
    confirmation_digest = models.CharField(max_length=64, unique=True)
    # Where they begin, for people: the public address without the secret.
    base_url = models.CharField(max_length=300, blank=True)
    state = models.CharField(
        max_length=20, choices=RegistrationState.choices, default=RegistrationState.SENDING
    )
    message = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    answered_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "C2B registration"
        ordering = ["-id"]
        permissions = [("register_c2b", "Can register C2B addresses and simulate payments")]
        indexes = [models.Index(fields=["business", "-id"], name="c2b_registration_business")]

    def __str__(self) -> str:
        return f"{self.short_code} ({self.environment}, {self.get_state_display()})"


class Basis(models.TextChoices):
    """By what a C2B receipt is known to be that of its payment."""

    TOLD = "told", "M-Pesa's word"
    # M-Pesa said that the payment was paid; that this is its receipt, the facts say.
    ATTACHED = "attached", "Inferred"
    # Nothing but this receipt and its facts says that the payment was paid.
    SETTLED = "settled", "Inferred, and the payment settled by it"


class C2BReceipt(models.Model):
    """A payment of which a C2B confirmation told, and the row of the ledger that counts it.

    M-Pesa names no request of ours in a confirmation, so which row that is may be inferred from
    amount, reference, phone and time; what an STK callback says of its own request corrects it.
    """

    provider = models.CharField(max_length=20, default="mpesa")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    receipt = models.CharField(max_length=40)
    business = models.CharField(max_length=64, blank=True, default="")
    short_code = models.CharField(max_length=20)
    amount = models.DecimalField(max_digits=14, decimal_places=2)
    currency = models.CharField(max_length=3, default="KES")
    # As the payer typed it, without what can't be seen.
    reference = models.CharField(max_length=64, blank=True)
    party = models.CharField(max_length=80, blank=True)
    party_name = models.CharField(max_length=120, blank=True)
    transaction_type = models.CharField(max_length=30, blank=True)
    paid_at = models.DateTimeField()
    payment = models.ForeignKey(
        Payment, null=True, blank=True, on_delete=models.PROTECT, related_name="c2b_receipts"
    )
    basis = models.CharField(max_length=10, choices=Basis.choices, default=Basis.TOLD)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = "C2B receipt"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "environment", "receipt"], name="c2b_receipt_once"
            ),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="c2b_receipt_amount"),
        ]
        indexes = [
            # Which receipt may be that of an STK payment: its account, its amount, about its time.
            models.Index(fields=["short_code", "amount", "paid_at"], name="c2b_receipt_facts"),
        ]

    def __str__(self) -> str:
        return f"{self.receipt}: {self.currency} {self.amount:,.2f}"
