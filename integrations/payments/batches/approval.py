"""A payout file as its approver sees it, and what an approval does."""

from __future__ import annotations

from decimal import Decimal

from django.db.models import Max, Sum

from integrations.approvals import Kind
from integrations.exceptions import IntegrationError
from integrations.models import Approval, ApprovalState, BatchState, PayoutBatch
from integrations.payments.batches.check import RowDigest
from integrations.work import ring, schedule

KIND = "payout_batch"
QUEUE = "payout-batches"
_CLOSED = {
    ApprovalState.REJECTED: "Rejected",
    ApprovalState.WITHDRAWN: "Taken back",
    ApprovalState.EXPIRED: "Expired",
}


def describe(batch: PayoutBatch) -> dict[str, str]:
    """What is approved: the sums, and by their digest all of the rows as they stand."""
    told = batch.rows.aggregate(total=Sum("amount"), largest=Max("amount"))
    return {
        "Total": f"{batch.currency} {told['total'] or Decimal(0):,.2f}",
        "Payouts": f"{batch.rows.count():,}",
        "Largest": f"{batch.currency} {told['largest'] or Decimal(0):,.2f}",
        "Purpose": batch.command,
        "From": batch.short_code,
        "Environment": str(batch.environment),
        "Business": batch.business or "The installation",
        "Rows": digest_of_rows(batch),
    }


def digest_of_rows(batch: PayoutBatch) -> str:
    """The digest of the rows as they are stored; that of the file, unless somebody changed one."""
    digest = RowDigest()
    rows = batch.rows.order_by("pk").values_list(
        "phone", "amount", "account_reference", "description"
    )
    for phone, amount, reference, remarks in rows.iterator(chunk_size=2000):
        digest.add(phone, amount, reference, remarks)
    return digest.text()


def release(batch: PayoutBatch, approval: Approval) -> None:
    """It was approved: its rows go out. Runs in the transaction of the decision."""
    text = f"Approved by {approval.decided_by_name}."
    _move(batch, BatchState.RUNNING, text)


def call_off(batch: PayoutBatch, approval: Approval) -> None:
    """Nobody approved it: no row is ever sent. Runs in the transaction of the decision."""
    words = _CLOSED.get(ApprovalState(approval.state), "Not approved")
    by = f" by {approval.decided_by_name}" if approval.decided_by_name else ""
    why = f": {approval.reason}" if approval.reason else "."
    _move(batch, BatchState.CANCELLING, f"{words}{by}{why}")


def _move(batch: PayoutBatch, state: BatchState, text: str) -> None:
    waiting = PayoutBatch.objects.filter(pk=batch.pk, state=BatchState.AWAITING_APPROVAL)
    if not waiting.update(state=state, message=text[:300]):
        raise IntegrationError(
            f"It does not wait for approval: {batch.get_state_display()}.", code="not_waiting"
        )
    batch.refresh_from_db()
    schedule(batch)
    ring(QUEUE)


APPROVAL = Kind(
    name=KIND,
    label="Payout file",
    permission="integrations.approve_payout",
    on_approved=release,
    on_rejected=call_off,
    describe=describe,
)
