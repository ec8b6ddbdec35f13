"""The documented 3-tuples of the payment services."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from django.db import Error as DatabaseError
from django.db import connection

from integrations.exceptions import IntegrationError, InvalidInput, help_url
from integrations.models import Direction, Payment, PaymentState
from integrations.payments.sending import IN_DOUBT
from integrations.payments.states import is_retry_safe
from integrations.providers.mpesa.payloads import timestamp_at

Answer = tuple[bool, str | None, dict[str, Any] | None]

# States in which a request is on its way, or was carried out.
_GOOD = {PaymentState.CREATED, PaymentState.PENDING, PaymentState.SUCCEEDED}
# A request with the same idempotency key is still being sent by somebody else.
_BUSY = "The same request is being sent right now; ask again in a moment."


class Wanted(Protocol):
    """What somebody asks for. Its id is chosen before the row."""

    @property
    def public_id(self) -> uuid.UUID:
        """Of the row, by which it is found where its commit was not acknowledged."""


Request = TypeVar("Request", bound=Wanted)


def in_transaction() -> bool:
    """Whether the caller holds a transaction that could undo a row we must have committed."""
    if connection.connection is None:
        # Not connected yet: asking the database would connect, and may fail.
        return not connection.settings_dict["AUTOCOMMIT"]
    if not connection.in_atomic_block:
        return not connection.get_autocommit()
    # Django marks the transaction that a TestCase wraps around a test; host tests may push.
    return not all(getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)


def refused(text: str, *, code: str, **more: Any) -> Answer:
    """The answer of what was refused before anything was stored."""
    answer = {"payment_id": "", "state": "refused", "code": code, "retry_safe": True}
    return False, text, {**answer, "help": help_url(code), **more}


def answer_for(
    act: Callable[[Request], tuple[Payment, bool]], request: Request, *, done: str
) -> Answer:
    """Act on a request, and answer as documented; `done` is said where it went well."""
    try:
        payment, is_new = act(request)
    except InvalidInput as error:
        return _refused_input(error)
    except IntegrationError as error:
        return refused(error.message, code=error.code)
    except DatabaseError:
        return _answer_unstored(request, done=done)
    return describe_answer(payment, done=done, is_new=is_new)


def _refused_input(error: InvalidInput) -> Answer:
    if not error.payment_id:
        return refused(error.message, code=error.code, field=error.field)
    # A payment with this key exists and may have been prompted: no other one in its place.
    return refused(
        error.message,
        code=error.code,
        field=error.field,
        payment_id=error.payment_id,
        retry_safe=False,
    )


def _answer_unstored(request: Wanted, *, done: str) -> Answer:
    """The database failed while storing: look whether the row is there all the same.

    A connection can break after the commit was carried out and before it was acknowledged.
    """
    if not connection.in_atomic_block:
        connection.close()
        try:
            found = Payment.objects.filter(public_id=request.public_id).first()
        except DatabaseError:
            return refused(IN_DOUBT, code="not_stored", state="unknown", retry_safe=False)
        if found is not None:
            return describe_answer(found, done=done, is_new=True)
    return refused("The payment could not be stored; nothing was sent.", code="not_stored")


def _ids_of(payment: Payment) -> dict[str, str]:
    """The provider's ids, by the names of the product."""
    if payment.direction == Direction.OUT:
        return {
            "originator_id": payment.originator_id or "",
            "conversation_id": payment.conversation_id,
            "receipt": payment.receipt or "",
        }
    return {
        "checkout_id": payment.checkout_id or "",
        "merchant_request_id": payment.merchant_request_id,
        "password": "",
    }


def describe_answer(payment: Payment, *, done: str, is_new: bool) -> Answer:
    """The documented 3-tuple of a payment as it stands now."""
    state = PaymentState(payment.state)
    data: dict[str, Any] = {
        "payment_id": str(payment.public_id),
        "state": str(state),
        "retry_safe": is_retry_safe(payment),
        "code": payment.result_code,
        **_ids_of(payment),
        "timestamp": timestamp_at(payment.sent_at) if payment.sent_at else "",
        "repeated": not is_new,
    }
    if state == PaymentState.AWAITING_APPROVAL:
        return True, payment.message, data
    if state in _GOOD:
        return True, done, data
    if state == PaymentState.SENDING:
        return False, _BUSY, data
    data["help"] = help_url(payment.result_code or "outcome_unknown")
    return False, payment.message or IN_DOUBT, data
