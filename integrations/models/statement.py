"""What the provider's own books say: statement lines, their comparison with the ledger, pulls."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from integrations.models.payment import Direction, Payment
from integrations.models.settings_model import Environment
from integrations.work import LeasedWork


class LineKind(models.TextChoices):
    """What a line moved. One receipt may have several: the payment and the charge for it."""

    PAYMENT = "payment", "Payment"
    CHARGE = "charge", "Charge"


class LineSource(models.TextChoices):
    """Where a line was first read."""

    PULL = "pull", "Pulled from M-Pesa"
    FILE = "file", "Statement file"


class Account(models.Model):
    """Whose books: one short code of one business, at one provider's environment."""

    provider = models.CharField(max_length=20)
    business = models.CharField(max_length=64, blank=True, default="")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    short_code = models.CharField(max_length=20)

    class Meta:
        abstract = True


class StatementLine(Account):
    """One movement in the provider's books.

    A receipt has one line for each direction, kind and amount; `number` tells further ones that
    are alike in all of that (two equal charges). So a line that comes again, by another file or
    by the pull, is the same row, whatever its place in the file.
    """

    receipt = models.CharField(max_length=40)
    at = models.DateTimeField()
    direction = models.CharField(max_length=3, choices=Direction.choices)
    kind = models.CharField(max_length=10, choices=LineKind.choices, default=LineKind.PAYMENT)
    # Always positive; `direction` has the sign.
    amount = models.DecimalField(max_digits=14, decimal_places=2)
    currency = models.CharField(max_length=3, default="KES")
    number = models.PositiveSmallIntegerField(default=0)
    # As told; `is_completed` is what we make of it.
    status = models.CharField(max_length=40, blank=True, default="")
    is_completed = models.BooleanField(default=True)
    details = models.CharField(max_length=300, blank=True, default="")
    # Who paid or was paid, as told: a number, a mask, a digest, a name.
    party = models.CharField(max_length=160, blank=True, default="")
    # What the payer typed or we sent as the account; "" where the provider tells none.
    reference = models.CharField(max_length=64, blank=True, default="")
    # The receipt that a reversal gives back, the id by which a payout was asked for.
    linked = models.CharField(max_length=100, blank=True, default="")
    balance = models.DecimalField(max_digits=16, decimal_places=2, null=True, blank=True)
    source = models.CharField(max_length=10, choices=LineSource.choices)
    # Pulled lines are applied to the ledger one by one; None: not yet.
    applied_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering: ClassVar[list[str]] = ["-id"]
        verbose_name = "statement line"
        permissions = [
            ("record_statementline", "Can record payments from statement lines"),
            ("export_statementline", "Can export statement lines"),
        ]
        indexes = [
            models.Index(fields=["business", "-id"], name="line_business"),
            models.Index(
                fields=["provider", "environment", "short_code", "at"], name="line_account_at"
            ),
            models.Index(
                fields=["id"],
                name="line_unapplied",
                condition=models.Q(applied_at=None, source=LineSource.PULL),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "provider", "environment", "short_code", "business", "receipt",
                    "direction", "kind", "amount", "number",
                ],
                name="line_once",
            ),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="line_amount"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.receipt} {self.signed_amount:,.2f}"

    @property
    def signed_amount(self) -> Any:
        """Positive for money in, negative for money out."""
        return self.amount if self.direction == Direction.IN else -self.amount


class RunState(models.TextChoices):
    """How far a comparison has come."""

    IMPORTING = "importing", "Being imported"
    COMPARING = "comparing", "Being compared"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


class ItemFinding(models.TextChoices):
    """What comparing one payment or one line brought."""

    MATCHED = "matched", "Matched"
    MISSING_HERE = "missing_here", "Missing here"
    MISSING_THERE = "missing_there", "Missing there"
    AMOUNT_DIFFERS = "amount_differs", "Amount differs"
    STATE_DIFFERS = "state_differs", "State differs"


