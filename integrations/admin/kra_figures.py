"""The start page's card about tax: what is signed, what waits, what needs somebody."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Count, Min
from django.http import HttpRequest

from integrations.admin.badges import environment_badge
from integrations.admin.figures import BOUND, NAIROBI, Card, Figure, Rows, bounded
from integrations.admin.webhook_words import age
from integrations.kra.outbox.line import STATES, waiting_of
from integrations.models import InvoiceState

S = InvoiceState


def tax_card(request: HttpRequest, now: datetime) -> Card | None:
    """None where the reader may see neither documents nor branches, or there is no branch."""
    invoices = Rows.of(request, "integrations.krainvoice")
    branches = Rows.of(request, "integrations.krabranch")
    lines: list[Figure] = []
    if branches:
        held = branches.query.exclude(held_reason="")
        url = branches.link(standing="held")
        lines.append(Figure(bounded(held[: BOUND + 1].count()), url, "branches held"))
    if invoices:
        lines += [
            invoices.counted("in doubt", state__exact=S.IN_DOUBT.value),
            invoices.counted("rejected", state__exact=S.REJECTED.value),
            invoices.counted("need a person", attention="yes"),
        ]
    if not lines:
        return None
    grave = [line for line in lines if line.label in ("branches held", "need a person")]
    is_bad = any(line.text != "0" for line in grave)
    is_odd = any(line.text != "0" for line in lines)
    today = _signed_today(invoices, now) if invoices else []
    return Card(
        "Tax (KRA)",
        _waiting(invoices, now) if invoices else None,
        [*today, *lines],
        tone="bad" if is_bad else "warn" if is_odd else "calm",
    )


def _waiting(invoices: Rows, now: datetime) -> Figure:
    told = waiting_of(invoices.query).aggregate(count=Count("pk"), oldest=Min("queued_at"))
    oldest = f", the oldest for {age(told['oldest'], now)}" if told["oldest"] else ""
    url = invoices.link(state__in=",".join(STATES))
    return Figure(f"{told['count']:,}", url, f"invoices waiting{oldest}")


def _signed_today(invoices: Rows, now: datetime) -> list[Figure]:
    midnight = now.astimezone(NAIROBI).replace(hour=0, minute=0, second=0, microsecond=0)
    since: dict[str, Any] = {"created_at__gte": midnight.isoformat()}
    groups = (
        invoices.query.filter(created_at__gte=midnight, state=S.SIGNED)
        .values("environment")
        .annotate(count=Count("pk"))
        .order_by("environment")
    )
    return [
        Figure(
            f"{group['count']:,}",
            invoices.link(**since, state__exact=S.SIGNED.value,
                          environment__exact=group["environment"]),
            "of today signed",
            environment_badge(group["environment"]),
        )
        for group in groups
    ]  # fmt: skip
