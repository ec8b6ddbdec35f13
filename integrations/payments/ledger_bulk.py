"""Many payments at once, with everything that the ledger does for one: history, events, counts.

For rows that wait and that no worker has in hand; whatever may be in flight is moved one by one,
by `ledger.transition`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from integrations.events import NewEvent, publish_many
from integrations.metrics import payment_transitions
from integrations.models import Payment, PaymentEvent, PaymentState
from integrations.payments.ledger import TOLD, describe
from integrations.payments.states import FINAL, sources_of
from integrations.work import WorkState

CHUNK = 500


def open_many(
    payments: Sequence[Payment], texts: Sequence[str], data: Sequence[dict[str, Any]]
) -> list[Payment]:
    """Store new payments with the first line of their history. Joins the caller's transaction."""
    rows = Payment.objects.bulk_create(payments)
    PaymentEvent.objects.bulk_create(
        [
            PaymentEvent(
                payment=row, kind="created", text=text[:300], data=more, to_state=row.state
            )
            for row, text, more in zip(rows, texts, data, strict=True)
        ]
    )
    _count(Counter((row.provider, "", str(row.state)) for row in rows))
    return rows


def move_many(
    rows: QuerySet[Payment],
    target: PaymentState,
    *,
    only_from: PaymentState,
    kind: str,
    text: str,
    data: dict[str, Any] | None = None,
    changes: dict[str, Any] | None = None,
) -> int:
    """Move one chunk of `rows` that nobody has in hand; how many were moved, 0 when none is left.

    They are left idle. One transaction: each row's state, history and event, or none of them.
    """
    with transaction.atomic():
        free = rows.filter(state=only_from, claim_token="")
        chunk = list(free.select_for_update(of=("self",), no_key=True).order_by("pk")[:CHUNK])
        chunk = [row for row in chunk if only_from in sources_of(target, row.product)]
        values: dict[str, Any] = {
            **(changes or {}), "state": target, "updated_at": timezone.now(),
            "next_attempt_at": None, "work_state": WorkState.IDLE,
        }  # fmt: skip
        if target in FINAL:
            values["completed_at"] = values["updated_at"]
        Payment.objects.filter(pk__in=[row.pk for row in chunk]).update(**values)
        for row in chunk:
            for name, value in values.items():
                setattr(row, name, value)
        _tell(chunk, only_from, target, kind, text, data or {})
    return len(chunk)


def _tell(
    chunk: list[Payment], before: PaymentState, target: PaymentState, kind: str, text: str,
    data: dict[str, Any],
) -> None:  # fmt: skip
    PaymentEvent.objects.bulk_create(
        [
            PaymentEvent(
                payment=row, kind=kind, text=text[:300], data=data, from_state=before,
                to_state=target,
            )
            for row in chunk
        ]
    )  # fmt: skip
    _count(Counter((row.provider, str(before), str(target)) for row in chunk))
    if target not in TOLD or not chunk:
        return
    publish_many(
        NewEvent(f"payment.{target}", describe(row, previous=before), row.business) for row in chunk
    )


def _count(moves: Counter[tuple[str, str, str]]) -> None:
    for names, number in moves.items():
        count = partial(_add, names, number)
        transaction.on_commit(count, robust=True)


def _add(names: tuple[str, str, str], number: int) -> None:
    for _ in range(number):
        payment_transitions.add(*names)
