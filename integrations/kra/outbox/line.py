"""Who stands in line: the one meaning of "waiting" that pages, API, health and alarm go by.

A document waits until KRA has it or it is rejected, whether or not a worker will look at it by
itself. What is only `registered` waits no more: KRA has it. Since when: since its last correction,
as a document that was corrected today is not late since last week.
"""

from __future__ import annotations

from django.db.models import Count, IntegerField, Min, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from integrations.kra.outbox.states import WAITING
from integrations.models import KRABranch, KRAInvoice

# In one order, so that the statement is always the same text.
STATES = sorted(state.value for state in WAITING)


def waiting_of(rows: QuerySet[KRAInvoice]) -> QuerySet[KRAInvoice]:
    """Those of the documents that wait, in no order."""
    return rows.filter(state__in=STATES).order_by()


def with_line(branches: QuerySet[KRABranch]) -> QuerySet[KRABranch]:
    """Branches with `waiting`, how many documents wait, and `oldest_waiting_at`, since when."""
    line = waiting_of(KRAInvoice.objects.filter(branch=OuterRef("pk"))).values("branch")
    counted = line.annotate(count=Count("pk")).values("count")
    oldest = line.annotate(first=Min("queued_at")).values("first")
    return branches.annotate(
        waiting=Coalesce(Subquery(counted, output_field=IntegerField()), 0),
        oldest_waiting_at=Subquery(oldest),
    )


def oldest_waiting(unit: KRABranch) -> KRAInvoice | None:
    """The document of a branch that waits longest, None where nothing waits."""
    rows = waiting_of(KRAInvoice.objects.filter(branch=unit)).order_by("queued_at", "pk")
    return rows.only("pk", "queued_at", "trader_number").first()
