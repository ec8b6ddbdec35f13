"""What people decide about a statement's items: resolve them, record what is missing here."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from integrations.exceptions import InvalidInput
from integrations.models import (
    AuditEntry,
    Direction,
    Finding,
    ItemFinding,
    LineKind,
    Payment,
    Product,
    StatementItem,
    StatementLine,
)
from integrations.payments import ledger
from integrations.payments.pulled import take
from integrations.payments.statements.account import Books
from integrations.payments.statements.party import number_in

KNOWN = "Its receipt is known already, so it can't be recorded."


def resolve(item: StatementItem, user: Any, note: str, *, finding: str = "") -> bool:
    """Close an open item with what somebody found; False where it was closed meanwhile.

    `finding` ("paid" or "not_paid", "" for none) is noted on the item's payment as well, which
    decides whether the payer may be charged again; its state stays the provider's word. Audited.
    Raises InvalidInput.
    """
    note = note.replace("\x00", "").strip()
    if not 3 <= len(note) <= 300:
        raise InvalidInput("note", "write what you found, in 3 to 300 characters.")
    if finding and (finding not in Finding.values or item.payment is None):
        raise InvalidInput("finding", "choose whether it was paid.")
    with transaction.atomic():
        rows = StatementItem.objects.filter(pk=item.pk, is_open=True)
        if not rows.update(is_open=False, resolved_at=timezone.now(), resolved_by=user, note=note):
            return False
        AuditEntry.objects.record(
            "statement.resolved", target=item, business=item.business, detail=note
        )
        if finding and item.payment is not None:
            reason = item.payment.attention or f"{item.get_finding_display()}: {item.run}."[:300]
            ledger.flag(item.payment, reason)
            ledger.settle_attention(item.payment, note, seen=reason, finding=Finding(finding))
    item.refresh_from_db()
    return True


def record(line: StatementLine, user: Any) -> Payment:
    """Make the payment that a line tells of and the ledger lacks; closes the line's open items.

    Incoming money is given its payment as a C2B confirmation would be, which may be a push that
    waits for it; outgoing money is a payout that was made elsewhere. Audited, and told to
    listeners. Raises InvalidInput for a line that is no completed payment, and for a receipt
    that is known.
    """
    if not line.is_completed or line.kind != LineKind.PAYMENT:
        raise InvalidInput("line", "only a completed payment can be recorded.")
    if Payment.objects.filter(
        provider=line.provider, environment=line.environment, receipt=line.receipt
    ).exists():
        raise InvalidInput("receipt", KNOWN, code="known_receipt")
    try:
        with transaction.atomic():
            payment = _paid_in(line) if line.direction == Direction.IN else _paid_out(line)
            ledger.note(
                payment, "recorded", f"Recorded by hand from {line.receipt} of a statement.",
                data={"line": line.pk},
            )  # fmt: skip
            AuditEntry.objects.record(
                "payment.recorded", target=payment, business=payment.business, detail=line.receipt
            )
            StatementItem.objects.filter(line=line, is_open=True).update(
                is_open=False, payment=payment, our_amount=payment.amount, resolved_by=user,
                resolved_at=timezone.now(), note="Recorded from the line.",
            )  # fmt: skip
    except IntegrityError:
        raise InvalidInput("receipt", KNOWN, code="known_receipt") from None
    return payment


def _paid_in(line: StatementLine) -> Payment:
    take(line)
    return Payment.objects.get(
        provider=line.provider, environment=line.environment, receipt=line.receipt
    )


def _paid_out(line: StatementLine) -> Payment:
    number = number_in(line.party)
    values = {
        **Books.of(line).as_values(),
        "product": Product.B2C,
        "direction": Direction.OUT,
        "amount": line.amount,
        "currency": line.currency,
        "party": number[:80],
        "party_name": line.party.removeprefix(number).strip(" -")[:120],
        "description": line.details[:200],
        "receipt": line.receipt,
        "result_code": "0",
        "message": "Recorded from M-Pesa's statement.",
        "paid_at": line.at,
    }
    text = f"Paid out, receipt {line.receipt}, by M-Pesa's statement."
    return ledger.receive(values, kind="statement", text=text, data={"receipt": line.receipt})


def may_be_recorded(item: StatementItem) -> bool:
    """Whether `record` would take the item's line."""
    return item.is_open and item.line is not None and item.finding == ItemFinding.MISSING_HERE
