"""What payouts and reversals have in common before they are sent: who may, and who approves."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.contenttypes.models import ContentType

from integrations.access import scope_of
from integrations.approvals import (
    digest_of,
    facts_of,
    get_kind,
    latest_approval_of,
    request_approval,
)
from integrations.config import Snapshot
from integrations.exceptions import IntegrationError
from integrations.models import Approval, ApprovalState, Payment, PaymentState
from integrations.payments import ledger
from integrations.payments.query_sender import result_urls
from integrations.phone import mask_phone
from integrations.providers.mpesa.payloads import initiator_name, security_credential
from integrations.work import WorkState, ring

WAITS = "It waits for a second person's approval; nothing is sent before."
# Column values of a payment that no worker takes up before it is approved.
WAITING = {
    "state": PaymentState.AWAITING_APPROVAL,
    "work_state": WorkState.IDLE,
    "next_attempt_at": None,
}
_CLOSED = {
    ApprovalState.REJECTED: "Rejected",
    ApprovalState.WITHDRAWN: "Taken back",
    ApprovalState.EXPIRED: "Expired",
}


def require_permission(user: Any, permission: str, business: str) -> None:
    """Raise IntegrationError (code `not_permitted`) unless the user may do this here.

    None is the host's own program, which decides itself whom it serves.
    """
    if user is None:
        return
    if not user.has_perm(f"integrations.{permission}"):
        raise IntegrationError(
            f"You may not do this: it takes the permission {permission}.", code="not_permitted"
        )
    if not scope_of(user).allows(business):
        raise IntegrationError("You have no access to this business.", code="not_permitted")


def require_initiator(config: Snapshot) -> None:
    """Raise ConfigurationError where M-Pesa could not be asked in the initiator's name."""
    initiator_name(config)
    security_credential(config)
    result_urls(config, "0" * 32)


def needs_approval(config: Snapshot, amount: int) -> bool:
    """Whether a second person has to approve: above the limit, where there is one."""
    limit = config.values["approve_above"]
    return limit is not None and amount > int(limit)


def ask_for_approval(payment: Payment, kind: str, summary: str, requested_by: Any) -> None:
    """Let the payment, just stored, wait for a second person. Joins the transaction."""
    approval = request_approval(
        kind,
        payment,
        business=payment.business,
        amount=payment.amount,
        currency=payment.currency,
        summary=summary,
        requested_by=requested_by,
    )
    payment.message = f"{WAITS} {approval.warning}".strip()[:300]
    Payment.objects.filter(pk=payment.pk).update(message=payment.message)


def release(payment: Payment, approval: Approval) -> None:
    """It was approved: a worker sends it. Runs in the transaction of the decision."""
    moved = ledger.transition(
        payment,
        PaymentState.CREATED,
        kind="approved",
        text=f"Approved by {approval.decided_by_name}.",
        data={"approval": str(approval.public_id)},
        changes={"message": ""},
        due_in=0.0,
        only_from=PaymentState.AWAITING_APPROVAL,
    )
    if not moved:
        raise IntegrationError(
            f"It does not wait for approval: {payment.get_state_display()}.", code="not_waiting"
        )
    ring(ledger.QUEUE)


def call_off(payment: Payment, approval: Approval) -> None:
    """Nobody approved it: it is never sent. Runs in the transaction of the decision."""
    words = _CLOSED.get(ApprovalState(approval.state), "Not approved")
    by = f" by {approval.decided_by_name}" if approval.decided_by_name else ""
    text = f"{words}{by}: {approval.reason}" if approval.reason else f"{words}{by}."
    ledger.transition(
        payment,
        PaymentState.CANCELLED,
        kind=str(approval.state),
        text=text,
        data={"approval": str(approval.public_id)},
        changes={"message": text[:300], "result_code": "not_approved"},
        only_from=PaymentState.AWAITING_APPROVAL,
    )


def require_approved(payment: Payment) -> None:
    """Raise IntegrationError unless the payment says what its approver saw.

    One that nobody had to approve passes. Asked right before each sending: whatever changed the
    row since, what was not approved is not sent.
    """
    approval = approval_of(payment)
    if approval is None:
        _require_as_in_file(payment)
        return
    if approval.state != ApprovalState.APPROVED:
        raise IntegrationError("It was not approved.", code="not_approved")
    if digest_of(facts_of(get_kind(approval.kind), payment)) != approval.digest:
        raise IntegrationError(
            "It is not any more what was approved, so it was not sent.", code="approval_changed"
        )


def _require_as_in_file(payment: Payment) -> None:
    """The same for a payout that came in a file, which is approved as a whole.

    What the row said when it was stored stands in its history; that all of the rows said so
    when they were approved, the approval has seen to.
    """
    if payment.batch is None:
        return
    approval = latest_approval_of(payment.batch)
    if approval is not None and approval.state != ApprovalState.APPROVED:
        raise IntegrationError("Its payout file was not approved.", code="not_approved")
    stored = payment.events.filter(kind="created").order_by("pk").first()
    told = stored.data.get("facts") if stored is not None else None
    if told and told != digest_of_payout(payment):
        raise IntegrationError(
            "It is not any more what its payout file said, so it was not sent.",
            code="approval_changed",
        )


def digest_of_payout(payment: Payment) -> str:
    """What stands for everything that decides where a payout's money goes."""
    return digest_of([*facts(payment).items(), ("Purpose", payment.transaction_type)])


def approval_of(payment: Payment) -> Approval | None:
    """The newest request for approval of this payment, if any."""
    rows = Approval.objects.filter(
        content_type=ContentType.objects.get_for_model(Payment), object_id=str(payment.pk)
    )
    return rows.order_by("-id").first()


def waits_since(payment: Payment) -> datetime:
    """Since when it may be sent: its release from a file, its approval, or its creation."""
    if payment.released_at is not None:
        return payment.released_at
    approval = approval_of(payment)
    decided = approval.decided_at if approval is not None else None
    return decided or payment.created_at


def summary_of(payment: Payment, verb: str) -> str:
    """One line for approvers and events."""
    amount = f"{payment.currency} {payment.amount:,.0f}"
    return f"{verb} {amount} to {mask_phone(payment.phone)} for {payment.account_reference}"


def facts(payment: Payment) -> dict[str, str]:
    """What every approver of money out sees, and what must not have changed when it is sent."""
    return {
        "Amount": f"{payment.currency} {payment.amount:,.2f}",
        "To": payment.phone or payment.party,
        "Reference": payment.account_reference,
        "Remarks": payment.description,
        "Occasion": payment.occasion,
        "From": payment.short_code,
        "Environment": str(payment.environment),
        "Business": payment.business or "The installation",
    }
