"""The ledger: opening payments and moving them. Nothing else changes `Payment.state`.

A move is one conditional UPDATE plus its event plus the outbox row, in one transaction, so a
late answer can't overwrite a callback.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from integrations.events import publish
from integrations.logs import log_event
from integrations.metrics import payment_transitions
from integrations.models import AuditEntry, Finding, Payment, PaymentEvent, PaymentState
from integrations.payments.states import FINAL, REVISABLE, sources_of
from integrations.phone import mask_phone
from integrations.work import WorkState, schedule
from integrations.work.clock import later

logger = logging.getLogger(__name__)
QUEUE = "payments"
LATE_SUCCESS = "Paid after it was reported as not paid: check what was done with the order."
# States that listeners hear of.
TOLD = FINAL | {PaymentState.UNKNOWN, PaymentState.PENDING}
COUNTED_THERE = "This money is counted in payment {}, which has its receipt {} now."
# Called inside the transaction that makes a payment succeeded: (payment).
_when_paid: list[Callable[[Payment], None]] = []
# Called inside the transaction of a merge: (the merged payment, the one that counts).
_when_merged: list[Callable[[Payment, Payment], None]] = []


def when_paid(listener: Callable[[Payment], None]) -> None:
    """Have every payment that succeeds given to `listener`, in the transaction of the move."""
    if listener not in _when_paid:
        _when_paid.append(listener)


def when_merged(listener: Callable[[Payment, Payment], None]) -> None:
    """Have every merge told to `listener`, in its transaction: (merged, the one that counts)."""
    if listener not in _when_merged:
        _when_merged.append(listener)


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
    sources = sources_of(target, payment.product)
    if only_from:
        sources &= {only_from}
    values = {**(changes or {}), "state": target, "updated_at": timezone.now()}
    if not claim:
        values.update(_next_look(target, due_in))
    if target in FINAL:
        values["completed_at"] = timezone.now()
    with transaction.atomic():
        _reread_locked(payment)
        before = payment.state
        if before not in sources or (claim and payment.claim_token != claim):
            return False
        is_late = target == PaymentState.SUCCEEDED and before in REVISABLE
        if is_late:
            values["attention"] = LATE_SUCCESS
            _warn(payment, "late_success", from_state=before)
        rows = Payment.objects.filter(pk=payment.pk, state=before)
        if claim:
            rows = rows.filter(claim_token=claim)
        if not rows.update(**values):
            payment.refresh_from_db()
            return False
        _take_over(payment, values)
        note(payment, kind, text, data=data, from_state=before, to_state=target)
        count_move(payment, before, target)
        if target in TOLD:
            publish(
                f"payment.{target}",
                describe(payment, previous=before, is_late=is_late),
                payment.business,
            )
        if target == PaymentState.SUCCEEDED:
            _tell_paid(payment)
    return True


def _tell_paid(payment: Payment) -> None:
    for listener in _when_paid:
        listener(payment)
    if payment.original is not None:
        _tell_reversed(payment.original, payment)


def receive(values: dict[str, Any], *, kind: str, text: str, data: dict[str, Any]) -> Payment:
    """Store a payment that the provider says was made, without our asking: succeeded at once.

    In the caller's transaction, or one of its own. Raises IntegrityError where its receipt is
    another payment's.
    """
    with transaction.atomic():
        payment = Payment.objects.create(
            **values,
            state=PaymentState.SUCCEEDED,
            completed_at=timezone.now(),
            next_attempt_at=None,
            work_state=WorkState.IDLE,
        )
        note(payment, kind, text, data=data, to_state=payment.state)
        count_move(payment, "", payment.state)
        publish("payment.succeeded", describe(payment), payment.business)
        _tell_paid(payment)
    return payment


def merge(
    source: Payment, target: Payment, *, text: str, changes: dict[str, Any] | None = None
) -> bool:
    """Make two payments that are the same money one: `target` counts, `source` is merged.

    The receipt is handed over, `target` succeeds if it has not yet (with `changes` as further
    columns), whatever was allotted or reversed follows. One transaction; False, and nothing is
    changed, where either may not move so. Events: `payment.merged`, then what `target` did.
    """
    with transaction.atomic():
        # A reversal before what it reverses: so does whoever settles one.
        reversals = Payment.objects.select_for_update(no_key=True).filter(original=source)
        list(reversals.order_by("pk").values_list("pk", flat=True))
        _reread_locked(target)
        _reread_locked(source)
        if not _may_merge(source, target):
            return False
        receipt = source.receipt
        transition(
            source,
            PaymentState.MERGED,
            kind="merged",
            text=text,
            data={"merged_into": str(target.public_id), "receipt": receipt},
            changes={
                "receipt": None,
                "merged_into": target,
                "message": COUNTED_THERE.format(target.public_id, receipt),
            },
        )
        Payment.objects.filter(original=source).update(original=target)
        _take_receipt(target, source, text, {**(changes or {}), "receipt": receipt})
        for listener in _when_merged:
            listener(source, target)
    return True


def _may_merge(source: Payment, target: Payment) -> bool:
    if source.pk == target.pk or source.state not in sources_of(
        PaymentState.MERGED, source.product
    ):
        return False
    same = ("provider", "environment", "amount", "currency", "direction")
    if any(getattr(source, name) != getattr(target, name) for name in same):
        return False
    if target.state == PaymentState.SUCCEEDED:
        return target.receipt is None
    return target.state in sources_of(PaymentState.SUCCEEDED, target.product)


def _take_receipt(target: Payment, source: Payment, text: str, changes: dict[str, Any]) -> None:
    values = {name: getattr(source, name) for name in ("paid_at", "party", "party_name")}
    values = {name: value for name, value in values.items() if not getattr(target, name)} | changes
    data = {"merged_from": str(source.public_id), "receipt": changes["receipt"]}
    kind = "merged_from"
    if not transition(
        target, PaymentState.SUCCEEDED, kind=kind, text=text, data=data, changes=values
    ):
        Payment.objects.filter(pk=target.pk).update(**values)
        target.refresh_from_db()
        note(target, kind, text, data=data)
        tell_receipt(target)


def tell_receipt(payment: Payment) -> None:
    """Publish that a payment which had succeeded got its receipt."""
    publish("payment.receipt", describe(payment), payment.business)


def _tell_reversed(original: Payment, reversal: Payment) -> None:
    """Money of a payment went back: its history and its listeners hear of that."""
    text = f"{reversal.currency} {reversal.amount:,.2f} went back, receipt {reversal.receipt}."
    note(original, "reversed", text, data={"reversal": str(reversal.public_id)})
    payload = {
        **describe(original),
        "reversal_id": str(reversal.public_id),
        "reversed_amount": f"{original.reversed_amount:.2f}",
        "net_amount": f"{original.net_amount:.2f}",
    }
    publish("payment.reversed", payload, original.business)


def attach_receipt(payment: Payment, receipt: str, changes: dict[str, Any]) -> bool:
    """Give a paid payment the receipt that it lacked; False where it has one. It is reread."""
    rows = Payment.objects.filter(pk=payment.pk, receipt=None)
    is_new = bool(rows.update(**{**changes, "receipt": receipt}))
    payment.refresh_from_db()
    if is_new:
        note(payment, "receipt", f"Receipt {receipt}.", data={"receipt": receipt})
        tell_receipt(payment)
    return is_new


def count_move(payment: Payment, before: str, target: str) -> None:
    """Count a move, once it is committed; a new payment comes from ""."""
    count = partial(payment_transitions.add, payment.provider, str(before), str(target))
    transaction.on_commit(count, robust=True)


def _reread_locked(payment: Payment) -> None:
    """As the row stands, locked where the database can (SQLite has one writer anyway).

    Here as everywhere by `no_key`: a row that only names the payment doesn't wait for it, or who
    stores one while holding something else could wait for somebody who waits for that.
    """
    payment.refresh_from_db(from_queryset=Payment.objects.select_for_update(no_key=True))


def _take_over(payment: Payment, values: dict[str, Any]) -> None:
    """What was just written to the locked row; what the database worked out is read when needed."""
    for name, value in values.items():
        if hasattr(value, "resolve_expression"):
            payment.__dict__.pop(name, None)
        else:
            setattr(payment, name, value)


def _next_look(target: PaymentState, due_in: float | None) -> dict[str, Any]:
    values: dict[str, Any] = {"claim_token": "", "lease_until": None, "work_error": ""}
    if target in FINAL or due_in is None:
        return {**values, "next_attempt_at": None, "work_state": WorkState.IDLE}
    return {**values, "next_attempt_at": later(due_in), "work_state": WorkState.DUE}


def begin_sending(payment: Payment, *, text: str, changes: dict[str, Any], claim: str) -> bool:
    """Move a claimed `created` payment to `sending`, committed before the socket opens."""
    with transaction.atomic(durable=True):
        return transition(
            payment,
            PaymentState.SENDING,
            kind="sending",
            text=text,
            changes={**changes, "sent_at": Now()},
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
    _warn(payment, "needs_attention", reason=reason)


def _warn(payment: Payment, event: str, **fields: object) -> None:
    log_event(logger, logging.WARNING, event, payment=payment.public_id, **fields)


def settle_attention(payment: Payment, text: str, *, seen: str, finding: Finding) -> bool:
    """Take the payment off the work list of people, with what they found; False if it is not there.

    `seen` is the reason that they saw: another one that came meanwhile stays. `finding` decides
    whether the payer may be charged again; the state stays what the provider said. Audited, and
    part of the payment's history. `payment` is reread.
    """
    with transaction.atomic():
        rows = Payment.objects.filter(pk=payment.pk, attention=seen).exclude(attention="")
        is_done = bool(rows.update(attention="", finding=finding, updated_at=timezone.now()))
        if is_done:
            note(payment, "attention_done", text, data={"reason": seen, "finding": finding})
            AuditEntry.objects.record(
                "payment.attention_done", target=payment, business=payment.business,
                fields=["attention", "finding"], detail=text,
            )  # fmt: skip
    payment.refresh_from_db()
    return is_done


def look_again(payment: Payment, *, delay_seconds: float = 0.0) -> None:
    """Have the payment looked at again, unless a worker has it in hand right now.

    Final states that a late success may still change count too; paid ones don't.
    """
    if payment.state not in FINAL or payment.state in REVISABLE:
        schedule(Payment.objects.filter(pk=payment.pk), delay_seconds=delay_seconds)


def describe(payment: Payment, *, previous: str = "", is_late: bool = False) -> dict[str, Any]:
    """The payment as events tell it; the phone is masked, listeners can load the row."""
    merged = payment.merged_into
    return {
        "payment_id": str(payment.public_id),
        "provider": payment.provider,
        "product": payment.product,
        "direction": payment.direction,
        "environment": payment.environment,
        "state": str(payment.state),
        "previous_state": str(previous),
        "late": is_late,
        "amount": f"{payment.amount:.2f}",
        "currency": payment.currency,
        "phone": mask_phone(payment.phone),
        "account_reference": payment.account_reference,
        "original_id": str(payment.original.public_id) if payment.original is not None else "",
        "originator_id": payment.originator_id or "",
        "conversation_id": payment.conversation_id,
        "receipt": payment.receipt or "",
        "result_code": payment.result_code,
        "message": payment.message,
        **({"merged_into": str(merged.public_id)} if merged else {}),
    }
