"""Payouts to phones (B2C), from checked input to what M-Pesa acknowledged.

Source: Daraja reference, sections 9 and 20. With v3 the OriginatorConversationID is ours, chosen
before the row is written: M-Pesa takes it once, and answers questions by it. With v1 the id comes
with the acknowledgement, so a payout without one can't be asked about.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from integrations.approvals import Kind
from integrations.config import Snapshot, get_snapshot
from integrations.exceptions import (
    ConfigurationError,
    IntegrationError,
    InvalidInput,
    OutcomeUnknown,
    ProviderError,
)
from integrations.models import BatchState, Direction, Finding, Payment, Product
from integrations.payments import ledger, money_out, opening, sending
from integrations.payments.accounts import account_text
from integrations.payments.course import Hold
from integrations.payments.initiator import HELD, initiator_is_held
from integrations.payments.limits import reserve
from integrations.payments.opening import PROVIDER, Wish, sending_config_of
from integrations.payments.query_sender import result_urls
from integrations.payments.states import REVISABLE, is_retry_safe
from integrations.providers.mpesa.client import Ack, DarajaClient
from integrations.providers.mpesa.payloads import (
    Payout,
    PayoutCommand,
    b2c_version,
    check_payout,
    new_originator_id,
)
from integrations.work import ring

KIND = "payout"
PERMISSION = "payout_payment"
REMARKS = "Payout"
REFERENCE_LENGTH = 64
# Columns that a repeated idempotency key must agree in, and their names for people.
SAME = (
    ("product", "product"),
    ("amount", "amount"),
    ("phone", "phone"),
    ("account_reference", "reference"),
    ("transaction_type", "command"),
    ("short_code", "short code"),
    ("description", "remarks"),
    ("occasion", "occasion"),
)
# An event of this kind says that M-Pesa proved not to have the payout: it may be sent again.
NOT_ARRIVED = "not_arrived"
# Seconds after an acknowledgement without a result until M-Pesa is asked.
RESULT_PATIENCE = 120.0
HOLD_PAUSE = 60.0
SETTLED = "A person found out meanwhile what became of it, so it was not sent."
PAID_BEFORE = "What it pays again was paid after all, or may have been, so it was not sent."
DISPUTED_BEFORE = "What it pays again waits for a person: it may have been paid."


@dataclass(frozen=True, slots=True)
class PayoutRequest:
    """One payout as the caller asked for it.

    `is_approved` is for what a second person has approved already as part of something larger.
    """

    phone: object
    amount: object
    reference: object
    command: object = PayoutCommand.BUSINESS.value
    remarks: object = REMARKS
    occasion: object = ""
    business: str = ""
    short_code: str = ""
    idempotency_key: str | None = None
    requested_by: Any = None
    is_approved: bool = False
    # Chosen before the insert, so that a row whose commit was not acknowledged can be found.
    public_id: uuid.UUID = field(default_factory=uuid.uuid4)


def open_payment(request: PayoutRequest, *, sending: bool) -> tuple[Payment, str, bool]:
    """Check the request and store its payment; answers and raises as `opening.open_row`.

    One that needs approval is stored to wait for it, whatever `sending` says. Raises
    IntegrationError (`not_permitted`, `initiator_held`) and ConfigurationError too.
    """
    money_out.require_permission(request.requested_by, PERMISSION, request.business)
    config = get_snapshot(PROVIDER, request.business, account_text(request.short_code))
    payout = check_payout(
        config,
        phone=request.phone,
        amount=request.amount,
        command=request.command,
        remarks=request.remarks,
        occasion=request.occasion,
    )
    reference = check_reference(request.reference)
    config.require_usable()
    config.as_dict()  # every secret opens, or DecryptionError says which one does not
    money_out.require_initiator(config)
    waits = not request.is_approved and money_out.needs_approval(config, payout.amount)
    sends_now = sending and not waits
    if sends_now and initiator_is_held(config):
        raise IntegrationError(HELD, code="initiator_held")
    values = columns_of(config, payout, reference, opening.check_key(request.idempotency_key))
    values |= {"public_id": request.public_id, **(money_out.WAITING if waits else {})}

    def also(payment: Payment) -> None:
        reserve(config, payment)
        if waits:
            summary = money_out.summary_of(payment, "Pay")
            money_out.ask_for_approval(payment, KIND, summary, request.requested_by)

    text = f"KES {payout.amount:,} to {payout.phone}."
    wish = Wish(values=values, same=SAME, text=text, audit="payment.payout", also=also)
    return opening.open_row(wish, sending=sends_now)


def check_reference(value: object) -> str:
    """What a payout is for, as text; raises InvalidInput (reference)."""
    is_text = isinstance(value, str | int) and not isinstance(value, bool)
    text = str(value).strip() if is_text else ""
    if not text or not text.isprintable() or len(text) > REFERENCE_LENGTH:
        raise InvalidInput(
            "reference",
            f"must be text of 1 to {REFERENCE_LENGTH} printable characters: what it is for.",
            code="invalid_reference",
        )
    return text


def columns_of(config: Snapshot, payout: Payout, reference: str, key: str | None) -> dict[str, Any]:
    """The columns of a checked payout's row."""
    return {
        "provider": PROVIDER,
        "product": Product.B2C,
        "direction": Direction.OUT,
        "business": config.business,
        "environment": config.environment,
        "amount": payout.amount,
        "phone": payout.phone,
        "account_reference": reference,
        "description": payout.remarks,
        "occasion": payout.occasion,
        "transaction_type": payout.command,
        "short_code": payout.short_code,
        "party_b": payout.phone,
        "originator_id": payout.originator_id if has_own_id(config) else None,
        "idempotency_key": key,
    }


