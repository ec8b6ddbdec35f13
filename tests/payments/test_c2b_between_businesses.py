"""Whoever has the addresses of a short code can write there: it reaches no other business's money,
and nothing that contradicts a known receipt passes without people hearing of it."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum
from django.utils import timezone

from integrations.callbacks.process import process
from integrations.exceptions import InvalidInput
from integrations.models import C2BReceipt, C2BRegistration, InboundCallback, MpesaSettings, Payment
from integrations.payments import c2b, ledger, receipts
from integrations.payments.opening import digest_of
from integrations.payments.receipts import WAIT
from tests.payments.c2b_letters import PHONE, RECEIPT, letter

pytestmark = pytest.mark.django_db(transaction=True)


def account(business: str, short_code: str = "174379") -> None:
    """A business with settings and addresses of its own."""
    MpesaSettings.objects.create(business=business, short_code=short_code, callback_sources="")
    C2BRegistration.objects.create(
        business=business, environment="sandbox", short_code=short_code, version="v2",
        response_type="Completed", confirmation_digest=digest_of(f"c{business}"),
        validation_digest=digest_of(f"v{business}"),
    )  # fmt: skip


def told(business: str, *, waited: float = WAIT + 1, **changes: Any) -> InboundCallback:
    """A confirmation comes to a business's address and is worked on."""
    row = InboundCallback.objects.create(
        route="c2b-confirmation", token_digest=digest_of(f"c{business}"), business=business,
        body=json.dumps(letter(**changes)),
    )  # fmt: skip
    past = timezone.now() - timedelta(seconds=waited)
    InboundCallback.objects.filter(pk=row.pk).update(received_at=past)
    row.refresh_from_db()
    process(row)
    row.refresh_from_db()
    return row


def pushed(business: str, **changes: Any) -> Payment:
    """A push that waits for its result."""
    values = {
        "provider": "mpesa", "product": "stk_push", "environment": "sandbox", "amount": 1000,
        "business": business, "account_reference": "INV001", "phone": PHONE, "state": "unknown",
        "short_code": "174379", "sent_at": timezone.now(), "next_attempt_at": None, **changes,
    }  # fmt: skip
    return Payment.objects.create(**values)


def counted(business: str) -> Decimal:
    rows = Payment.objects.filter(state="succeeded", direction="in", business=business)
    return rows.aggregate(total=Sum("amount"))["total"] or Decimal(0)


def test_a_push_is_not_settled_by_another_business_that_claims_its_short_code() -> None:
    account("victim")
    account("other")
    push = pushed("victim")
    told("other")
    push.refresh_from_db()
    assert (push.state, push.receipt) == ("unknown", None)
    assert (counted("victim"), counted("other")) == (0, 1000)


def test_a_receipt_of_another_business_is_neither_changed_nor_named() -> None:
    account("victim")
    account("other", "600999")
    push = pushed("victim", state="succeeded", receipt=RECEIPT)
    row = told("other", BusinessShortCode="600999", TransAmount="1.00")
    assert (row.status, row.reference) == ("quarantined", "")
    push.refresh_from_db()
    assert (push.attention, push.party, push.events.count()) == ("", "", 0)
    assert not C2BReceipt.objects.exists()


def test_a_paid_push_absorbs_only_what_came_to_its_own_account() -> None:
    account("victim")
    account("other")
    told("other")
    push = pushed("victim")
    assert ledger.transition(push, "succeeded", kind="asked", changes={"result_code": "0"})
    assert push.receipt is None
    assert (counted("victim"), counted("other")) == (1000, 1000)


def test_a_claim_takes_nothing_from_another_account() -> None:
    account("victim", "600999")
    account("other")
    told("victim", BusinessShortCode="600999")
    push = pushed("other")
    assert receipts.look(push, RECEIPT, may_correct=True).problem


def test_a_business_that_borrows_the_account_can_not_register_it() -> None:
    MpesaSettings.objects.create(
        short_code="174379", shared=True, consumer_key="k", consumer_secret="s", passkey="p",
    )  # fmt: skip
    with pytest.raises(InvalidInput, match="installation's account"):
        c2b.register(business="shop")
    assert not C2BRegistration.objects.exists()


def test_a_second_confirmation_with_another_amount_is_for_people() -> None:
    account("")
    told("")
    told("", TransAmount="900.00")
    payment = Payment.objects.get()
    assert (payment.amount, counted("")) == (1000, 1000)
    assert "another amount: KES 900.00" in payment.attention


def test_a_payer_who_is_not_told_of_is_counted_once_in_either_order() -> None:
    """The confirmation names no payer; the query comes before it, or after."""
    account("")
    first = pushed("", state="succeeded", result_code="0")
    told("", MSISDN="")
    first.refresh_from_db()
    assert first.receipt == RECEIPT
    second = pushed("", account_reference="INV002")
    told("", MSISDN="", TransID="UAE4X7K2QQ", BillRefNumber="INV002")
    assert counted("") == 2000
    assert ledger.transition(second, "succeeded", kind="asked", changes={"result_code": "0"})
    assert (second.receipt, counted("")) == ("UAE4X7K2QQ", 2000)


def test_a_receipt_in_small_letters_is_the_same_receipt() -> None:
    account("")
    told("", TransID=RECEIPT.lower())
    told("", TransID=RECEIPT)
    assert Payment.objects.get().receipt == RECEIPT
