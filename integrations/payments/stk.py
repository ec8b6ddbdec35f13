"""An STK push from checked input to a settled ledger row: write first, call second."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from integrations.config import Snapshot, get_snapshot
from integrations.models import Payment, Product
from integrations.payments import ledger, limits, opening, sending
from integrations.payments.accounts import account_text
from integrations.payments.opening import PROVIDER, Wish, sending_config_of
from integrations.providers.mpesa.client import DarajaClient, StkAck
from integrations.providers.mpesa.payloads import (
    StkPush,
    check_stk_push,
)
from integrations.work import ring

CALLBACK_ROUTE = "stk"
# Columns that a repeated idempotency key must agree in, and their names for people.
SAME = (
    ("product", "product"),
    ("amount", "amount"),
    ("phone", "phone"),
    ("account_reference", "account reference"),
    ("party_b", "receiving number"),
    ("transaction_type", "transaction type"),
    ("short_code", "short code"),
)


@dataclass(frozen=True, slots=True)
class PushRequest:
    """One push as the caller asked for it."""

    phone: object
    amount: object
    account_reference: object
    description: object
    business: str = ""
    transaction_type: str | None = None
    idempotency_key: str | None = None
    # Which of the business's accounts is paid; "" is the main one.
    short_code: str = ""
    # Chosen before the insert, so that a row whose commit was not acknowledged can be found.
    public_id: uuid.UUID = field(default_factory=uuid.uuid4)


def open_payment(request: PushRequest, *, sending: bool) -> tuple[Payment, str, bool]:
    """Check the request and store its payment; answers and raises as `opening.open_row`.

    Raises ConfigurationError too.
    """
    config = get_snapshot(PROVIDER, request.business, account_text(request.short_code))
    push = check_stk_push(
        config,
        phone=request.phone,
        amount=request.amount,
        description=request.description,
        account_reference=request.account_reference,
        transaction_type=request.transaction_type,
    )
    config.require_usable()
    config.as_dict()  # every secret opens, or DecryptionError says which one does not
    callback_url(config, "0" * 32)  # refused now rather than after the row is written
    key = opening.check_key(request.idempotency_key)
    wish = Wish(
        values=_columns(config, push, key) | {"public_id": request.public_id},
        same=SAME,
        text=f"KES {push.amount:,} from {push.phone}.",
        audit="payment.pushed",
        also=partial(limits.reserve, config),
    )
    return opening.open_row(wish, sending=sending)


def _columns(config: Snapshot, push: StkPush, key: str | None) -> dict[str, Any]:
    return {
        "provider": PROVIDER,
        "product": Product.STK_PUSH,
        "business": config.business,
        "environment": config.environment,
        "amount": push.amount,
        "phone": push.phone,
        "account_reference": push.account_reference,
        "description": push.description,
        "transaction_type": push.transaction_type,
        "short_code": push.short_code,
        "party_b": push.party_b,
        "idempotency_key": key,
    }


def callback_url(config: Snapshot, token: str) -> str:
    """The callback address of a push; raises ConfigurationError where M-Pesa would refuse it."""
    return opening.callback_url(config, token, route=CALLBACK_ROUTE)


def send(payment: Payment, token: str, *, deadline: float, may_wait: bool = False) -> None:
    """Send a push that is committed as `sending`, and move it by what came back.

    `deadline` is monotonic, counted from the claim; `may_wait` as in `sending.carry_out`.
    """

    def call() -> StkAck:
        config = sending_config_of(payment)
        return DarajaClient(config).stk_push(
            _push_of(payment),
            callback_url=callback_url(config, token),
            deadline=deadline,
            reference=str(payment.public_id),
        )

    def accept(ack: StkAck) -> None:
        ids = {"checkout_id": ack.checkout_id, "merchant_request_id": ack.merchant_request_id}
        sending.accept(payment, ids, text="The prompt is on its way.")

    sending.carry_out(payment, call, accept, may_wait=may_wait)


def _push_of(payment: Payment) -> StkPush:
    return StkPush(
        phone=payment.phone,
        amount=int(payment.amount),
        account_reference=payment.account_reference,
        description=payment.description,
        transaction_type=payment.transaction_type,
        short_code=payment.short_code,
        party_b=payment.party_b,
    )


def push_now(request: PushRequest) -> tuple[Payment, bool]:
    """Open a payment and send it in this thread: (payment, whether it is new).

    Raises what `open_payment` raises, and nothing after the row is committed: what happened
    then is in its state.
    """
    started = time.monotonic()
    payment, token, is_new = open_payment(request, sending=True)
    if is_new:
        deadline = sending.sending_deadline(started)
        sending.send_guarded(payment, lambda: send(payment, token, deadline=deadline))
    return payment, is_new


def push_later(request: PushRequest) -> tuple[Payment, bool]:
    """Store a payment with the caller's transaction; a worker sends it after the commit."""
    payment, _token, is_new = open_payment(request, sending=False)
    if is_new:
        ring(ledger.QUEUE)
    return payment, is_new
