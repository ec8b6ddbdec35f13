"""An STK push from checked input to a settled ledger row: write first, call second."""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from django.db import Error as DatabaseError
from django.db import IntegrityError, connection, transaction
from django.urls import reverse
from django.utils import timezone

from integrations.callback_address import check_callback_base, check_callback_words
from integrations.conf import hub_settings
from integrations.config import Snapshot, get_snapshot
from integrations.exceptions import (
    ConfigurationError,
    IntegrationError,
    InvalidInput,
    OutcomeUnknown,
    ProviderError,
    TransportError,
)
from integrations.models import Payment, PaymentState
from integrations.payments import ledger
from integrations.providers.mpesa.client import DarajaClient
from integrations.providers.mpesa.payloads import (
    StkPush,
    check_stk_push,
)
from integrations.work import lease_expressions, ring

logger = logging.getLogger(__name__)
PROVIDER = "mpesa"
PRODUCT = "stk_push"
CALLBACK_ROUTE = "stk"
# Seconds from acceptance to the first query (Daraja reference, section 5).
FIRST_LOOK = 15.0
# Waits between tries to store an acceptance: without its id a payment can't be asked about.
STORE_PAUSES = (0.1, 0.4)
# Columns that a repeated idempotency key must agree in, and their names for people.
SAME = (
    ("product", "product"),
    ("amount", "amount"),
    ("phone", "phone"),
    ("account_reference", "account reference"),
    ("party_b", "receiving number"),
    ("transaction_type", "transaction type"),
)
IN_DOUBT = "The outcome is not known yet. Don't send it again: it is being asked about."


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
    # Chosen before the insert, so that a row whose commit was not acknowledged can be found.
    public_id: uuid.UUID = field(default_factory=uuid.uuid4)


def digest_of(token: str) -> str:
    """What is stored of a callback path's secret."""
    return hashlib.sha256(token.encode()).hexdigest()


def open_payment(request: PushRequest, *, sending: bool) -> tuple[Payment, str, bool]:
    """Check the request and store its payment: (payment, callback token, whether it is new).

    With `sending` the row is born claimed by the caller, in a transaction of its own that is
    really committed; otherwise it joins the caller's transaction and a worker sends it.
    Raises InvalidInput, ConfigurationError, and RuntimeError where `sending` is asked for
    inside an open transaction.
    """
    config = get_snapshot(PROVIDER, request.business)
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
    key = _check_key(request.idempotency_key)
    token = secrets.token_hex(16)
    values = _columns(config, push, key) | {"public_id": request.public_id}
    if sending:
        values.update(
            state=PaymentState.SENDING,
            sent_at=timezone.now(),
            callback_digest=digest_of(token),
            **lease_expressions(hub_settings.lease_seconds),
        )
    try:
        with transaction.atomic(durable=sending):
            payment = Payment.objects.create(**values)
            ledger.note(
                payment,
                "created",
                f"KES {push.amount:,} from {payment.phone}.",
                to_state=payment.state,
            )
    except IntegrityError:
        return _existing(values, key), "", False
    return payment, token, True


