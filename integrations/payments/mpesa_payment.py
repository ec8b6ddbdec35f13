"""M-Pesa for ERP code: one import, one call, an honest answer."""

from __future__ import annotations

from typing import Any

from django.db import Error as DatabaseError
from django.db import connection

from integrations.config import get_snapshot
from integrations.exceptions import IntegrationError, InvalidInput, TransportError
from integrations.models import MpesaSettings, Payment, PaymentState
from integrations.payments import stk, stk_query
from integrations.payments.states import REVISABLE
from integrations.providers.mpesa.client import DarajaClient, QueryAnswer
from integrations.providers.mpesa.payloads import timestamp_at

Answer = tuple[bool, str | None, dict[str, Any] | None]

OPEN_TRANSACTION = (
    "A payment can't be sent inside an open database transaction, which could still be rolled "
    "back. Call after the commit (transaction.on_commit), or use enqueue_stk_push()."
)
# States in which a prompt may be on a phone, or has been paid.
_GOOD = {PaymentState.CREATED, PaymentState.PENDING, PaymentState.SUCCEEDED}
# A request with the same idempotency key is still being sent by somebody else.
_BUSY = "The same request is being sent right now; ask again in a moment."


class MpesaPaymentService:
    """STK push and its status, as 3-tuples `(success, message, data)`.

    The message is for people; `data["code"]` is for programs. Nothing returned holds the
    passkey in any form (the original's `password` key stays, empty).
    """

    @classmethod
    def get_settings(cls, business: str = "") -> MpesaSettings | None:
        """The settings row that serves a business, or None (environment or defaults)."""
        row_id = get_snapshot("mpesa", business).row_id
        return MpesaSettings.objects.filter(pk=row_id).first() if row_id else None

    @classmethod
    def initiate_stk_push(
        cls,
        phone: Any,
        amount: Any,
        account_reference: Any,
        description: Any = "Payment",
        *,
        idempotency_key: str | None = None,
        business: str = "",
        transaction_type: str | None = None,
    ) -> Answer:
        """Ask a payer to pay `amount` whole KES; the prompt is sent before this returns.

        True means "the prompt is on its way", never "paid": listen for `payment.succeeded` or
        read the payment. `data` has `payment_id`, `state` and `retry_safe`; on success also
        `checkout_id` and `merchant_request_id`. With state "unknown" the prompt may be on the
        phone: don't send again, the outcome is being asked for. A second call with the same
        `idempotency_key` answers for the first payment and sends nothing.
        """
        request = stk.PushRequest(
            phone,
            amount,
            account_reference,
            description,
            business,
            transaction_type,
            idempotency_key,
        )
        if _in_transaction():
            return _refused(OPEN_TRANSACTION, code="open_transaction")
        return _answer(stk.push_now, request, done="STK Push initiated")

    @classmethod
    def enqueue_stk_push(
        cls,
        phone: Any,
        amount: Any,
        account_reference: Any,
        description: Any = "Payment",
        *,
        idempotency_key: str | None = None,
        business: str = "",
        transaction_type: str | None = None,
    ) -> Answer:
        """Store the wish to push with the caller's transaction; a worker sends it after commit.

        Arguments and answer as `initiate_stk_push`; the state is "created". Rolled back means
        never sent.
        """
        request = stk.PushRequest(
            phone,
            amount,
            account_reference,
            description,
            business,
            transaction_type,
            idempotency_key,
        )
        return _answer(stk.push_later, request, done="STK Push queued")

    @classmethod
    def query_stk_status(
        cls,
        checkout_id: str,
        password: str | None = None,
        timestamp: str | None = None,
        *,
        business: str = "",
    ) -> Answer:
        """Ask M-Pesa about a push: `(answered, error or None, provider's body or None)`.

        The first value says that M-Pesa gave a state, not that the payment is paid: see
        `body["ResultCode"]`. A payment of our ledger is moved by the answer. `password` and
        `timestamp` of the original's callers are accepted and not needed.
        """
        text = str(checkout_id or "").strip()
        if not text or len(text) > 100 or not text.isprintable():
            return False, "checkout_id: must be 1 to 100 printable characters.", None
        try:
            config = get_snapshot("mpesa", business)
            payment = Payment.objects.filter(
                provider="mpesa", environment=config.environment, checkout_id=text
            ).first()
            if payment is not None and payment.business != business:
                return False, "checkout_id: is not known for this business.", None
            short_code = payment.short_code if payment else ""
            answer = DarajaClient(config).stk_query(text, short_code=short_code)
            if payment is not None:
                stk_query.apply_query(payment, answer)
        except TransportError as error:
            return False, f"M-Pesa gave no answer: {error.message}", None
        except IntegrationError as error:
            return False, error.message, None
        except DatabaseError:
            return False, "The database does not answer; ask again in a moment.", None
        return _query_answer(answer)


