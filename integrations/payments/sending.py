"""Sending a payment that is committed as `sending`: every outcome becomes a state of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.db.models import Q

from integrations.conf import hub_settings
from integrations.exceptions import (
    ConfigurationUnavailable,
    IntegrationError,
    OutcomeUnknown,
    TransportError,
)
from integrations.models import Payment, PaymentState
from integrations.payments import ledger

logger = logging.getLogger(__name__)
Ack = TypeVar("Ack")
# Seconds from acceptance, or from a lost answer, to the first look (Daraja reference, section 5).
FIRST_LOOK = 15.0
# Seconds until a queued payment that could not leave is tried again.
RESEND_PAUSE = 10.0
# Waits between tries to store an acceptance: without its id a payment can't be asked about.
STORE_PAUSES = (0.1, 0.4)
OVERTAKEN = "It was given to another sender meanwhile."
IN_DOUBT = "The outcome is not known yet. Don't send it again: it is being asked about."


def sending_deadline(started: float) -> float:
    """The monotonic instant after which a payment claimed at `started` must not be sent."""
    return started + hub_settings.deadline_seconds


def carry_out(
    payment: Payment,
    call: Callable[[], Ack],
    accept: Callable[[Ack], None],
    *,
    may_wait: bool = False,
) -> None:
    """Make the call, and move the payment by what came back.

    With `may_wait`, a payment that provably did not leave becomes `created` again for another
    try. Raises nothing of the provider's.
    """
    sending = payment.callback_digest
    try:
        ack = call()
    except TransportError as error:
        if error.sent:
            doubt(payment, error.message, code=error.code)
        else:
            may_wait = may_wait and error.code != "blocked_address"
            _end_unsent(payment, error, sending, may_wait=may_wait)
    except OutcomeUnknown as error:
        doubt(payment, error.message, code=error.code)
    except ConfigurationUnavailable as error:
        # The database did not tell how to send it: that passes.
        _end_unsent(payment, error, sending, may_wait=may_wait)
    except IntegrationError as error:
        # Refused, or not even asked: nothing was created.
        _end_unsent(payment, error, sending, may_wait=False)
    else:
        _store(payment, accept, ack)


def send_guarded(payment: Payment, send: Callable[[], None]) -> None:
    """Send while the caller waits; whatever breaks is an outcome that is not known."""
    try:
        send()
    except Exception:
        # The request may be out. The caller hears that; the row follows when its lease ends.
        logger.exception("payment=%s sending_broke", payment.public_id)
        payment.state, payment.message = PaymentState.UNKNOWN, IN_DOUBT


def _end_unsent(
    payment: Payment, error: IntegrationError, sending: str | None, *, may_wait: bool
) -> None:
    """This sending created nothing: take the payment back, or let it fail.

    `sending` is the digest of the sending's own callback address. A row that has another one by
    now was given to somebody else after our claim had ended, and only they say what becomes of it.
    So it is where the row waits to be sent again, or the provider told of it meanwhile.
    """
    # Read anew below, but never to act under the claim of whoever came after us.
    claim = payment.claim_token
    with transaction.atomic():
        row = Payment.objects.select_for_update(no_key=True).get(pk=payment.pk)
        is_ours = row.callback_digest == sending and not _is_told_of(row)
        if is_ours and may_wait and _take_back(payment, error):
            return
        if is_ours and row.state != PaymentState.CREATED:
            fail(payment, error.message, code=error.code)
            return
        ledger.note(payment, "not_sent_late", f"{error.message} {OVERTAKEN}")
        payment.refresh_from_db()
        payment.claim_token = claim


def _is_told_of(row: Payment) -> bool:
    """Whether the provider has answered of a payment whose sender is not heard of any more."""
    return row.state == PaymentState.UNKNOWN and bool(row.conversation_id or row.result_code)


def _take_back(payment: Payment, error: IntegrationError) -> bool:
    """Make an unsent payment `created` again, with its claim where that is still ours.

    Where the claim has ended it counts as sent, with an outcome that nobody knows: only its
    sender knows better. False where the table has no way back.
    """

    def put_back(claim: str, due_in: float | None) -> bool:
        return ledger.transition(
            payment,
            PaymentState.CREATED,
            kind="not_sent",
            text=f"{error.message} Nothing was sent; it is tried again.",
            data={"code": error.code},
            changes={"callback_digest": None, "sent_at": None, "message": ""},
            due_in=due_in,
            only_from=PaymentState.SENDING if claim else None,
            claim=claim,
        )

    if payment.claim_token and put_back(payment.claim_token, None):
        return True
    return put_back("", RESEND_PAUSE)


def _store(payment: Payment, accept: Callable[[Ack], None], ack: Ack) -> None:
    for pause in (*STORE_PAUSES, None):
        try:
            accept(ack)
            return
        except DatabaseError:
            if pause is None:
                # Here its ids can still be read.
                logger.error("payment=%s accepted_not_stored %s", payment.public_id, ack)
                raise
        time.sleep(pause)
        connection.close_if_unusable_or_obsolete()


def accept(
    payment: Payment, ids: Mapping[str, str], *, text: str, due_in: float = FIRST_LOOK
) -> None:
    """The provider took the request and named it: `ids` are columns, the first one telling.

    Where the result was faster than this answer, what it settled is kept.
    """
    column, told = next(iter(ids.items()))
    moved = ledger.transition(
        payment,
        PaymentState.PENDING,
        kind="accepted",
        text=text,
        data={column: told},
        changes=dict(ids),
        due_in=due_in,
    )
    if moved:
        return
    is_missing = Q(**{column: None}) | Q(**{column: ""})
    Payment.objects.filter(is_missing, pk=payment.pk).update(**ids)
    ledger.note(payment, "accepted_late", "The answer came after the result.")
    payment.refresh_from_db()
    if getattr(payment, column) != told:
        ledger.flag(payment, f"The callback and M-Pesa's answer ({told}) differ.")


def fail(payment: Payment, text: str, *, code: str, only_from: PaymentState | None = None) -> None:
    """Nothing was created at the provider: the payment failed, and may be made anew."""
    ledger.transition(
        payment,
        PaymentState.FAILED,
        kind="refused",
        text=text,
        data={"code": code, "retry_safe": True},
        changes={"result_code": code[:40], "message": text[:300]},
        only_from=only_from,
    )
    payment.refresh_from_db()


def doubt(payment: Payment, text: str, *, code: str, due_in: float = FIRST_LOOK) -> None:
    """The request may have been carried out: unknown until asked, never sent again."""
    ledger.transition(
        payment,
        PaymentState.UNKNOWN,
        kind="no_answer",
        text=text,
        data={"code": code},
        changes={"message": IN_DOUBT},
        due_in=due_in,
    )
    payment.refresh_from_db()
