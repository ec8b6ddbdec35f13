"""After the disasters: time goes by quickly, until every payment has come to its end."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from django.db import connections
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from integrations.models import DomainEvent, InboundCallback, MpesaQuery, Payment
from integrations.payments.query_sender import ANSWER_PATIENCE
from integrations.payments.stk_query import UNASKABLE_AFTER
from tests.sandbox.driver import SandboxDriver

# At full size many payouts that never arrived are asked about and sent again, several times.
SETTLE_SECONDS = 120.0
# Web may still be at a callback whose sender was killed meanwhile.
QUIET_LOOKS = 5


def let_time_pass(sandbox: SandboxDriver) -> None:
    """Returns when nothing is in play any more, or after two minutes: the judge sees what is left.

    Pauses between two looks, and the minutes for which a lost answer is waited for, are passed by
    moving rows' times back. Leases end by themselves.
    """
    sandbox.settle(30)
    end = time.monotonic() + SETTLE_SECONDS
    quiet_looks = 0
    while quiet_looks < QUIET_LOOKS and time.monotonic() < end:
        connections.close_all()
        callbacks = InboundCallback.objects.filter(status="stored")
        events = DomainEvent.objects.exclude(work_state="done")
        payments = in_play()
        is_quiet = not (callbacks.exists() or events.exists() or payments.exists())
        quiet_looks = quiet_looks + 1 if is_quiet else 0
        for rows in (callbacks, events, payments, MpesaQuery.objects.filter(state="waiting")):
            _hurry(rows)
        _give_up_questions()
        # Only when every callback was worked on: it would have settled them.
        if not callbacks.exists():
            _age(payments)
        time.sleep(0.2)


def in_play() -> QuerySet[Payment]:
    """Payments that have neither come to an end nor to the work list of people."""
    undecided = Q(state="unknown", attention="")
    return Payment.objects.filter(undecided | Q(state__in=["created", "sending", "pending"]))


def _give_up_questions() -> None:
    """A question whose answer was lost is waited for no longer."""
    asked = MpesaQuery.objects.filter(state="sent", sent_at__lt=Now() - timedelta(seconds=5))
    longer = timedelta(seconds=ANSWER_PATIENCE + 1)
    past = Now() - timedelta(seconds=1)
    asked.update(sent_at=F("sent_at") - longer, next_attempt_at=past, work_state="due")


def _hurry(rows: QuerySet[Any]) -> None:
    waiting = rows.filter(work_state="due", next_attempt_at__gt=Now())
    waiting.update(next_attempt_at=Now() - timedelta(seconds=1))


def _age(payments: QuerySet[Payment]) -> None:
    unaskable = payments.filter(
        product="stk_push", state="unknown", checkout_id=None, sent_at__gt=Now() - _ago()
    )
    unaskable.update(sent_at=Now() - _ago())


def _ago() -> timedelta:
    return timedelta(seconds=UNASKABLE_AFTER + 1)