def has_own_id(config: Snapshot) -> bool:
    """Whether the version that the row names takes an id of ours: v3 does, v1 does not."""
    return b2c_version(config) == "v3"


def prepare(payment: Payment) -> dict[str, Any]:
    """What a queued payout still needs; see `Course.prepare`.

    The id follows the version that is used now, and is committed with `sending`: a row that has
    one was sent with it.
    """
    money_out.require_approved(payment)
    _require_running(payment)
    _require_owed(payment)
    config = sending_config_of(payment)
    if initiator_is_held(config):
        raise Hold(HELD, seconds=HOLD_PAUSE)
    if has_own_id(config):
        return {"originator_id": payment.originator_id or new_originator_id()}
    if payment.events.filter(kind=NOT_ARRIVED).exists():
        # Only under its first id is it certain that M-Pesa pays it once.
        raise ConfigurationError(
            "It never arrived, and it can't be sent again with v1 of the payout product.",
            code="version_changed",
        )
    return {"originator_id": None}


def _require_running(payment: Payment) -> None:
    """Raise Hold for a payout whose file does not go out now (it was paused, or is cancelled)."""
    batch = payment.batch
    if batch is not None and batch.state != BatchState.RUNNING:
        raise Hold(f"Its payout file is {batch.get_state_display().lower()}.", seconds=HOLD_PAUSE)


def _require_owed(payment: Payment) -> None:
    """Raise IntegrationError for what was settled by hand, or pays again what was paid after all.

    What it pays again may be disputed right now: then Hold, until that is decided.
    """
    if payment.finding:
        raise IntegrationError(SETTLED, code="settled_by_hand")
    attempt = payment
    while attempt.retry_of is not None:
        for other in (attempt.retry_of, *attempt.retry_of.retries.exclude(pk=attempt.pk)):
            if other.state not in REVISABLE or other.finding == Finding.PAID:
                raise IntegrationError(PAID_BEFORE, code="paid_before")
            if not is_retry_safe(other):
                raise Hold(DISPUTED_BEFORE, seconds=HOLD_PAUSE)
        attempt = attempt.retry_of


def send(payment: Payment, token: str, *, deadline: float, may_wait: bool = False) -> None:
    """Send a payout that is committed as `sending`, and move it by what came back.

    `deadline` is monotonic, counted from the claim; `may_wait` as in `sending.carry_out`.
    """
    call = partial(_call, payment, token, deadline)
    sending.carry_out(payment, call, partial(_accept, payment), may_wait=may_wait)


def _call(payment: Payment, token: str, deadline: float) -> Ack:
    config = sending_config_of(payment)
    if has_own_id(config) != bool(payment.originator_id):
        # The row says by which id it can be asked about: never send it otherwise.
        raise ConfigurationError(
            "The version of the payout product was changed meanwhile.", code="version_changed"
        )
    result_url, timeout_url = result_urls(config, token)
    try:
        return DarajaClient(config).b2c(
            _payout_of(payment),
            result_url=result_url,
            timeout_url=timeout_url,
            deadline=deadline,
            reference=str(payment.public_id),
        )
    except ProviderError as error:
        if error.permanent or not payment.originator_id:
            raise
        # "Not now": asking under our id makes sure, and then it is sent again by itself.
        raise OutcomeUnknown(error.message, code=error.code) from None


def _payout_of(payment: Payment) -> Payout:
    return Payout(
        phone=payment.phone,
        amount=int(payment.amount),
        command=payment.transaction_type,
        remarks=payment.description,
        short_code=payment.short_code,
        occasion=payment.occasion,
        originator_id=payment.originator_id or "",
    )


def _accept(payment: Payment, ack: Ack) -> None:
    ids = {"conversation_id": ack.conversation_id}
    if not payment.originator_id:
        ids["originator_id"] = ack.originator_id
    sending.accept(payment, ids, text="M-Pesa took the payout.", due_in=RESULT_PATIENCE)
    if payment.originator_id and ack.originator_id != payment.originator_id:
        ledger.flag(payment, f"M-Pesa took it under another id: {ack.originator_id}.")


def pay_now(request: PayoutRequest) -> tuple[Payment, bool]:
    """Open a payout and, unless it waits for approval, send it in this thread.

    Answers (payment, whether it is new). Raises what `open_payment` raises, and nothing after
    the row is committed: what happened then is in its state.
    """
    started = time.monotonic()
    payment, token, is_new = open_payment(request, sending=True)
    if is_new and payment.callback_digest:
        deadline = sending.sending_deadline(started)
        sending.send_guarded(payment, lambda: send(payment, token, deadline=deadline))
    return payment, is_new


def pay_later(request: PayoutRequest) -> tuple[Payment, bool]:
    """Store a payout with the caller's transaction; a worker sends it after the commit.

    One that needs approval waits for it first.
    """
    payment, _token, is_new = open_payment(request, sending=False)
    if is_new:
        ring(ledger.QUEUE)
    return payment, is_new


def describe(payment: Payment) -> dict[str, str]:
    """What the approver of a payout sees."""
    return {**money_out.facts(payment), "Purpose": payment.transaction_type}


APPROVAL = Kind(
    name=KIND,
    label="Payout",
    permission="integrations.approve_payout",
    on_approved=money_out.release,
    on_rejected=money_out.call_off,
    describe=describe,
)
