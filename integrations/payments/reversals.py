"""Reversals: the money of a payment goes back to its payer, all of it or a part.

Source: Daraja reference, section 13. No id of ours goes with the request: where its
acknowledgement is lost, only the result tells, which comes to an address of its own.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

from django.db.models import Q, QuerySet, Sum

from integrations.approvals import Kind
from integrations.config import Snapshot, get_snapshot
from integrations.exceptions import IntegrationError, InvalidInput
from integrations.models import Direction, Finding, Payment, PaymentState, Product
from integrations.payments import money_out, opening, sending
from integrations.payments.course import Hold
from integrations.payments.initiator import HELD, initiator_is_held
from integrations.payments.opening import PROVIDER, Wish, sending_config_of
from integrations.payments.payouts import HOLD_PAUSE, RESULT_PATIENCE
from integrations.payments.query_sender import result_urls
from integrations.payments.states import REVISABLE
from integrations.providers.mpesa.client import Ack, DarajaClient
from integrations.providers.mpesa.payloads import Reversal, check_receipt, check_reversal

KIND = "reversal"
PERMISSION = "reverse_payment"
COMMAND = "TransactionReversal"
REVERSIBLE = (Product.STK_PUSH, Product.C2B)
SAME = (
    ("product", "product"),
    ("original_id", "original payment"),
    ("amount", "amount"),
    ("description", "remarks"),
)
# Reversals that give nothing back for certain: they ended so, and nobody says otherwise; or
# people found that an open one did not happen.
_VOID = Q(attention="") & (
    (Q(state__in=REVISABLE) & ~Q(finding=Finding.PAID))
    | Q(state=PaymentState.UNKNOWN, finding=Finding.NOT_PAID)
)


@dataclass(frozen=True, slots=True)
class ReversalRequest:
    """One reversal as the caller asked for it; `amount` None is all that is left.

    `payment` is a payment of the ledger, its id, or its receipt.
    """

    payment: object
    amount: object = None
    remarks: object = ""
    business: str = ""
    idempotency_key: str | None = None
    requested_by: Any = None
    is_approved: bool = False
    # Chosen before the insert, so that a row whose commit was not acknowledged can be found.
    public_id: uuid.UUID = field(default_factory=uuid.uuid4)


def reversals_of(original: Payment) -> QuerySet[Payment]:
    """Those that have given money back, or may have."""
    return Payment.objects.filter(original=original, product=Product.REVERSAL).exclude(_VOID)


def taken_of(original: Payment) -> Decimal:
    """KES that were given back, or may have been."""
    return reversals_of(original).aggregate(total=Sum("amount"))["total"] or Decimal(0)


def open_payment(request: ReversalRequest, *, sending: bool) -> tuple[Payment, str, bool]:
    """Check the request and store its reversal; answers and raises as `opening.open_row`.

    One that needs approval is stored to wait for it, whatever `sending` says. Raises
    IntegrationError (`not_permitted`, `initiator_held`) and ConfigurationError too.
    """
    original = find_original(request.payment, request.business)
    money_out.require_permission(request.requested_by, PERMISSION, original.business)
    config = sending_config_of(original)
    key = opening.check_key(request.idempotency_key)
    reversal = check_reversal(
        config,
        receipt=original.receipt,
        amount=_amount_of(request, original, key),
        remarks=request.remarks,
    )
    config.as_dict()  # every secret opens, or DecryptionError says which one does not
    money_out.require_initiator(config)
    # Parts of one payment count together, or many small ones would need nobody's approval.
    whole = reversal.amount + int(taken_of(original))
    waits = not request.is_approved and money_out.needs_approval(config, whole)
    sends_now = sending and not waits
    if sends_now and initiator_is_held(config):
        raise IntegrationError(HELD, code="initiator_held")
    values = _columns(config, original, reversal, key)
    values |= {"public_id": request.public_id, **(money_out.WAITING if waits else {})}

    def also(payment: Payment) -> None:
        _reserve(payment, original)
        if waits:
            summary = money_out.summary_of(payment, "Reverse")
            money_out.ask_for_approval(payment, KIND, summary, request.requested_by)

    wish = Wish(
        values=values,
        same=SAME,
        text=f"KES {reversal.amount:,} of receipt {reversal.receipt}.",
        audit="payment.reversal",
        also=also,
    )
    return opening.open_row(wish, sending=sends_now)


def find_original(wanted: object, business: str) -> Payment:
    """The payment to be reversed; raises InvalidInput where there is none, or it can't be."""
    found = wanted if isinstance(wanted, Payment) else _look_up(wanted, business)
    original = Payment.objects.filter(pk=found.pk).first() if found is not None else None
    if original is None or (business and original.business != business):
        raise InvalidInput(
            "payment",
            "the ledger knows no such payment. Only what it knows can be reversed here; "
            "anything else is reversed on M-Pesa's organisation portal.",
            code="unknown_payment",
        )
    reason = why_not(original)
    if reason:
        raise InvalidInput("payment", reason, code="not_reversible")
    return original


def _look_up(wanted: object, business: str) -> Payment | None:
    rows = Payment.objects.filter(provider=PROVIDER, business=business)
    try:
        return rows.filter(public_id=uuid.UUID(str(wanted))).first()
    except ValueError:
        receipt = check_receipt(wanted, "payment")
    # Sandbox and production may have the same receipt: the settings say which is meant.
    environment = get_snapshot(PROVIDER, business).environment
    return rows.filter(environment=environment, receipt=receipt).first()


