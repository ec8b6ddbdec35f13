"""The ledger: opening payments and moving them. Nothing else changes `Payment.state`.

A move is one conditional UPDATE plus its event plus the outbox row, in one transaction, so a
late answer can't overwrite a callback.
"""

from __future__ import annotations

import logging
from typing import Any

from django.db import transaction
from django.utils import timezone

from integrations.events import publish
from integrations.models import Payment, PaymentEvent, PaymentState
from integrations.payments.states import FINAL, REVISABLE, sources_of
from integrations.phone import mask_phone
from integrations.work import WorkState, schedule
from integrations.work.clock import later

logger = logging.getLogger(__name__)
QUEUE = "payments"
LATE_SUCCESS = "Paid after it was reported as not paid: check what was done with the order."
# States that listeners hear of.
TOLD = FINAL | {PaymentState.UNKNOWN, PaymentState.PENDING}


def transition(
    payment: Payment,
    target: PaymentState,
    *,
    kind: str,
    text: str = "",
    data: dict[str, Any] | None = None,
    changes: dict[str, Any] | None = None,
    due_in: float | None = None,
    only_from: PaymentState | None = None,
    claim: str = "",
) -> bool:
    """Move a payment if the table allows it from where it stands now; False if it does not.

    `changes` are further column values, `due_in` the seconds until the payment is looked at
    again (None: never, and final states never are). `only_from` narrows the source. With
    `claim`, the row must still be held under that token, and keeps it. `payment` is reread
    either way. `text` is shown to people; `data` must hold no secrets.
    """
    sources = {only_from} & sources_of(target) if only_from else sources_of(target)
    values = {**(changes or {}), "state": target, "updated_at": timezone.now()}
    if not claim:
        values.update(_next_look(target, due_in))
    if target in FINAL:
        values["completed_at"] = timezone.now()
    with transaction.atomic():
        before = _lock(payment.pk)
        if before.state not in sources or (claim and before.claim_token != claim):
            payment.refresh_from_db()
            return False
        is_late = target == PaymentState.SUCCEEDED and before.state in REVISABLE
        if is_late:
            values["attention"] = LATE_SUCCESS
            logger.warning("payment=%s late_success from=%s", before.public_id, before.state)
        rows = Payment.objects.filter(pk=payment.pk, state=before.state)
        if claim:
            rows = rows.filter(claim_token=claim)
        if not rows.update(**values):
            payment.refresh_from_db()
            return False
        note(payment, kind, text, data=data, from_state=before.state, to_state=target)
        payment.refresh_from_db()
        if target in TOLD:
            publish(
                f"payment.{target}",
                describe(payment, previous=before.state, is_late=is_late),
                payment.business,
            )
    return True


def _lock(pk: int) -> Payment:
    """The row as it stands, locked where the database can (SQLite has one writer anyway)."""
    return Payment.objects.select_for_update().only("state", "claim_token", "public_id").get(pk=pk)


def _next_look(target: PaymentState, due_in: float | None) -> dict[str, Any]:
    values: dict[str, Any] = {"claim_token": "", "lease_until": None, "work_error": ""}
    if target in FINAL or due_in is None:
        return {**values, "next_attempt_at": None, "work_state": WorkState.IDLE}
    return {**values, "next_attempt_at": later(due_in), "work_state": WorkState.DUE}


def begin_sending(payment: Payment, *, digest: str, claim: str) -> bool:
    """Move a claimed `created` payment to `sending`, committed before the socket opens."""
    with transaction.atomic(durable=True):
        return transition(
            payment,
            PaymentState.SENDING,
            kind="sending",
            text="Asking M-Pesa to prompt the payer.",
            changes={"callback_digest": digest, "sent_at": timezone.now()},
            claim=claim,
        )


def note(
    payment: Payment,
    kind: str,
    text: str = "",
    *,
    data: dict[str, Any] | None = None,
    from_state: str = "",
    to_state: str = "",
) -> None:
    """Add a line to the payment's history without moving it."""
    PaymentEvent.objects.create(
        payment=payment,
        kind=kind,
        text=text[:300],
        data=data or {},
        from_state=from_state,
        to_state=to_state,
    )


def flag(payment: Payment, reason: str) -> None:
    """Put the payment on the work list of people; the first reason stays, each is noted."""
    is_new = Payment.objects.filter(pk=payment.pk, attention="").update(attention=reason[:300])
    told = PaymentEvent.objects.filter(payment=payment, kind="attention", text=reason[:300])
    if not is_new and told.exists():
        return
    note(payment, "attention", reason)
    logger.warning("payment=%s needs_attention reason=%s", payment.public_id, reason)


def look_again(payment: Payment, *, delay_seconds: float = 0.0) -> None:
    """Have the payment looked at again, unless a worker has it in hand right now.

    Final states that a late success may still change count too; paid ones don't.
    """
    if payment.state not in FINAL or payment.state in REVISABLE:
        schedule(Payment.objects.filter(pk=payment.pk), delay_seconds=delay_seconds)


def describe(payment: Payment, *, previous: str = "", is_late: bool = False) -> dict[str, Any]:
    """The payment as events tell it; the phone is masked, listeners can load the row."""
    return {
        "payment_id": str(payment.public_id),
        "provider": payment.provider,
        "product": payment.product,
        "environment": payment.environment,
        "state": str(payment.state),
        "previous_state": str(previous),
        "late": is_late,
        "amount": f"{payment.amount:.2f}",
        "currency": payment.currency,
        "phone": mask_phone(payment.phone),
        "account_reference": payment.account_reference,
        "receipt": payment.receipt or "",
        "result_code": payment.result_code,
        "message": payment.message,
    }
