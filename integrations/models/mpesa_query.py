"""Questions to M-Pesa whose answers come later, by callback, and the initiator's standing."""

from __future__ import annotations

import uuid
from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from integrations.models.payment import Payment
from integrations.models.settings_model import Environment
from integrations.work import LeasedWork


class QueryKind(models.TextChoices):
    """What is asked for (Daraja reference, sections 11 and 12)."""

    TRANSACTION_STATUS = "transaction_status", "Transaction status"
    ACCOUNT_BALANCE = "account_balance", "Account balance"


class QueryState(models.TextChoices):
    """Where a question stands. `integrations/payments/query_states.py` says which moves exist."""

    WAITING = "waiting", "Waiting to be sent"
    # Committed before the socket opens, so it may also be one that never left.
    SENT = "sent", "Sent, waiting for the answer"
    ANSWERED = "answered", "Answered"
    REFUSED = "refused", "Refused"
    UNANSWERED = "unanswered", "No answer came"
    # Another try of the same question was answered first.
    DROPPED = "dropped", "Not needed any more"


class MpesaQuery(LeasedWork):
    """One try of one question. A question moves no money, so one without an answer is asked again.

    Each try is a row with a callback address of its own: an answer that comes late still finds
    the row that it belongs to. Change `state` only through `payments.query_states`.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=20, choices=QueryKind.choices)
    business = models.CharField(max_length=64, blank=True, default="")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    short_code = models.CharField(max_length=20)
    state = models.CharField(max_length=12, choices=QueryState.choices, default=QueryState.WAITING)
    # What a status question is about; one of the two is enough.
    receipt = models.CharField(max_length=40, blank=True, default="")
    asked_originator_id = models.CharField(max_length=100, blank=True, default="")
    payment = models.ForeignKey(
        Payment, null=True, blank=True, on_delete=models.PROTECT, related_name="queries"
    )
    # The first try of this question; None for itself.
    first = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="repeats"
    )
    try_number = models.PositiveSmallIntegerField(default=1)
    # What it is about, while it is open: of two questions about one thing at once one is stored.
    open_key = models.CharField(max_length=200, null=True, blank=True, unique=True, editable=False)
    callback_digest = models.CharField(
        max_length=64, null=True, blank=True, unique=True, editable=False
    )
    # M-Pesa's ids of the question itself.
    originator_id = models.CharField(max_length=100, null=True, blank=True)
    conversation_id = models.CharField(max_length=100, null=True, blank=True)
    result_code = models.CharField(max_length=40, blank=True)
    result_text = models.CharField(max_length=300, blank=True)
    message = models.CharField(max_length=300, blank=True)
    # The answer in our words; money as text.
    answer = models.JSONField(default=dict, blank=True)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    sent_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta(LeasedWork.Meta):
        verbose_name = "M-Pesa question"
        ordering = ["-id"]
        permissions = [
            ("ask_mpesaquery", "Can ask M-Pesa about transactions"),
            ("export_mpesaquery", "Can export M-Pesa questions"),
        ]
        indexes = [
            *LeasedWork.Meta.indexes,
            models.Index(fields=["business", "-id"], name="mpesaquery_business"),
            models.Index(fields=["state", "-id"], name="mpesaquery_state"),
            models.Index(fields=["kind", "-id"], name="mpesaquery_kind"),
            models.Index(
                fields=["receipt"], name="mpesaquery_receipt", condition=~models.Q(receipt="")
            ),
            models.Index(fields=["-created_at"], name="mpesaquery_created"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "originator_id"], name="mpesaquery_originator"
            ),
            models.UniqueConstraint(
                fields=["environment", "conversation_id"], name="mpesaquery_conversation"
            ),
        ]

    def __str__(self) -> str:
        about = self.receipt or self.asked_originator_id or self.short_code
        return f"{self.get_kind_display()} {about} ({self.state})"


class AccountBalance(models.Model):
    """One account of one balance answer. The rows of the newest answer carry `is_latest`."""

    query = models.ForeignKey(
        MpesaQuery, null=True, blank=True, on_delete=models.SET_NULL, related_name="balances"
    )
    business = models.CharField(max_length=64, blank=True, default="")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    short_code = models.CharField(max_length=20)
    # As M-Pesa names it: the list of names is not fixed (Daraja reference, section 12).
    account = models.CharField(max_length=100)
    currency = models.CharField(max_length=3)
    # Any of them may be negative; None where M-Pesa told none.
    current = models.DecimalField(max_digits=16, decimal_places=2)
    available = models.DecimalField(max_digits=16, decimal_places=2, null=True, blank=True)
    reserved = models.DecimalField(max_digits=16, decimal_places=2, null=True, blank=True)
    uncleared = models.DecimalField(max_digits=16, decimal_places=2, null=True, blank=True)
    # By M-Pesa's word; the time of our receipt where it told none.
    as_of = models.DateTimeField()
    is_latest = models.BooleanField(default=True)
    # Since when it has been below the limit of the settings; None where it is not.
    low_since = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = "account balance"
        ordering = ["-id"]
        permissions = [
            ("refresh_accountbalance", "Can ask M-Pesa for account balances"),
            ("export_accountbalance", "Can export account balances"),
        ]
        indexes = [
            models.Index(fields=["business", "-id"], name="balance_business"),
            models.Index(
                fields=["business", "short_code"],
                name="balance_latest",
                condition=models.Q(is_latest=True),
            ),
            models.Index(
                fields=["-id"], name="balance_low",
                condition=models.Q(is_latest=True, low_since__isnull=False),
            ),
            models.Index(fields=["-created_at"], name="balance_created"),
        ]  # fmt: skip
        constraints = [
            models.UniqueConstraint(
                fields=["business", "environment", "short_code", "account", "currency"],
                condition=models.Q(is_latest=True),
                name="balance_latest_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.short_code} {self.account}: {self.currency} {self.usable:,.2f}"

    @property
    def usable(self) -> Decimal:
        """What can be spent: the available amount, or the current one where none was told."""
        return self.current if self.available is None else self.available


class InitiatorAlarm(models.Model):
    """How M-Pesa takes one account's initiator: what it refused lately, and whether we stopped.

    `raised_at` is set while the alarm stands; calls that need the initiator wait then, since
    every further try makes a locked credential worse. One row per account.
    """

    business = models.CharField(max_length=64, blank=True, default="")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    short_code = models.CharField(max_length=20)
    initiator_name = models.CharField(max_length=100, blank=True)
    # Refusals in a row, since `first_failed_at`.
    failures = models.PositiveIntegerField(default=0)
    last_code = models.CharField(max_length=40, blank=True)
    first_failed_at = models.DateTimeField(null=True, blank=True)
    last_failed_at = models.DateTimeField(null=True, blank=True)
    raised_at = models.DateTimeField(null=True, blank=True)
    cleared_at = models.DateTimeField(null=True, blank=True)
    cleared_by = models.CharField(max_length=100, blank=True)
    # Of the credentials that were refused; with others, nothing is held against them.
    credential_mark = models.CharField(max_length=64, blank=True, editable=False)

    class Meta:
        verbose_name = "initiator alarm"
        ordering = ["-id"]
        permissions = [("lift_initiatoralarm", "Can let calls of a refused initiator out again")]
        indexes = [
            models.Index(
                fields=["-id"],
                name="initiator_raised",
                condition=models.Q(raised_at__isnull=False),
            ),
            models.Index(fields=["business", "-id"], name="initiator_business"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["business", "environment", "short_code"], name="initiator_account"
            )
        ]

    def __str__(self) -> str:
        return f"{self.short_code} {self.initiator_name}".strip()
