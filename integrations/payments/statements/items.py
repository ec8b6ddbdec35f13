"""Items of a run, and what earlier runs said of the same lines and payments."""

from __future__ import annotations

from django.db.models import Q
from django.utils import timezone

from integrations.models import ItemFinding, Payment, StatementItem, StatementLine, StatementRun


def item_of(
    run: StatementRun,
    finding: ItemFinding,
    *,
    line: StatementLine | None = None,
    payment: Payment | None = None,
    text: str = "",
    is_settled: bool = False,
) -> StatementItem:
    """An item that is not stored yet; open unless it is a match."""
    told = line or payment
    assert told is not None, "an item is about a line, a payment or both"  # noqa: S101
    return StatementItem(
        run=run,
        business=run.business,
        finding=finding,
        receipt=(line.receipt if line else payment.receipt if payment else "") or "",
        line=line,
        payment=payment,
        direction=told.direction,
        our_amount=payment.amount if payment else None,
        their_amount=line.amount if line else None,
        currency=told.currency,
        text=text[:300],
        is_settled=is_settled,
        is_open=finding != ItemFinding.MATCHED,
    )


def _same(items: list[StatementItem]) -> Q:
    lines = [item.line_id for item in items if item.line_id]
    payments = [item.payment_id for item in items if item.payment_id]
    return Q(line_id__in=lines) | Q(payment_id__in=payments)


def with_earlier_notes(run: StatementRun, items: list[StatementItem]) -> None:
    """What a person has resolved stays resolved, with their note, when a later file repeats it."""
    fresh = [item for item in items if item.is_open]
    if not fresh:
        return
    earlier = StatementItem.objects.filter(_same(fresh), business=run.business)
    resolved = {
        (item.finding, item.line_id, item.payment_id): item
        for item in earlier.exclude(resolved_by=None).exclude(run=run).order_by("id")
    }
    for item in fresh:
        known = resolved.get((item.finding, item.line_id, item.payment_id))
        if known is not None:
            item.is_open = False
            item.resolved_at, item.resolved_by = known.resolved_at, known.resolved_by
            item.note = known.note


def close_earlier(run: StatementRun, items: list[StatementItem]) -> None:
    """Open items of earlier runs about the same: this run's word is the newer one."""
    opened = StatementItem.objects.filter(business=run.business, is_open=True)
    if not items or not opened.exclude(run=run).exists():
        return
    opened.filter(_same(items)).exclude(run=run).update(
        is_open=False, resolved_at=timezone.now(), note=f"Looked at again in statement {run.pk}."
    )