def why_not(original: Payment) -> str:
    """Why a payment can't be reversed, in words; "" where it can."""
    if original.direction != Direction.IN or original.product not in REVERSIBLE:
        return "only money that came in can be reversed."
    if original.state == PaymentState.MERGED:
        return "it was merged into another payment: reverse that one."
    if original.state != PaymentState.SUCCEEDED:
        return f"it is not paid: {original.get_state_display().lower()}."
    if not original.receipt:
        return "its receipt is not known yet, and M-Pesa reverses by receipt."
    return ""


def _amount_of(request: ReversalRequest, original: Payment, key: str | None) -> object:
    """What was asked for; without an amount what is left, or what the same key took before."""
    if request.amount is not None:
        return request.amount
    if key is not None:
        earlier = Payment.objects.filter(
            business=original.business, environment=original.environment, idempotency_key=key
        ).first()
        if earlier is not None and earlier.original_id == original.pk:
            return earlier.amount
    left = original.amount - taken_of(original)
    if left <= 0:
        raise InvalidInput("amount", _over(original, Decimal(0)), code="amount_over_original")
    return left


def _reserve(payment: Payment, original: Payment) -> None:
    """Let no two reversals together give back more than came in.

    Called in the transaction that inserted `payment`: of two at once the second waits here for
    the end of the first one, and then sees it.
    """
    rows = Payment.objects.select_for_update(no_key=True).filter(pk=original.pk)
    locked = rows.get()
    reason = why_not(locked)
    if reason:
        raise InvalidInput("payment", reason, code="not_reversible")
    left = locked.amount - (taken_of(locked) - payment.amount)
    if payment.amount > left:
        raise InvalidInput("amount", _over(locked, left), code="amount_over_original")


def _over(original: Payment, left: Decimal) -> str:
    if left <= 0:
        return f"nothing is left: all of KES {original.amount:,.0f} was reversed, or may have been."
    return f"only KES {left:,.0f} of KES {original.amount:,.0f} are left to be reversed."


def _columns(
    config: Snapshot, original: Payment, reversal: Reversal, key: str | None
) -> dict[str, Any]:
    return {
        "provider": PROVIDER,
        "product": Product.REVERSAL,
        "direction": Direction.OUT,
        "business": original.business,
        "environment": config.environment,
        "amount": reversal.amount,
        "phone": original.phone,
        "party": original.party,
        "party_name": original.party_name,
        "account_reference": original.account_reference,
        "description": reversal.remarks,
        "transaction_type": COMMAND,
        "short_code": original.short_code,
        "original_id": original.pk,
        "idempotency_key": key,
    }


def prepare(payment: Payment) -> dict[str, Any]:
    """What a queued reversal still needs; see `Course.prepare`."""
    money_out.require_approved(payment)
    config = sending_config_of(payment)
    if initiator_is_held(config):
        raise Hold(HELD, seconds=HOLD_PAUSE)
    original = payment.original
    reason = why_not(original) if original is not None else "it names no payment."
    if original is None or reason:
        raise InvalidInput("payment", reason, code="not_reversible")
    # Another one that had failed may have succeeded while this one waited.
    left = original.amount - (taken_of(original) - payment.amount)
    if payment.amount > left:
        raise InvalidInput("amount", _over(original, left), code="amount_over_original")
    return {}


def send(payment: Payment, token: str, *, deadline: float, may_wait: bool = False) -> None:
    """Send a reversal that is committed as `sending`, and move it by what came back.

    `deadline` is monotonic, counted from the claim; `may_wait` as in `sending.carry_out`.
    """
    call = partial(_call, payment, token, deadline)
    sending.carry_out(payment, call, partial(_accept, payment), may_wait=may_wait)


def _call(payment: Payment, token: str, deadline: float) -> Ack:
    config = sending_config_of(payment)
    result_url, timeout_url = result_urls(config, token)
    original = payment.original
    reversal = Reversal(
        receipt=(original.receipt if original is not None else "") or "",
        amount=int(payment.amount),
        remarks=payment.description,
        short_code=payment.short_code,
    )
    return DarajaClient(config).reverse(
        reversal,
        result_url=result_url,
        timeout_url=timeout_url,
        deadline=deadline,
        reference=str(payment.public_id),
    )


def _accept(payment: Payment, ack: Ack) -> None:
    ids = {"conversation_id": ack.conversation_id, "originator_id": ack.originator_id}
    sending.accept(payment, ids, text="M-Pesa took the reversal.", due_in=RESULT_PATIENCE)


def reverse_now(request: ReversalRequest) -> tuple[Payment, bool]:
    """Open a reversal and, unless it waits for approval, send it in this thread.

    Answers (payment, whether it is new). Raises what `open_payment` raises, and nothing after
    the row is committed: what happened then is in its state.
    """
    started = time.monotonic()
    payment, token, is_new = open_payment(request, sending=True)
    if is_new and payment.callback_digest:
        deadline = sending.sending_deadline(started)
        sending.send_guarded(payment, lambda: send(payment, token, deadline=deadline))
    return payment, is_new


def describe(payment: Payment) -> dict[str, str]:
    """What the approver of a reversal sees."""
    original = payment.original
    told = money_out.facts(payment)
    if original is not None:
        told |= {"Receipt": original.receipt or "", "Payment": str(original.public_id)}
    return told


APPROVAL = Kind(
    name=KIND,
    label="Reversal",
    permission="integrations.approve_payout",
    on_approved=money_out.release,
    on_rejected=money_out.call_off,
    describe=describe,
)
