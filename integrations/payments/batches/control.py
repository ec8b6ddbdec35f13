"""What people do with a payout file that exists: pause, resume, cancel, pay failed rows again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, QuerySet, Sum

from integrations import approvals
from integrations.config import get_snapshot
from integrations.exceptions import IntegrationError
from integrations.models import (
    AuditEntry,
    BatchState,
    Finding,
    Payment,
    PaymentState,
    PayoutBatch,
    acting_as,
)
from integrations.payments import money_out
from integrations.payments.accounts import same_environment
from integrations.payments.batches.approval import QUEUE
from integrations.payments.batches.check import RowDigest
from integrations.payments.batches.open import store
from integrations.payments.batches.run import hold_back
from integrations.payments.opening import PROVIDER
from integrations.payments.payouts import PERMISSION, columns_of
from integrations.payments.states import REVISABLE
from integrations.providers.mpesa.payloads import check_payout
from integrations.work import WorkState, ring, schedule


def pause(batch: PayoutBatch, user: Any = None) -> PayoutBatch:
    """Let no further row go; what a worker has in hand right now still goes out.

    Raises IntegrationError: `not_permitted`, or `batch_state` where it does not go out.
    """
    row = _move(batch, user, BatchState.PAUSED, {BatchState.RUNNING}, "payout_file.paused")
    hold_back(row)
    return row


def resume(batch: PayoutBatch, user: Any = None) -> PayoutBatch:
    """Go on where it was paused; raises as `pause`."""
    return _move(batch, user, BatchState.RUNNING, {BatchState.PAUSED}, "payout_file.resumed")


def cancel(batch: PayoutBatch, user: Any = None) -> PayoutBatch:
    """Never send what is not sent yet. Where it waits for approval, its maker takes that back.

    Raises as `pause`, and ApprovalRefused where it waits and somebody else asked for it.
    """
    waiting = approvals.open_approval_of(batch)
    if waiting is not None:
        money_out.require_permission(user, PERMISSION, batch.business)
        approvals.withdraw(waiting, user)
        return PayoutBatch.objects.get(pk=batch.pk)
    running = {BatchState.RUNNING, BatchState.PAUSED}
    return _move(batch, user, BatchState.CANCELLING, running, "payout_file.cancelled")


def _move(
    batch: PayoutBatch, user: Any, target: BatchState, sources: set[BatchState], action: str
) -> PayoutBatch:
    money_out.require_permission(user, PERMISSION, batch.business)
    with transaction.atomic():
        row = PayoutBatch.objects.select_for_update().get(pk=batch.pk)
        if row.state not in sources:
            text = f"This can't be done: it is {row.get_state_display().lower()}."
            raise IntegrationError(text, code="batch_state")
        row.state = target
        row.save(update_fields=["state"])
        with acting_as(user):
            AuditEntry.objects.record(action, target=row, business=row.business)
        if target != BatchState.PAUSED:
            # A worker that has it in hand looks at the state anew at its next turn.
            schedule(row)
            ring(QUEUE)
    return row


def to_retry(batch: PayoutBatch) -> QuerySet[Payment]:
    """The rows that failed, may be paid again without paying twice, and were not yet.

    One whose new payout was called off before it was sent is still owed.
    """
    failed = batch.rows.filter(state__in=REVISABLE - {PaymentState.CANCELLED}, attention="")
    again = Payment.objects.filter(retry_of=OuterRef("pk")).exclude(state=PaymentState.CANCELLED)
    return failed.exclude(finding=Finding.PAID).filter(~Exists(again)).order_by("pk")


def retry(batch: PayoutBatch, user: Any = None) -> PayoutBatch:
    """A new file of the failed rows, each linked to the one that it pays again.

    It needs approval as every file does. Raises IntegrationError (`nothing_to_retry`,
    `not_permitted`) and what the settings and limits refuse.
    """
    money_out.require_permission(user, PERMISSION, batch.business)
    config = get_snapshot(PROVIDER, batch.business, batch.short_code)
    same_environment(config, batch.environment)
    config.require_usable()
    money_out.require_initiator(config)
    with transaction.atomic():
        # Of two at once the second waits here, and then finds nothing left.
        PayoutBatch.objects.select_for_update().get(pk=batch.pk)
        failed = to_retry(batch)
        told = failed.aggregate(total=Sum("amount"), last=Max("pk"))
        count = failed.count()
        if not count or told["total"] is None:
            raise IntegrationError("No failed row is left to be paid again.",
                                   code="nothing_to_retry")  # fmt: skip
        digest = RowDigest()
        for old in failed.iterator(chunk_size=2000):
            digest.add(old.phone, old.amount, old.account_reference, old.description)
        values = {
            "name": f"Again: {batch.name or batch.public_id}"[:100], "business": batch.business,
            "environment": config.environment, "short_code": batch.short_code,
            "command": batch.command, "count": count, "total": told["total"],
            "digest": digest.text(), "retry_of": batch,
        }  # fmt: skip
        made, _is_new = store(values, config, user, lambda new: _again(new, failed, config))
    return made


def _again(batch: PayoutBatch, failed: QuerySet[Payment], config: Any) -> Iterator[Payment]:
    state = PaymentState.CREATED
    if batch.state == BatchState.AWAITING_APPROVAL:
        state = PaymentState.AWAITING_APPROVAL
    # The keys first: the rows that are stored meanwhile end the query's own answer.
    for pk in list(failed.values_list("pk", flat=True)):
        old = Payment.objects.get(pk=pk)
        payout = check_payout(
            config, phone=old.phone, amount=old.amount, command=old.transaction_type,
            remarks=old.description, occasion=old.occasion,
        )  # fmt: skip
        yield Payment(
            **columns_of(config, payout, old.account_reference, None), batch=batch, retry_of=old,
            party_name=old.party_name, state=state, next_attempt_at=None,
            work_state=WorkState.IDLE,
        )  # fmt: skip
