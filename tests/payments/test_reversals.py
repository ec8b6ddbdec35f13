"""Reversals: of what came in, once, never more than came in, and told of the payment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection, transaction

from integrations.approvals import decide
from integrations.models import Approval, DomainEvent, MpesaSettings, Payment, PaymentState
from integrations.payments import ledger, out_asking, reversals
from integrations.payments.mpesa_payment import MpesaPaymentService
from integrations.providers.mpesa.codes.initiator import REVERSAL_RESULTS
from tests.conftest import PHONE, run_work, wait_for_lock
from tests.events.makers import judge_events
from tests.payments.results import age, answer_questions, not_paid_out, post
from tests.sandbox.driver import SandboxDriver

reverse = MpesaPaymentService.reverse
REMARKS = "Wrong order"


@pytest.fixture
def paid(paying: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None]) -> Payment:
    """A payment of KES 1,000 that came in."""
    MpesaPaymentService.initiate_stk_push(PHONE, 1000, "INV001")
    settle()
    payment = Payment.objects.get()
    assert payment.state == "succeeded"
    return payment


def back(sandbox: SandboxDriver) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sandbox.book()["reversals"]
    return found


def the_reversal() -> Payment:
    return Payment.objects.get(product="reversal")


def user_with(*codenames: str) -> User:
    user = User.objects.create_user("-".join(codenames))
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return User.objects.get(pk=user.pk)


def test_all_of_a_payment_goes_back_and_is_told_of(
    paid: Payment, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    before = sum(sandbox.accounts("600999").values())
    success, message, data = reverse(paid.receipt, remarks=REMARKS)
    assert (success, message, data["state"]) == (True, "Reversal sent", "pending")
    settle()
    payment = the_reversal()
    (order,) = back(sandbox)
    assert (payment.state, payment.direction, payment.original) == ("succeeded", "out", paid)
    assert (payment.receipt, payment.amount) == (order["receipt"], Decimal(1000))
    assert payment.originator_id == order["originator_id"]
    assert order["transaction_id"] == paid.receipt
    assert before - sum(sandbox.accounts("600999").values()) == Decimal(1000)
    paid.refresh_from_db()
    assert (paid.state, paid.reversed_amount, paid.net_amount) == ("succeeded", 1000, 0)
    event = DomainEvent.objects.get(event_type="payment.reversed").payload
    assert event["payment_id"] == str(paid.public_id)
    assert event["reversal_id"] == str(payment.public_id)
    assert (event["reversed_amount"], event["net_amount"]) == ("1000.00", "0.00")
    assert "payment.reversed" in judge_events()
    done = DomainEvent.objects.filter(event_type="payment.succeeded").last()
    assert done is not None
    assert (done.payload["original_id"], done.payload["product"]) == (
        str(paid.public_id), "reversal",
    )  # fmt: skip
    assert paid.events.filter(kind="reversed").count() == 1


@pytest.mark.parametrize("name", ["payment", "id", "receipt", "small receipt"])
def test_the_payment_may_be_named_in_any_way(
    paid: Payment, sandbox: SandboxDriver, name: str
) -> None:
    wanted = {
        "payment": paid, "id": str(paid.public_id), "receipt": paid.receipt,
        "small receipt": (paid.receipt or "").lower(),
    }[name]  # fmt: skip
    assert reverse(wanted, 300, remarks=REMARKS)[0]
    assert the_reversal().amount == 300


def test_parts_add_up_to_the_whole_and_no_further(
    paid: Payment, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    assert reverse(paid, 400, remarks=REMARKS)[0]
    success, message, data = reverse(paid, 601, remarks=REMARKS)
    assert (success, data["code"], data["field"]) == (False, "amount_over_original", "amount")
    assert "KES 600 of KES 1,000" in message
    settle()
    assert reverse(paid, remarks=REMARKS)[0]
    assert reverse(paid, 1, remarks=REMARKS)[2]["code"] == "amount_over_original"
    assert reverse(paid, remarks=REMARKS)[2]["code"] == "amount_over_original"
    assert [Decimal(order["amount"]) for order in back(sandbox)] == [400, 600]
    assert Payment.objects.filter(product="reversal").count() == 2


def test_what_failed_gives_its_part_free(
    paid: Payment, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    sandbox.scenario("1", operation="reversal")
    reverse(paid, remarks=REMARKS)
    settle()
    assert the_reversal().state == "failed"
    assert reverse(paid, remarks=REMARKS)[0]


def test_two_at_once_give_back_no_more_than_came_in(paid: Payment, sandbox: SandboxDriver) -> None:
    answers: list[Any] = []

    def ask() -> None:
        try:
            answers.append(reverse(paid.receipt, 600, remarks=REMARKS))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(success for success, _, _ in answers) == [False, False, False, True]
    assert len(back(sandbox)) == 1


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ("UAE0000000", "unknown_payment"),
        ("8d7e5f1c-0b7c-4c5e-9c7e-1f2a3b4c5d6e", "unknown_payment"),
        ("?", "invalid_receipt"),
        (None, "invalid_receipt"),
    ],
)
def test_what_the_ledger_does_not_know_is_refused(
    paid: Payment, sandbox: SandboxDriver, wanted: Any, code: str
) -> None:
    success, message, data = reverse(wanted, remarks=REMARKS)
    assert (success, data["code"], data["field"]) == (False, code, "payment")
    assert message
    assert back(sandbox) == []


def test_another_business_finds_no_payment(paid: Payment, sandbox: SandboxDriver) -> None:
    MpesaSettings.objects.update(shared=True)
    for wanted in (paid.receipt, str(paid.public_id), paid):
        assert reverse(wanted, remarks=REMARKS, business="b1")[2]["code"] == "unknown_payment"
    assert back(sandbox) == []


@pytest.mark.parametrize("state", sorted({str(each) for each in PaymentState} - {"succeeded"}))
def test_only_what_was_paid_is_reversed(paid: Payment, sandbox: SandboxDriver, state: str) -> None:
    Payment.objects.update(state=state)
    assert reverse(str(paid.public_id), remarks=REMARKS)[2]["code"] == "not_reversible"
    assert back(sandbox) == []


def test_money_out_and_payments_without_a_receipt_are_not_reversed(
    paid: Payment, sandbox: SandboxDriver
) -> None:
    Payment.objects.update(receipt=None)
    success, message, _ = reverse(paid, remarks=REMARKS)
    assert not success
    assert "receipt" in message
    Payment.objects.update(receipt="UAE4X7K2QP", direction="out", product="b2c")
    assert reverse("UAE4X7K2QP", remarks=REMARKS)[2]["code"] == "not_reversible"
    assert back(sandbox) == []


@pytest.mark.parametrize("values", [{"amount": "1.5"}, {"amount": 0}, {"remarks": "x"}], ids=str)
def test_bad_input_is_named(paid: Payment, sandbox: SandboxDriver, values: dict[str, Any]) -> None:
    success, _, data = reverse(paid, **{"remarks": REMARKS, **values})
    assert (success, data["state"], data["field"]) == (False, "refused", next(iter(values)))
    assert back(sandbox) == []


def test_a_reversal_inside_a_transaction_is_refused(paid: Payment, sandbox: SandboxDriver) -> None:
    with transaction.atomic():
        assert reverse(paid, remarks=REMARKS)[2]["code"] == "open_transaction"
    assert back(sandbox) == []


def test_a_repeated_key_reverses_once(
    paid: Payment, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    first = reverse(paid, remarks=REMARKS, idempotency_key="k1")[2]
    settle()
    success, _, again = reverse(paid, remarks=REMARKS, idempotency_key="k1")
    assert (success, again["payment_id"], again["repeated"]) == (True, first["payment_id"], True)
    other = reverse(paid, 500, remarks=REMARKS, idempotency_key="k1")[2]
    assert other["code"] == "idempotency_mismatch"
    assert len(back(sandbox)) == 1


def test_whoever_is_named_needs_the_permission(paid: Payment, sandbox: SandboxDriver) -> None:
    clerk = user_with("payout_payment")
    assert reverse(paid, remarks=REMARKS, requested_by=clerk)[2]["code"] == "not_permitted"
    assert reverse(paid, remarks=REMARKS, requested_by=user_with("reverse_payment"))[0]
    assert len(back(sandbox)) == 1


def test_above_the_limit_a_second_person_approves(
    paid: Payment, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    MpesaSettings.objects.update(approve_above=500)
    MpesaSettings.objects.get().save()
    assert reverse(paid, 500, remarks=REMARKS)[2]["state"] == "pending"
    success, _, data = reverse(paid, 501, remarks=REMARKS)
    assert (success, data["code"]) == (False, "amount_over_original")
    Payment.objects.filter(product="reversal").update(state="failed")
    assert reverse(paid, 501, remarks=REMARKS)[2]["state"] == "awaiting_approval"
    run_work("payments")
    assert len(back(sandbox)) == 1
    approval = Approval.objects.get(kind="reversal")
    assert dict(approval.facts)["Receipt"] == paid.receipt
    decide(approval, user_with("approve_payout"), approve=True)
    run_work("payments")
    assert len(back(sandbox)) == 2


def test_an_approved_reversal_of_what_was_merged_meanwhile_is_not_sent(
    paid: Payment, sandbox: SandboxDriver
) -> None:
    MpesaSettings.objects.update(approve_above=0)
    MpesaSettings.objects.get().save()
    reverse(paid, remarks=REMARKS)
    decide(Approval.objects.get(), user_with("approve_payout"), approve=True)
    Payment.objects.filter(pk=paid.pk).update(state="merged")
    run_work("payments")
    assert (the_reversal().state, the_reversal().result_code) == ("failed", "not_reversible")
    assert back(sandbox) == []


def test_parts_of_one_payment_need_approval_together(paid: Payment, sandbox: SandboxDriver) -> None:
    MpesaSettings.objects.update(approve_above=500)
    MpesaSettings.objects.get().save()
    assert reverse(paid, 300, remarks=REMARKS)[2]["state"] == "pending"
    assert reverse(paid, 200, remarks=REMARKS)[2]["state"] == "pending"
    assert reverse(paid, 100, remarks=REMARKS)[2]["state"] == "awaiting_approval"
    assert len(back(sandbox)) == 2


def test_of_two_that_are_too_much_together_the_second_is_not_sent(
    paid: Payment, sandbox: SandboxDriver
) -> None:
    """The first had failed when the second was asked for, and succeeds while that one waits."""
    sandbox.fault("no_callback", operation="reversal")
    reverse(paid, 600, remarks=REMARKS)
    first = the_reversal()
    Payment.objects.filter(pk=first.pk).update(state="failed", next_attempt_at=None)
    MpesaSettings.objects.update(approve_above=0)
    MpesaSettings.objects.get().save()
    reverse(paid, 600, remarks=REMARKS)
    Payment.objects.filter(pk=first.pk).update(state="succeeded")
    decide(Approval.objects.get(), user_with("approve_payout"), approve=True)
    run_work("payments")
    second = Payment.objects.filter(product="reversal").latest("pk")
    assert (second.state, second.result_code) == ("failed", "amount_over_original")
    assert len(back(sandbox)) == 1


@pytest.mark.parametrize(
    "values",
    [{"state": "failed"}, {"state": "unknown", "finding": "not_paid"}],
    ids=["failed", "found unpaid"],
)
def test_a_disputed_reversal_counts_until_people_decide(
    paid: Payment, sandbox: SandboxDriver, values: dict[str, Any]
) -> None:
    sandbox.fault("no_callback", operation="reversal")
    reverse(paid, remarks=REMARKS)
    disputed = {"attention": "A callback says paid", "next_attempt_at": None, **values}
    Payment.objects.filter(product="reversal").update(**disputed)
    assert reverse(paid, remarks=REMARKS)[2]["code"] == "amount_over_original"
    Payment.objects.filter(product="reversal").update(attention="", finding="not_paid")
    assert reversals.taken_of(paid) == 0
    assert len(back(sandbox)) == 1


@pytest.mark.parametrize("code", sorted(set(REVERSAL_RESULTS) - {"0"}))
def test_every_documented_code_has_its_end_in_words(
    paid: Payment, sandbox: SandboxDriver, code: str
) -> None:
    sandbox.fault("no_callback", operation="reversal")
    reverse(paid, remarks=REMARKS)
    order = back(sandbox)[0]
    post(order, not_paid_out(order, code))
    run_work("callbacks")
    payment, meaning = the_reversal(), REVERSAL_RESULTS[code]
    assert (payment.state, payment.result_code) == (str(meaning.outcome.value), code)
    if payment.state == "failed":
        assert payment.message == meaning.sentence
    assert DomainEvent.objects.filter(event_type="payment.reversed").count() == 0


def test_what_is_reversed_twice_is_told_by_m_pesa(
    paid: Payment, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    reverse(paid, remarks=REMARKS)
    settle()
    Payment.objects.filter(product="reversal").update(state="failed")
    reverse(paid, remarks=REMARKS)
    settle()
    second = Payment.objects.filter(product="reversal").first()
    assert second is not None
    assert (second.state, second.result_code) == ("failed", "R000001")
    assert "reversed already" in second.message


def test_a_lost_acknowledgement_waits_for_the_result_then_for_people(
    paid: Payment, sandbox: SandboxDriver
) -> None:
    sandbox.fault("lose_answer", operation="reversal")
    sandbox.fault("no_callback", operation="reversal")
    success, _, data = reverse(paid, remarks=REMARKS)
    assert (success, data["state"], data["retry_safe"]) == (False, "unknown", False)
    sandbox.settle()
    payment = the_reversal()
    assert payment.originator_id is None
    # Until it is known, nothing else may be given back in its place.
    assert reverse(paid, remarks=REMARKS)[2]["code"] == "amount_over_original"
    age(payment, 120)
    answer_questions(sandbox)
    assert "transaction_status" not in sandbox.counters()
    age(payment, out_asking.UNASKABLE_AFTER + 1)
    run_work("payments")
    payment.refresh_from_db()
    assert (payment.state, payment.attention) == ("unknown", out_asking.NOTHING_TO_ASK_BY)
    assert sandbox.counters()["reversal"] == 1
    # A person found that it did not happen: the money may be given back after all.
    assert ledger.settle_attention(
        payment, "Not in the statement", seen=payment.attention, finding="not_paid"
    )
    assert reversals.taken_of(paid) == 0


def test_a_lost_acknowledgement_is_settled_by_the_result(
    paid: Payment, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    sandbox.fault("lose_answer", operation="reversal")
    reverse(paid, remarks=REMARKS)
    settle()
    payment = the_reversal()
    order = back(sandbox)[0]
    assert (payment.state, payment.receipt) == ("succeeded", order["receipt"])
    assert payment.originator_id == order["originator_id"]


def test_a_lost_result_is_asked_for_by_the_acknowledged_id(
    paid: Payment, sandbox: SandboxDriver
) -> None:
    sandbox.fault("no_callback", operation="reversal")
    reverse(paid, 400, remarks=REMARKS)
    sandbox.settle()
    age(the_reversal(), 200)
    answer_questions(sandbox)
    payment = the_reversal()
    assert (payment.state, payment.receipt) == ("succeeded", back(sandbox)[0]["receipt"])
    assert paid.net_amount == Decimal(600)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("OriginalTransactionID", "UAE9999999", "was asked for"),
        ("Amount", "999.00", "but KES 1000"),
    ],
)
def test_a_result_that_does_not_fit_settles_nothing(
    paid: Payment, sandbox: SandboxDriver, key: str, value: str, words: str
) -> None:
    sandbox.fault("no_callback", operation="reversal")
    reverse(paid, remarks=REMARKS)
    order = back(sandbox)[0]
    items = {"Amount": "1000.00", "OriginalTransactionID": paid.receipt, key: value}
    letter = not_paid_out(order, 0) | {
        "TransactionID": "UAE4X7K2QP",
        "ResultParameters": {
            "ResultParameter": [{"Key": name, "Value": text} for name, text in items.items()]
        },
    }
    post(order, letter)
    run_work("callbacks")
    payment = the_reversal()
    assert payment.state == "pending"
    assert words in payment.attention


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer")
def test_a_merge_and_the_result_of_a_reversal_don_t_wait_for_each_other(
    paid: Payment, sandbox: SandboxDriver
) -> None:
    sandbox.fault("no_callback", operation="reversal")
    reverse(paid, 400, remarks=REMARKS)
    source, reversal = paid, the_reversal()
    Payment.objects.filter(pk=source.pk).update(product="c2b")
    values = {"short_code": "600999", "amount": 1000, "provider": "mpesa", "state": "pending"}
    target = Payment.objects.create(product="stk_push", environment=source.environment, **values)
    merged: list[bool] = []

    def merge() -> None:
        try:
            merged.append(
                ledger.merge(
                    Payment.objects.get(pk=source.pk), Payment.objects.get(pk=target.pk), text="One"
                )
            )
        finally:
            connection.close()

    thread = threading.Thread(target=merge)
    with transaction.atomic():
        ledger.transition(
            reversal, PaymentState.SUCCEEDED, kind="result", changes={"receipt": "UAE4X7K2QP"}
        )
        thread.start()
        wait_for_lock()
    thread.join(timeout=20)
    assert merged == [True]
    reversal.refresh_from_db()
    assert (reversal.state, reversal.original_id) == ("succeeded", target.pk)
