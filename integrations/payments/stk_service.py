"""STK push and its status, as the documented service answers them."""

from __future__ import annotations

from typing import Any

from django.db import Error as DatabaseError

from integrations.config import get_snapshot
from integrations.exceptions import IntegrationError, TransportError
from integrations.payments import stk, stk_query
from integrations.payments.accounts import account_text
from integrations.payments.answers import Answer, answer_for, in_transaction, refused
from integrations.payments.opening import config_of
from integrations.providers.mpesa.client import DarajaClient, QueryAnswer

OPEN_TRANSACTION = (
    "A payment can't be sent inside an open database transaction, which could still be rolled "
    "back. Call after the commit (transaction.on_commit), or use enqueue_stk_push()."
)


class StkService:
    """Asks payers to pay, and asks about that."""

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
        short_code: str = "",
    ) -> Answer:
        """Ask a payer to pay `amount` whole KES; the prompt is sent before this returns.

        True means "the prompt is on its way", never "paid": listen for `payment.succeeded` or
        read the payment. `data` has `payment_id`, `state` and `retry_safe`; on success also
        `checkout_id` and `merchant_request_id`. With state "unknown" the prompt may be on the
        phone: don't send again, the outcome is being asked for. A second call with the same
        `idempotency_key` answers for the first payment and sends nothing. `short_code` chooses
        among the business's accounts; "" is the main one.
        """
        request = stk.PushRequest(
            phone,
            amount,
            account_reference,
            description,
            business,
            transaction_type,
            idempotency_key,
            short_code,
        )
        if in_transaction():
            return refused(OPEN_TRANSACTION, code="open_transaction")
        return answer_for(stk.push_now, request, done="STK Push initiated")

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
        short_code: str = "",
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
            short_code,
        )
        return answer_for(stk.push_later, request, done="STK Push queued")

    @classmethod
    def query_stk_status(
        cls,
        checkout_id: str,
        password: str | None = None,
        timestamp: str | None = None,
        *,
        business: str = "",
        short_code: str = "",
    ) -> Answer:
        """Ask M-Pesa about a push: `(answered, error or None, provider's body or None)`.

        The first value says that M-Pesa gave a state, not that the payment is paid: see
        `body["ResultCode"]`. A payment of our ledger is moved by the answer. `password` and
        `timestamp` of the original's callers are accepted and not needed. `short_code` names the
        account of a push that our ledger does not know; a known one is asked about by its own.
        """
        text = str(checkout_id or "").strip()
        if not text or len(text) > 100 or not text.isprintable():
            return False, "checkout_id: must be 1 to 100 printable characters.", None
        try:
            payment = stk_query.find_by_checkout_id(text, business)
            if payment is not None:
                config, code = config_of(payment), payment.short_code
            else:
                config, code = get_snapshot("mpesa", business, account_text(short_code)), ""
            answer = DarajaClient(config).stk_query(text, short_code=code)
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
