"""The work list of people: one place where each part of payments says what waits for somebody.

    work_list.register(Source(
        name="receipts", title="Receipts without an expectation", model=Payment,
        rows=lambda: Payment.objects.filter(...), line=describe_receipt,
        list_query="unmatched=yes",
    ))

Done once, by `integrations/wiring.py` or by the module itself when it is imported there. The
admin's page and its CSV file show every source, narrowed to the reader's businesses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Model, QuerySet

from integrations.exceptions import ConfigurationError
from integrations.models import Payment


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that waits for a person, in the words of the list. No secrets.

    `since` is when it began to wait; `pk` opens the row's own page; `reference` is what people
    search by (a receipt, an account reference).
    """

    pk: int
    since: datetime
    business: str
    amount: Decimal | None
    currency: str
    reference: str
    reason: str


@dataclass(frozen=True)
class Source:
    """A kind of open work.

    `rows` are all open rows, newest first by id and found by an index; `business_field` is the
    path to a row's business. The reader needs the model's view permission. `list_query` narrows
    the model's own admin list to these rows.
    """

    name: str
    title: str
    model: type[Model]
    rows: Callable[[], QuerySet[Any]]
    line: Callable[[Any], Line]
    list_query: str = ""
    business_field: str = "business"


_sources: dict[str, Source] = {}


def register(source: Source) -> None:
    """Add a source; ConfigurationError when its name means something else."""
    if _sources.setdefault(source.name, source) != source:
        raise ConfigurationError(f"Two work-list sources are named {source.name}.")


def sources() -> list[Source]:
    """Every source, in the order in which they were added."""
    return list(_sources.values())


def _attention_rows() -> QuerySet[Payment]:
    return Payment.objects.exclude(attention="").order_by("-id")


def _attention_line(payment: Payment) -> Line:
    return Line(
        pk=payment.pk,
        since=payment.created_at,
        business=payment.business,
        amount=payment.amount,
        currency=payment.currency,
        reference=payment.receipt or payment.account_reference,
        reason=payment.attention,
    )


ATTENTION = Source(
    name="payments",
    title="Payments that need a person",
    model=Payment,
    rows=_attention_rows,
    line=_attention_line,
    list_query="attention=yes",
)
register(ATTENTION)
