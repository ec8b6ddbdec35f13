"""C2B and expected payments, as the documented service answers them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from integrations.payments import c2b_answers
from integrations.payments.answers import Answer, in_transaction, refused
from integrations.payments.once import once

OPEN_TRANSACTION = (
    "Addresses can't be registered inside an open database transaction, which could still be "
    "rolled back. Call after the commit (transaction.on_commit)."
)


class C2BService:
    """Takes payments that customers make by themselves, and knows which ones are expected."""

    @classmethod
    def register_c2b_urls(
        cls, *, business: str = "", short_code: str = "", idempotency_key: str | None = None
    ) -> Answer:
        """Give M-Pesa the addresses where it tells of customers' own payments.

        True means registered. `data` has `registration_id` and `state`: "unknown" where the
        answer was lost (the addresses are answered all the same), "refused" with the reason in
        words. The addresses are secret and not in the answer; the admin shows them once. A second
        call with the same `idempotency_key` is answered as the first one, for a day.
        """
        if in_transaction():
            return refused(OPEN_TRANSACTION, code="open_transaction")
        return once(
            "register_c2b_urls", idempotency_key, business, {"short_code": short_code},
            lambda: c2b_answers.register_urls(business=business, short_code=short_code),
        )  # fmt: skip

    @classmethod
    def simulate_c2b(
        cls,
        phone: Any,
        amount: Any,
        bill_ref: Any = "",
        *,
        command: str = "CustomerPayBillOnline",
        business: str = "",
        short_code: str = "",
        idempotency_key: str | None = None,
    ) -> Answer:
        """Have the sandbox play a customer who pays; refused in production (`sandbox_only`).

        True means that the sandbox took it: the payment comes by confirmation, as in reality. A
        second call with the same `idempotency_key` plays nothing, for a day.
        """
        wanted = {
            "phone": phone,
            "amount": amount,
            "bill_ref": bill_ref,
            "command": command,
            "business": business,
            "short_code": short_code,
        }
        return once(
            "simulate_c2b", idempotency_key, business, wanted,
            lambda: c2b_answers.simulate(wanted),
        )  # fmt: skip

    @classmethod
    def expect_payment(
        cls,
        reference: Any,
        amount: Any,
        *,
        phone: Any = "",
        description: Any = "",
        expires_at: datetime | None = None,
        business: str = "",
        idempotency_key: str | None = None,
    ) -> Answer:
        """Say what should be paid under a reference; payments that come are allotted to it.

        Joins the caller's transaction. `phone` helps to find the payment of somebody who typed
        no reference. `data` has `expectation_id`, `state`, `received` and `outstanding`: a
        payment that came before is allotted at once. A second call with the same
        `idempotency_key` answers for the first one. Listen for `expectation.paid`.
        """
        return c2b_answers.expect(
            reference, amount, phone, business, description, expires_at, idempotency_key
        )