def _columns(config: Snapshot, push: StkPush, key: str | None) -> dict[str, Any]:
    return {
        "provider": PROVIDER,
        "product": PRODUCT,
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


def _check_key(key: str | None) -> str | None:
    if key is None:
        return None
    if not isinstance(key, str) or not key.strip() or len(key) > 128 or not key.isprintable():
        raise InvalidInput("idempotency_key", "must be text of 1 to 128 printable characters.")
    return key


def config_of(payment: Payment) -> Snapshot:
    """The settings by which a stored payment is sent or asked about.

    Raises ConfigurationError where they now speak for the other environment.
    """
    config = get_snapshot(payment.provider, payment.business)
    if config.environment != payment.environment:
        raise ConfigurationError(
            f"The payment belongs to the {payment.environment} environment, and the settings "
            f"are now those of {config.environment}.",
            code="environment_changed",
        )
    return config


def _existing(values: dict[str, Any], key: str | None) -> Payment:
    """The payment that already has this idempotency key; refuses a different request."""
    found = Payment.objects.filter(
        business=values["business"], environment=values["environment"], idempotency_key=key
    ).first()
    if key is None or found is None:
        raise IntegrationError("The payment could not be stored.", code="not_stored")
    changed = [name for column, name in SAME if getattr(found, column) != values[column]]
    if changed:
        raise InvalidInput(
            "idempotency_key",
            f"was already used for a payment with another {changed[0]}.",
            code="idempotency_mismatch",
            payment_id=str(found.public_id),
        )
    return found


def callback_url(config: Snapshot, token: str) -> str:
    """The per-payment callback address; raises ConfigurationError where M-Pesa would refuse it."""
    base = str(config.values["callback_base_url"] or hub_settings.public_base_url)
    path = reverse("integrations:callback", args=[CALLBACK_ROUTE, token])
    url = check_callback_base(base, config.environment) + path
    check_callback_words(url)
    return url


def send(payment: Payment, token: str, *, deadline: float, may_wait: bool = False) -> None:
    """Send a payment that is committed as `sending`, and move it by what came back.

    `deadline` is monotonic, counted from the claim. With `may_wait`, a payment that provably
    did not leave becomes `created` again, still claimed, for another try. Raises nothing of the
    provider's: every outcome is a state of the payment.
    """
    try:
        config = config_of(payment)
        config.require_usable()
        push = _push_of(payment)
        ack = DarajaClient(config).stk_push(
            push,
            callback_url=callback_url(config, token),
            deadline=deadline,
            reference=str(payment.public_id),
        )
    except ProviderError as error:
        fail(payment, error.message, code=error.code, retry_safe=True)
    except TransportError as error:
        if error.sent:
            doubt(payment, error.message, code=error.code)
        elif not (may_wait and error.code != "blocked_address" and _take_back(payment, error)):
            fail(payment, error.message, code=error.code, retry_safe=True)
    except OutcomeUnknown as error:
        doubt(payment, error.message, code=error.code)
    except IntegrationError as error:
        fail(payment, error.message, code=error.code, retry_safe=True)
    else:
        _store_acceptance(payment, ack.checkout_id, ack.merchant_request_id)


def _take_back(payment: Payment, error: TransportError) -> bool:
    """Make an unsent payment `created` again; False where the claim is no longer ours."""
    return ledger.transition(
        payment,
        PaymentState.CREATED,
        kind="not_sent",
        text=f"{error.message} Nothing was sent; it is tried again.",
        data={"code": error.code},
        changes={"callback_digest": None, "sent_at": None},
        only_from=PaymentState.SENDING,
        claim=payment.claim_token,
    )


def _store_acceptance(payment: Payment, checkout_id: str, merchant_request_id: str) -> None:
    for pause in (*STORE_PAUSES, None):
        try:
            _accept(payment, checkout_id, merchant_request_id)
            return
        except DatabaseError:
            if pause is None:
                logger.error(
                    "payment=%s accepted_not_stored checkout_id=%s", payment.public_id, checkout_id
                )
                raise
        time.sleep(pause)
        connection.close_if_unusable_or_obsolete()


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


def _accept(payment: Payment, checkout_id: str, merchant_request_id: str) -> None:
    changes = {"checkout_id": checkout_id, "merchant_request_id": merchant_request_id}
    moved = ledger.transition(
        payment,
        PaymentState.PENDING,
        kind="accepted",
        text="The prompt is on its way.",
        data={"checkout_id": checkout_id},
        changes=changes,
        due_in=FIRST_LOOK,
    )
    if not moved:
        # The callback was faster than this answer: keep what it settled, note the ids.
        Payment.objects.filter(pk=payment.pk, checkout_id=None).update(**changes)
        ledger.note(payment, "accepted_late", "The answer came after the result.")
        payment.refresh_from_db()
        if payment.checkout_id != checkout_id:
            ledger.flag(payment, f"The callback and M-Pesa's answer ({checkout_id}) differ.")


def fail(
    payment: Payment,
    text: str,
    *,
    code: str,
    retry_safe: bool,
    only_from: PaymentState | None = None,
) -> None:
    """Nothing was created at the provider: the payment failed."""
    ledger.transition(
        payment,
        PaymentState.FAILED,
        kind="refused",
        text=text,
        data={"code": code, "retry_safe": retry_safe},
        changes={"result_code": code[:40], "message": text[:300]},
        only_from=only_from,
    )
    payment.refresh_from_db()


def doubt(payment: Payment, text: str, *, code: str) -> None:
    """The request may have been carried out: unknown until asked, never sent again."""
    ledger.transition(
        payment,
        PaymentState.UNKNOWN,
        kind="no_answer",
        text=text,
        data={"code": code},
        changes={"message": IN_DOUBT},
        due_in=FIRST_LOOK,
    )
    payment.refresh_from_db()


def sending_deadline(started: float) -> float:
    """The monotonic instant after which a push claimed at `started` must not be sent."""
    return started + hub_settings.deadline_seconds


def push_now(request: PushRequest) -> tuple[Payment, bool]:
    """Open a payment and send it in this thread: (payment, whether it is new).

    Raises what `open_payment` raises, and nothing after the row is committed: what happened
    then is in its state.
    """
    started = time.monotonic()
    payment, token, is_new = open_payment(request, sending=True)
    if not is_new:
        return payment, False
    try:
        send(payment, token, deadline=sending_deadline(started))
    except Exception:
        # The prompt may be out. The caller hears that; the row follows when its lease ends.
        logger.exception("payment=%s sending_broke", payment.public_id)
        payment.state, payment.message = PaymentState.UNKNOWN, IN_DOUBT
    return payment, True


def push_later(request: PushRequest) -> tuple[Payment, bool]:
    """Store a payment with the caller's transaction; a worker sends it after the commit."""
    payment, _token, is_new = open_payment(request, sending=False)
    if is_new:
        ring(ledger.QUEUE)
    return payment, is_new
