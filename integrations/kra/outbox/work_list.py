"""What waits for people: documents that nothing can settle by itself."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from integrations.models import KRAInvoice
from integrations.payments.work_list import Line, Source


def _rows() -> QuerySet[KRAInvoice]:
    return KRAInvoice.objects.filter(~Q(attention="")).order_by("-id")


def _line(invoice: KRAInvoice) -> Line:
    return Line(
        pk=invoice.pk,
        since=invoice.created_at,
        business=invoice.business,
        amount=invoice.total,
        currency="KES",
        reference=invoice.trader_number,
        reason=invoice.attention,
    )


SOURCE = Source(
    name="kra_invoices",
    title="KRA invoices that need a person",
    model=KRAInvoice,
    rows=_rows,
    line=_line,
    list_query="attention=yes",
)
