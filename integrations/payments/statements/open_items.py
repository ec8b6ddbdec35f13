"""Open statement items on the work list of people."""

from __future__ import annotations

from django.db.models import QuerySet

from integrations.models import StatementItem
from integrations.payments import work_list


def _rows() -> QuerySet[StatementItem]:
    return StatementItem.objects.filter(is_open=True).select_related("run").order_by("-id")


def _line(item: StatementItem) -> work_list.Line:
    told = item.get_finding_display()
    return work_list.Line(
        pk=item.pk,
        since=item.run.created_at,
        business=item.business,
        amount=item.their_amount if item.their_amount is not None else item.our_amount,
        currency=item.currency,
        reference=item.receipt,
        reason=f"{told}: {item.text}" if item.text else told,
    )


SOURCE = work_list.Source(
    name="statement-items",
    title="What statements and ledger tell differently",
    model=StatementItem,
    rows=_rows,
    line=_line,
    list_query="is_open__exact=1",
)
