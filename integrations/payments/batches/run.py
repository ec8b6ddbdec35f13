"""What a worker does with a payout file: let its rows go at the settings' pace, notice the end.

The rows themselves are sent by the ordinary worker, as every payout is. Never more of them are
due at once than can be sent in a moment, so pausing is quick and other payments don't queue
behind a long file.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import Count, Sum
from django.db.models.functions import Now
from django.utils import timezone

from integrations.events import publish
from integrations.exceptions import ConfigurationError
from integrations.models import BatchState, Payment, PaymentState, PayoutBatch, Product
from integrations.payments import ledger
from integrations.payments.accounts import account_of
from integrations.payments.ledger_bulk import move_many
from integrations.payments.opening import PROVIDER
from integrations.payments.states import FINAL
from integrations.work import Again, Done, Outcome, WorkState, later, ring

# Seconds between two looks while rows go out, and while only results are awaited.
TICK = 1.0
WAIT = 10.0
CALLED_OFF = "Its payout file was cancelled before it was sent."
UNSENT = (PaymentState.AWAITING_APPROVAL, PaymentState.CREATED)


def advance(batch: PayoutBatch) -> Outcome:
    """Handler of the queue of payout files."""
    if batch.state == BatchState.RUNNING:
        return _run(batch)
    if batch.state == BatchState.CANCELLING:
        return _cancel(batch)
    # One that is paused goes on being looked at: resuming it could come while a worker has it.
    return _again(WAIT) if batch.state == BatchState.PAUSED else Done()


def _run(batch: PayoutBatch) -> Outcome:
    while move_many(
        batch.rows.all(), PaymentState.CREATED, only_from=PaymentState.AWAITING_APPROVAL,
        kind="approved", text=batch.message or "Approved with its payout file.",
    ):  # fmt: skip
        if not batch.has_time_left():
            return _again(0.0)
    is_all_out = feed(batch)
    if not is_all_out:
        return _again(TICK)
    if batch.rows.exclude(state__in=FINAL).exists():
        return _again(WAIT)
    _end(batch, BatchState.FINISHED, only_from=BatchState.RUNNING)
    return Done()


def feed(batch: PayoutBatch) -> bool:
    """Make the next rows due, as many as can be sent in a moment; whether none is left over."""
    room = pace_of(batch) - waiting_to_be_sent(batch)
    idle = batch.rows.filter(
        state=PaymentState.CREATED, work_state=WorkState.IDLE, next_attempt_at=None
    )
    if room > 0:
        # Only while it runs: whoever pauses it waits here, and then stops what was let go.
        with transaction.atomic():
            running = PayoutBatch.objects.select_for_update().filter(
                pk=batch.pk, state=BatchState.RUNNING
            )
            if not running.exists():
                return False
            chosen = list(idle.order_by("pk").values_list("pk", flat=True)[:room])
            rows = Payment.objects.filter(pk__in=chosen, state=PaymentState.CREATED)
            rows.filter(claim_token="").update(
                next_attempt_at=later(0), work_state=WorkState.DUE, attempts=0,
                released_at=Now(),
            )  # fmt: skip
        if chosen:
            ring(ledger.QUEUE)
    return not idle.exists()


def pace_of(batch: PayoutBatch) -> int:
    """Rows that may be due at once: what the settings let out in a second.

    1 where the settings can't be read now: the row itself then says what is wrong.
    """
    try:
        config = account_of(PROVIDER, batch.business, batch.short_code)
    except ConfigurationError:
        return 1
    return max(1, int(config.values["requests_per_second"] * TICK))


def waiting_to_be_sent(batch: PayoutBatch) -> int:
    """Payouts of files of this account that are due and not sent yet."""
    rows = Payment.objects.filter(
        batch__isnull=False, business=batch.business, short_code=batch.short_code,
        environment=batch.environment, product=Product.B2C, state=PaymentState.CREATED,
        next_attempt_at__isnull=False,
    )  # fmt: skip
    return rows.count()


def hold_back(batch: PayoutBatch) -> None:
    """Take the rows that no worker has in hand yet out of the queue again."""
    rows = batch.rows.filter(state=PaymentState.CREATED, claim_token="")
    rows.filter(next_attempt_at__isnull=False).update(
        next_attempt_at=None, work_state=WorkState.IDLE
    )


def _cancel(batch: PayoutBatch) -> Outcome:
    for state in UNSENT:
        while move_many(
            batch.rows.all(), PaymentState.CANCELLED, only_from=state, kind="cancelled",
            text=batch.message or CALLED_OFF,
            data={"code": "batch_cancelled"},
            changes={"message": CALLED_OFF, "result_code": "batch_cancelled"},
        ):  # fmt: skip
            if not batch.has_time_left():
                return _again(0.0)
    # One that a worker has in hand is sent, or comes back unsent.
    if batch.rows.filter(state__in=UNSENT).exists():
        return _again(TICK)
    if batch.rows.exclude(state__in=FINAL).exists():
        return _again(WAIT)
    _end(batch, BatchState.CANCELLED, only_from=BatchState.CANCELLING)
    return Done()


def _again(seconds: float) -> Again:
    return Again(delay_seconds=seconds, count_attempt=False)


def _end(batch: PayoutBatch, state: BatchState, *, only_from: BatchState) -> None:
    with transaction.atomic():
        rows = PayoutBatch.objects.filter(pk=batch.pk, state=only_from)
        if not rows.update(state=state, ended_at=timezone.now()):
            return
        batch.state = state
        if state == BatchState.FINISHED:
            publish("payout_batch.finished", describe(batch), batch.business)
        else:
            publish("payout_batch.cancelled", describe(batch), batch.business)


def progress(batch: PayoutBatch) -> dict[str, tuple[int, object]]:
    """How many rows are in each state, and what they come to."""
    found = batch.rows.order_by().values_list("state").annotate(Count("pk"), Sum("amount"))
    return {state: (count, total) for state, count, total in found}


def describe(batch: PayoutBatch) -> dict[str, object]:
    """The file as its events tell it."""
    counted = progress(batch)
    paid, paid_total = counted.get(PaymentState.SUCCEEDED, (0, 0))
    return {
        "batch_id": str(batch.public_id),
        "name": batch.name,
        "environment": batch.environment,
        "state": str(batch.state),
        "count": batch.count,
        "total": f"{batch.total:.2f}",
        "currency": batch.currency,
        "paid": paid,
        "paid_total": f"{paid_total:.2f}",
        "not_paid": batch.count - paid,
    }
