"""Payouts and reversals, as the documented service answers them."""

from __future__ import annotations

from typing import Any

from integrations.payments import payouts, reversals
from integrations.payments.answers import Answer, answer_for, in_transaction, refused
from integrations.payments.payouts import REMARKS, PayoutRequest
from integrations.payments.reversals import ReversalRequest

OPEN_TRANSACTION = (
    "Money can't be sent inside an open database transaction, which could still be rolled back. "
    "Call after the commit (transaction.on_commit){other}."
)
PAY_OUT_OPEN = OPEN_TRANSACTION.format(other=", or use enqueue_payout()")
REVERSE_OPEN = OPEN_TRANSACTION.format(other="")


class OutService:
    """Pays out and gives money back."""

    @classmethod
    def pay_out(
        cls,
        phone: Any,
        amount: Any,
        reference: Any,
        *,
        command: Any = "BusinessPayment",
        remarks: Any = REMARKS,
        occasion: Any = "",
        idempotency_key: str | None = None,
        business: str = "",
        short_code: str = "",
        requested_by: Any = None,
    ) -> Answer:
        """Pay `amount` whole KES to a phone (B2C); it is sent before this returns.

        `reference` says what it is for and stays with us; `remarks` and `occasion` go to M-Pesa.
        True with state "pending" means that M-Pesa took it, never "paid": listen for
        `payment.succeeded` or read the payment. True with state "awaiting_approval" means that
        it waits for a second person; nothing is sent before. With state "unknown" it may have
        been paid: don't send it again, the outcome is being asked for. A second call with the
        same `idempotency_key` answers for the first payout and sends nothing. `requested_by` is
        the user who wants it: they need the permission, and can't approve it themselves.
        """
        if in_transaction():
            return refused(PAY_OUT_OPEN, code="open_transaction")
        request = PayoutRequest(
            phone, amount, reference, command, remarks, occasion, business, short_code,
            idempotency_key, requested_by,
        )  # fmt: skip
        return answer_for(payouts.pay_now, request, done="Payout sent")

    @classmethod
    def enqueue_payout(
        cls,
        phone: Any,
        amount: Any,
        reference: Any,
        *,
        command: Any = "BusinessPayment",
        remarks: Any = REMARKS,
        occasion: Any = "",
        idempotency_key: str | None = None,
        business: str = "",
        short_code: str = "",
        requested_by: Any = None,
    ) -> Answer:
        """Store the wish to pay out with the caller's transaction; a worker sends it after commit.

        Arguments and answer as `pay_out`; the state is "created", or "awaiting_approval". Rolled
        back means never sent.
        """
        request = PayoutRequest(
            phone, amount, reference, command, remarks, occasion, business, short_code,
            idempotency_key, requested_by,
        )  # fmt: skip
        return answer_for(payouts.pay_later, request, done="Payout queued")

    @classmethod
    def reverse(
        cls,
        payment_or_receipt: Any,
        amount: Any = None,
        *,
        remarks: Any,
        idempotency_key: str | None = None,
        business: str = "",
        requested_by: Any = None,
    ) -> Answer:
        """Give the money of a payment back: all that is left of it, or `amount` whole KES.

        The payment is one of the ledger, by itself, its id or its receipt; it must have
        succeeded. Answers as `pay_out`: True means that M-Pesa took the reversal, or that it
        waits for approval. `payment.reversed` tells of the end.
        """
        if in_transaction():
            return refused(REVERSE_OPEN, code="open_transaction")
        request = ReversalRequest(
            payment_or_receipt, amount, remarks, business, idempotency_key, requested_by
        )
        return answer_for(reversals.reverse_now, request, done="Reversal sent")