class StatementRun(LeasedWork, Account):
    """One comparison of the ledger with the provider's books over a period.

    `phase` and `position` say where a killed run goes on.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    state = models.CharField(max_length=10, choices=RunState.choices, default=RunState.COMPARING)
    source = models.CharField(max_length=10, choices=LineSource.choices)
    period_from = models.DateTimeField()
    period_to = models.DateTimeField()
    # Whether the file says that it lists everything of the period, so that absence means something.
    is_complete = models.BooleanField(default=False)
    # Which of the short code's accounts it lists ("Utility Account"); "" for all.
    account = models.CharField(max_length=60, blank=True, default="")
    file_name = models.CharField(max_length=200, blank=True, default="")
    file_digest = models.CharField(max_length=64, blank=True, default="")
    lines = models.PositiveIntegerField(default=0)
    new_lines = models.PositiveIntegerField(default=0)
    settled = models.PositiveIntegerField(default=0)
    # By finding: {"count": 3, "sum": "150.00"}.
    totals = models.JSONField(default=dict)
    phase = models.CharField(max_length=10, default="lines")
    position = models.JSONField(default=list)
    error = models.CharField(max_length=300, blank=True, default="")
    started_by = models.CharField(max_length=150, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta(LeasedWork.Meta):
        ordering: ClassVar[list[str]] = ["-id"]
        verbose_name = "statement"
        permissions = [
            ("import_statement", "Can import statements, which may settle payments"),
            ("export_statementrun", "Can export statements"),
        ]
        indexes = [
            *LeasedWork.Meta.indexes,
            models.Index(fields=["business", "-id"], name="run_business"),
            models.Index(fields=["short_code", "period_from"], name="run_period"),
        ]
        constraints = [
            # The same file of the same account is one run.
            models.UniqueConstraint(
                fields=["provider", "environment", "business", "short_code", "file_digest"],
                condition=~models.Q(file_digest=""),
                name="run_file_once",
            )
        ]

    def __str__(self) -> str:
        name = self.file_name or self.get_source_display()
        return f"{self.short_code}, {timezone.localtime(self.period_from):%d %b %Y} ({name})"


class StatementItem(models.Model):
    """What a run says of one payment, one line, or both.

    Open while it is no match and nobody has resolved it.
    """

    run = models.ForeignKey(StatementRun, on_delete=models.CASCADE, related_name="items")
    # Of the run, so that lists narrow by their own index.
    business = models.CharField(max_length=64, blank=True, default="")
    finding = models.CharField(max_length=20, choices=ItemFinding.choices)
    receipt = models.CharField(max_length=40, blank=True, default="")
    line = models.ForeignKey(
        StatementLine, null=True, blank=True, on_delete=models.PROTECT, related_name="items"
    )
    payment = models.ForeignKey(
        Payment, null=True, blank=True, on_delete=models.PROTECT, related_name="statement_items"
    )
    direction = models.CharField(max_length=3, choices=Direction.choices)
    our_amount = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    their_amount = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    currency = models.CharField(max_length=3, default="KES")
    text = models.CharField(max_length=300, blank=True, default="")
    # Whether this run moved the payment.
    is_settled = models.BooleanField(default=False)
    is_open = models.BooleanField(default=False)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL,
        related_name="+",
    )  # fmt: skip
    note = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        ordering: ClassVar[list[str]] = ["-id"]
        verbose_name = "statement item"
        permissions = [
            ("resolve_statementitem", "Can resolve statement items"),
            ("export_statementitem", "Can export statement items"),
        ]
        indexes = [
            models.Index(fields=["run", "finding", "-id"], name="item_run_finding"),
            models.Index(fields=["business", "-id"], name="item_business"),
            models.Index(fields=["-id"], name="item_open", condition=models.Q(is_open=True)),
        ]
        constraints = [
            # A run that goes on after a kill can't tell of anything twice.
            models.UniqueConstraint(
                fields=["run", "line"], condition=~models.Q(line=None), name="item_line_once"
            ),
            models.UniqueConstraint(
                fields=["run", "payment"],
                condition=models.Q(line=None),
                name="item_payment_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.receipt or 'no receipt'}: {self.get_finding_display()}"


class PullAccount(LeasedWork, Account):
    """How far an account's transactions were fetched; its work row makes the runner single.

    Everything from `fetched_from` to `fetched_to` is here. While a window is under way,
    `window_from`, `window_to` and `offset` say which page is next.
    """

    registered_at = models.DateTimeField(null=True, blank=True)
    # Digest of the secret in the callback address that the registration names.
    callback_digest = models.CharField(max_length=64, null=True, blank=True, unique=True)
    fetched_from = models.DateTimeField(null=True, blank=True)
    fetched_to = models.DateTimeField(null=True, blank=True)
    window_from = models.DateTimeField(null=True, blank=True)
    window_to = models.DateTimeField(null=True, blank=True)
    offset = models.PositiveIntegerField(default=0)
    # New ones of the last window.
    last_lines = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True, default="")

    class Meta(LeasedWork.Meta):
        ordering: ClassVar[list[str]] = ["-id"]
        verbose_name = "pull account"
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "environment", "business", "short_code"],
                name="pull_account_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.short_code} ({self.business or 'installation'})"