def _query_answer(answer: QueryAnswer) -> Answer:
    if answer.explanation is not None:
        return True, None, answer.body
    text = answer.error.text if answer.error else "M-Pesa gave no usable answer."
    return False, text, answer.body


def _in_transaction() -> bool:
    """Whether the caller holds a transaction that could undo a row we must have committed."""
    if connection.connection is None:
        # Not connected yet: asking the database would connect, and may fail.
        return not connection.settings_dict["AUTOCOMMIT"]
    if not connection.in_atomic_block:
        return not connection.get_autocommit()
    # Django marks the transaction that a TestCase wraps around a test; host tests may push.
    return not all(getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)


def _refused(text: str, *, code: str, **more: Any) -> Answer:
    answer = {"payment_id": "", "state": "refused", "code": code, "retry_safe": True}
    return False, text, {**answer, **more}


def _answer(act: Any, request: stk.PushRequest, *, done: str) -> Answer:
    try:
        payment, is_new = act(request)
    except InvalidInput as error:
        return _refused_input(error)
    except IntegrationError as error:
        return _refused(error.message, code=error.code)
    except DatabaseError:
        return _answer_unstored(request, done=done)
    return describe_answer(payment, done=done, is_new=is_new)


def _refused_input(error: InvalidInput) -> Answer:
    if not error.payment_id:
        return _refused(error.message, code=error.code, field=error.field)
    # A payment with this key exists and may have been prompted: no other one in its place.
    return _refused(
        error.message,
        code=error.code,
        field=error.field,
        payment_id=error.payment_id,
        retry_safe=False,
    )


def _answer_unstored(request: stk.PushRequest, *, done: str) -> Answer:
    """The database failed while storing: look whether the row is there all the same.

    A connection can break after the commit was carried out and before it was acknowledged.
    """
    if not connection.in_atomic_block:
        connection.close()
        try:
            found = Payment.objects.filter(public_id=request.public_id).first()
        except DatabaseError:
            return _refused(stk.IN_DOUBT, code="not_stored", state="unknown", retry_safe=False)
        if found is not None:
            return describe_answer(found, done=done, is_new=True)
    return _refused("The payment could not be stored; nothing was sent.", code="not_stored")


def describe_answer(payment: Payment, *, done: str, is_new: bool) -> Answer:
    """The documented 3-tuple of a payment as it stands now."""
    state = PaymentState(payment.state)
    data: dict[str, Any] = {
        "payment_id": str(payment.public_id),
        "state": str(state),
        # With an open question about it, what looks unpaid may have been paid.
        "retry_safe": state in REVISABLE and not payment.attention,
        "code": payment.result_code,
        "checkout_id": payment.checkout_id or "",
        "merchant_request_id": payment.merchant_request_id,
        "timestamp": timestamp_at(payment.sent_at) if payment.sent_at else "",
        "password": "",
        "repeated": not is_new,
    }
    if state in _GOOD:
        return True, done, data
    if state == PaymentState.SENDING:
        return False, _BUSY, data
    return False, payment.message or stk.IN_DOUBT, data
