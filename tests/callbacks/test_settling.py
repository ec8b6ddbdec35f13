"""What stored callbacks move: once, the right payment, and only where they can be believed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.utils import timezone

from integrations import work
from integrations.config import get_snapshot
from integrations.crypto import keyring
from integrations.models import (
    DomainEvent,
    InboundCallback,
    MpesaSettings,
    Payment,
    PaymentEvent,
)
from integrations.payments import ledger, stk
from integrations.payments.mpesa_payment import MpesaPaymentService
from integrations.payments.stk_callback import DISPUTED, UNCONFIRMED
from integrations.payments.stk_query import WRONG_AMOUNT
from tests.conftest import PHONE, make_due, mpesa_values, run_work
from tests.payments.letters import RECEIPT, paid, post, silent_prompt, unpaid
from tests.sandbox.driver import SandboxDriver

push = MpesaPaymentService.initiate_stk_push
Settle = Callable[[], None]


def work_later() -> None:
    """Work on callbacks that wait, as if their pause had passed."""
    past = timezone.now() - timedelta(seconds=1)
    InboundCallback.objects.filter(status="stored").update(next_attempt_at=past)
    run_work("callbacks")


def work_in_threads() -> None:
    """Four workers' threads at once."""

    def serve() -> None:
        try:
            run_work("callbacks")
        finally:
            connection.close()

    threads = [threading.Thread(target=serve) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def told(event_type: str) -> int:
    return DomainEvent.objects.filter(event_type=event_type).count()


def test_two_copies_settle_once(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Settle
) -> None:
    sandbox.fault("duplicate_callback", copies=2)
    push(PHONE, 1000, "INV001")
    settle()
    assert sorted(InboundCallback.objects.values_list("status", flat=True)) == [
        "duplicate",
        "processed",
    ]
    assert told("payment.succeeded") == 1
    assert Payment.objects.get().events.filter(to_state="succeeded").count() == 1


def test_fifty_copies_in_parallel_settle_once(
    mpesa: MpesaSettings, sandbox: SandboxDriver, live_server: Any
) -> None:
    # The test server queues ten connections only; fifty at once would be reset by the kernel.
    live_server.thread.httpd.socket.listen(128)
    sandbox.fault("duplicate_callback", copies=50, parallel=True)
    push(PHONE, 1000, "INV001")
    sandbox.settle(timeout=30)
    deliveries = sandbox.prompts()[0]["deliveries"]
    assert [delivery["status"] for delivery in deliveries] == [200] * 50
    assert InboundCallback.objects.count() == 50
    work_in_threads()
    run_work("callbacks")
    statuses = list(InboundCallback.objects.values_list("status", flat=True))
    assert sorted(set(statuses)) == ["duplicate", "processed"]
    assert statuses.count("processed") == 1
    payment = Payment.objects.get()
    assert (payment.state, payment.receipt) == ("succeeded", sandbox.prompts()[0]["receipt"])
    kinds = list(payment.events.values_list("kind", flat=True))
    assert kinds == ["created", "accepted", "callback"]
    assert told("payment.succeeded") == 1
    assert told("payment.receipt") == 0


def test_fifty_copies_after_a_query_attach_one_receipt(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    prompt = silent_prompt(sandbox, push)
    make_due(Payment.objects.get())
    run_work("payments")
    for _ in range(8):
        post(prompt, paid(prompt))
    work_in_threads()
    run_work("callbacks")
    assert PaymentEvent.objects.filter(kind="receipt").count() == 1
    assert told("payment.receipt") == 1
    assert Payment.objects.get().receipt == prompt["receipt"]


@pytest.mark.parametrize("first", ["1037", "1032", "1"])
def test_a_late_success_wins_and_alerts(
    mpesa: MpesaSettings, sandbox: SandboxDriver, first: str
) -> None:
    sandbox.scenario(first)
    prompt = silent_prompt(sandbox, push)
    post(prompt, unpaid(prompt, int(first)))
    run_work("callbacks")
    ended = Payment.objects.get()
    assert ended.state in ("expired", "cancelled", "failed")
    assert ended.attention == ""
    post(prompt, paid(prompt, receipt=RECEIPT))
    run_work("callbacks")
    payment = Payment.objects.get()
    assert (payment.state, payment.receipt) == ("succeeded", RECEIPT)
    assert "Paid after it was reported as not paid" in payment.attention
    event = DomainEvent.objects.get(event_type="payment.succeeded")
    assert (event.payload["late"], event.payload["previous_state"]) == (True, ended.state)


def test_the_sandbox_s_late_success_wins_too(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Settle
) -> None:
    sandbox.fault("late_success")
    push(PHONE, 1000, "INV001")
    settle()
    payment = Payment.objects.get()
    assert payment.state == "succeeded"
    assert payment.attention
    assert told("payment.expired") == told("payment.succeeded") == 1


@pytest.mark.parametrize("works_first", [True, False])
def test_a_callback_before_the_answer_settles(
    mpesa: MpesaSettings, sandbox: SandboxDriver, works_first: bool, settle: Settle
) -> None:
    sandbox.fault("early_callback")
    if works_first:
        # Worked on while the answer is still on its way.
        sandbox.fault("slow", operation="stk_push", seconds=0.5)
        asking = threading.Thread(target=lambda: (push(PHONE, 1000, "INV001"), connection.close()))
        asking.start()
        while Payment.objects.filter(state="succeeded").count() == 0 and asking.is_alive():
            run_work("callbacks")
        assert asking.is_alive()
        asking.join()
    else:
        push(PHONE, 1000, "INV001")
    settle()
    payment = Payment.objects.get()
    (prompt,) = sandbox.prompts()
    assert (payment.state, payment.receipt) == ("succeeded", prompt["receipt"])
    assert payment.checkout_id == prompt["checkout_request_id"]
    assert payment.attention == ""
    assert payment.next_attempt_at is None
    assert told("payment.succeeded") == 1


def test_an_answer_that_comes_while_its_callback_is_worked_on_makes_it_no_stranger(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    """The id that the answer brings is the callback's own, not another payment's."""
    prompt = silent_prompt(sandbox, push)
    Payment.objects.update(state="sending", checkout_id=None)
    post(prompt, paid(prompt))
    checkout_id, answers = prompt["checkout_request_id"], []

    def store_answer() -> None:
        Payment.objects.filter(state="sending").update(state="pending", checkout_id=checkout_id)
        connection.close()

    def answer_after_the_look(execute: Any, sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        if not answers and sql.startswith("SELECT") and '"callback_digest" = ' in sql:
            answers.append(threading.Thread(target=store_answer))
            answers[0].start()
            answers[0].join(timeout=0.5)  # Where the row is locked, it waits for our verdict.
        return result

    with connection.execute_wrapper(answer_after_the_look):
        run_work("callbacks")
    answers[0].join()
    assert InboundCallback.objects.get().status == "processed"
    payment = Payment.objects.get()
    assert (payment.state, payment.receipt) == ("succeeded", prompt["receipt"])


def test_a_forged_early_callback_is_noticed_when_the_answer_comes(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    payment, token, _ = stk.open_payment(
        stk.PushRequest(PHONE, 1000, "INV001", "Payment"), sending=True
    )
    prompt = {
        "callback_url": stk.callback_url(get_snapshot("mpesa"), token),
        "merchant_request_id": "m",
        "checkout_request_id": "ws_forged",
        "amount": 1000,
        "phone": "254712345678",
        "receipt": RECEIPT,
    }
    assert post(prompt, paid(prompt)).status_code == 200
    run_work("callbacks")
    sandbox.fault("no_callback")
    stk.send(payment, token, deadline=time.monotonic() + 5)
    payment.refresh_from_db()
    assert "differ" in payment.attention


@pytest.mark.parametrize("changes", [{"amount": 1}, {"amount": "1000.01"}, {"amount": 100000}])
def test_a_wrong_amount_settles_nothing_and_the_provider_is_asked(
    mpesa: MpesaSettings, sandbox: SandboxDriver, changes: dict[str, Any]
) -> None:
    sandbox.settings(is_interactive=True)
    push(PHONE, 1000, "INV001")
    (prompt,) = sandbox.prompts()
    post(prompt, paid({**prompt, "receipt": RECEIPT}, **changes))
    run_work("callbacks")
    payment = Payment.objects.get()
    assert (payment.state, payment.receipt) == ("pending", None)
    assert "but KES 1000" in payment.attention
    assert InboundCallback.objects.get().status == "quarantined"
    run_work("payments")
    assert sandbox.counters()["stk_query"] == 1
    assert Payment.objects.get().state == "pending"


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"amount": None}, "without an amount"), ({"receipt": None}, "without a receipt")],
)
def test_a_success_without_its_facts_settles_nothing(
    mpesa: MpesaSettings, sandbox: SandboxDriver, changes: dict[str, Any], words: str
) -> None:
    prompt = silent_prompt(sandbox, push)
    post(prompt, paid(prompt, **changes))
    run_work("callbacks")
    payment = Payment.objects.get()
    assert payment.state == "pending"
    assert words in payment.attention
    run_work("payments")
    assert Payment.objects.get().state == "succeeded"


def test_amounts_with_decimals_are_the_same_money(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Settle
) -> None:
    sandbox.fault("callback_shape", amount="string", balance="string", phone_form="masked")
    push(PHONE, 1000, "INV001")
    settle()
    assert Payment.objects.get().state == "succeeded"


def test_a_wrong_checkout_id_settles_nothing(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Settle
) -> None:
    sandbox.fault("unknown_checkout_id")
    push(PHONE, 1000, "INV001")
    settle()
    payment = Payment.objects.get()
    assert payment.state == "pending"
    row = InboundCallback.objects.get()
    assert (row.status, row.reference) == ("quarantined", str(payment.public_id))
    assert "CheckoutRequestID" in row.reason
    run_work("payments")
    assert Payment.objects.get().state == "succeeded"


def test_another_payment_s_id_is_not_taken_for_an_early_callback(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    first = silent_prompt(sandbox, push)
    sandbox.fault("lose_answer", operation="stk_push")
    second = silent_prompt(sandbox, push, phone="0712345679")
    post(second, paid(second, checkout_id=first["checkout_request_id"], receipt=first["receipt"]))
    run_work("callbacks")
    row = InboundCallback.objects.get()
    assert (row.status, row.attempts) == ("quarantined", 1)
    assert "another request" in row.reason
    unpaid_one = Payment.objects.get(phone="254712345679")
    assert (unpaid_one.state, unpaid_one.checkout_id) == ("unknown", None)


def test_a_receipt_pays_for_one_payment_only(mpesa: MpesaSettings, sandbox: SandboxDriver) -> None:
    first = silent_prompt(sandbox, push)
    second = silent_prompt(sandbox, push, phone="0712345679")
    post(first, paid(first))
    post(second, paid(second, receipt=first["receipt"]))
    run_work("callbacks")
    cheat = Payment.objects.get(phone="254712345679")
    assert cheat.state == "pending"
    assert "already belongs to another payment" in cheat.attention
    assert Payment.objects.filter(receipt=first["receipt"]).count() == 1


def test_one_receipt_for_two_payments_at_the_same_instant_pays_for_one(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    prompts = [silent_prompt(sandbox, push, phone=f"071234567{n}") for n in range(4)]
    for prompt in prompts:
        post(prompt, paid(prompt, receipt=RECEIPT))
    work_in_threads()
    work_later()
    assert Payment.objects.filter(state="succeeded", receipt=RECEIPT).count() == 1
    assert Payment.objects.filter(state="pending").exclude(attention="").count() == 3
    assert not InboundCallback.objects.filter(status="stored").exists()


def test_a_second_receipt_for_a_paid_payment_is_shown_to_people(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    prompt = silent_prompt(sandbox, push)
    post(prompt, paid(prompt))
    post(prompt, paid(prompt, receipt=RECEIPT))
    run_work("callbacks")
    payment = Payment.objects.get()
    assert (payment.state, payment.receipt) == ("succeeded", prompt["receipt"])
    assert RECEIPT in payment.attention


@pytest.mark.parametrize("sources", ["196.201.214.200", "196.201.214.0/24"])
def test_a_success_from_a_foreign_source_waits_for_the_provider_s_own_word(
    mpesa: MpesaSettings, sandbox: SandboxDriver, sources: str, settle: Settle
) -> None:
    mpesa.callback_sources = sources
    mpesa.save()
    push(PHONE, 1000, "INV001")
    settle()
    row = InboundCallback.objects.get()
    assert row.status == "stored"
    assert "127.0.0.1" in row.work_error
    assert (Payment.objects.get().state, Payment.objects.get().receipt) == ("pending", None)
    run_work("payments")
    payment = Payment.objects.get()
    assert (payment.state, payment.receipt) == ("succeeded", None)
    assert sandbox.counters()["stk_query"] == 1
    work_later()
    payment.refresh_from_db()
    assert payment.receipt == sandbox.prompts()[0]["receipt"]
    assert InboundCallback.objects.get().status == "processed"
    assert told("payment.succeeded") == told("payment.receipt") == 1


def test_a_doubted_success_that_nobody_confirms_is_quarantined_after_two_days(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.settings(is_interactive=True)
    push(PHONE, 1000, "INV001")
    (prompt,) = sandbox.prompts()
    post(prompt, paid({**prompt, "receipt": RECEIPT}), Businessshortcode="600999")
    run_work("callbacks")
    work_later()
    row = InboundCallback.objects.get()
    assert (row.status, Payment.objects.get().receipt) == ("stored", None)
    InboundCallback.objects.update(received_at=timezone.now() - timedelta(hours=49))
    work_later()
    row.refresh_from_db()
    payment = Payment.objects.get()
    assert (row.status, row.reference) == ("quarantined", str(payment.public_id))
    assert "short code" in row.reason
    assert (payment.state, payment.receipt) == ("pending", None)


@pytest.mark.parametrize("code", [1032, 7777])
def test_a_doubted_result_other_than_success_is_quarantined_and_asked_about(
    mpesa: MpesaSettings, sandbox: SandboxDriver, code: int
) -> None:
    prompt = silent_prompt(sandbox, push)
    post(prompt, unpaid(prompt, code), Businessshortcode="600999")
    run_work("callbacks")
    assert InboundCallback.objects.get().status == "quarantined"
    assert Payment.objects.get().state == "pending"
    run_work("payments")
    assert sandbox.counters()["stk_query"] == 1
    assert Payment.objects.get().state == "succeeded"


def test_an_empty_source_list_accepts_any(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Settle
) -> None:
    mpesa.callback_sources = " "
    mpesa.save()
    push(PHONE, 1000, "INV001")
    settle()
    assert Payment.objects.get().state == "succeeded"


def test_the_forwarded_address_is_believed_from_a_trusted_proxy_only(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settings: Any
) -> None:
    mpesa.callback_sources = "196.201.214.200"
    mpesa.save()
    prompt = silent_prompt(sandbox, push)
    forged = {"X-Forwarded-For": "196.201.214.200"}
    post(prompt, paid(prompt), **forged)
    assert InboundCallback.objects.latest("pk").doubts
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    post(prompt, paid(prompt), **{"X-Forwarded-For": "1.1.1.1, 196.201.214.200"})
    row = InboundCallback.objects.latest("pk")
    assert (row.doubts, row.source) == ([], "196.201.214.200")
    run_work("callbacks")
    assert Payment.objects.get().state == "succeeded"


def test_a_doubted_success_after_the_end_is_asked_about(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    # The genuine failure came first; then a success from an address that is not on the list.
    prompt = silent_prompt(sandbox, push)
    post(prompt, unpaid(prompt, 1037))
    run_work("callbacks")
    assert Payment.objects.get().state == "expired"
    mpesa.callback_sources = "196.201.214.200"
    mpesa.save()
    post(prompt, paid(prompt))
    run_work("callbacks")
    assert Payment.objects.get().state == "expired"
    run_work("payments")
    payment = Payment.objects.get()
    assert payment.state == "succeeded"
    assert payment.attention


def test_a_doubted_success_that_the_provider_denies_moves_nothing(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.scenario("cancel")
    prompt = silent_prompt(sandbox, push)
    post(prompt, unpaid(prompt, 1032))
    run_work("callbacks")
    mpesa.callback_sources = "196.201.214.200"
    mpesa.save()
    post(prompt, paid(prompt, receipt=RECEIPT))
    run_work("callbacks", "payments")
    payment = Payment.objects.get()
    assert (payment.state, payment.receipt) == ("cancelled", None)
    assert payment.next_attempt_at is None
    assert sandbox.counters()["stk_query"] == 1


def test_a_foreign_short_code_is_doubted_and_a_till_s_own_numbers_are_not(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    mpesa.short_code, mpesa.till_number = "5310080", "9310081"
    mpesa.transaction_type = "CustomerBuyGoodsOnline"
    mpesa.save()
    prompt = silent_prompt(sandbox, push)
    for number, is_doubted in (("174379", True), ("5310080", False), ("9310081", False)):
        post(prompt, paid(prompt), Businessshortcode=number)
        assert bool(InboundCallback.objects.latest("pk").doubts) is is_doubted


def confirmed_above(mpesa: MpesaSettings, limit: int) -> None:
    mpesa.confirm_above = limit
    mpesa.save()


def test_large_amounts_wait_for_the_provider_s_own_word(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Settle
) -> None:
    confirmed_above(mpesa, 999)
    push(PHONE, 1000, "INV001")
    settle()
    assert Payment.objects.get().state == "pending"
    run_work("payments")
    payment = Payment.objects.get()
    assert (payment.state, payment.receipt) == ("succeeded", None)
    work_later()
    payment.refresh_from_db()
    assert payment.receipt == sandbox.prompts()[0]["receipt"]
    assert InboundCallback.objects.get().status == "processed"
    assert told("payment.succeeded") == told("payment.receipt") == 1


def test_amounts_up_to_the_limit_are_settled_at_once(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Settle
) -> None:
    confirmed_above(mpesa, 1000)
    push(PHONE, 1000, "INV001")
    settle()
    assert Payment.objects.get().state == "succeeded"
    assert "stk_query" not in sandbox.counters()


def test_a_forged_success_above_the_limit_is_never_believed(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    confirmed_above(mpesa, 999)
    sandbox.scenario("cancel")
    prompt = silent_prompt(sandbox, push)
    post(prompt, paid(prompt, receipt=RECEIPT))
    for _ in range(15):
        work_later()
        run_work("payments")
    payment = Payment.objects.get()
    assert (payment.state, payment.receipt) == ("cancelled", None)
    assert "says paid" in payment.attention
    InboundCallback.objects.update(received_at=timezone.now() - timedelta(hours=49))
    work_later()
    assert InboundCallback.objects.get().status == "quarantined"


def test_a_confirmation_survives_a_provider_that_is_down_for_an_hour(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    confirmed_above(mpesa, 999)
    prompt = silent_prompt(sandbox, push)
    post(prompt, paid(prompt))
    sandbox.fault("flaky_query", rate=1.0, times=None)
    for _ in range(14):
        work_later()
        run_work("payments")
    assert Payment.objects.get().state == "pending"
    InboundCallback.objects.update(received_at=timezone.now() - timedelta(hours=1))
    sandbox.clear_faults()
    work_later()
    run_work("payments")
    work_later()
    payment = Payment.objects.get()
    assert (payment.state, payment.receipt) == ("succeeded", prompt["receipt"])


def test_a_large_payment_whose_answer_was_lost_is_confirmed_by_the_callback_s_id(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Settle
) -> None:
    confirmed_above(mpesa, 999)
    sandbox.fault("lose_answer", operation="stk_push")
    push(PHONE, 1000, "INV001")
    settle()
    assert Payment.objects.get().state == "unknown"
    run_work("payments")
    work_later()
    payment = Payment.objects.get()
    assert (payment.state, payment.receipt) == ("succeeded", sandbox.prompts()[0]["receipt"])
    assert sandbox.counters()["stk_query"] == 1


def test_a_late_success_above_the_limit_is_confirmed_and_wins(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    confirmed_above(mpesa, 999)
    prompt = silent_prompt(sandbox, push)
    post(prompt, unpaid(prompt, 1037))
    run_work("callbacks")
    post(prompt, paid(prompt))
    run_work("callbacks", "payments")
    work_later()
    payment = Payment.objects.get()
    assert (payment.state, payment.receipt) == ("succeeded", prompt["receipt"])
    assert payment.attention


@pytest.mark.parametrize("code", [4999, 7777])
def test_a_result_that_ends_nothing_gives_at_least_its_id(
    mpesa: MpesaSettings, sandbox: SandboxDriver, code: int
) -> None:
    sandbox.fault("lose_answer", operation="stk_push")
    prompt = silent_prompt(sandbox, push)
    assert Payment.objects.get().checkout_id is None
    post(prompt, unpaid(prompt, code))
    run_work("callbacks", "payments")
    payment = Payment.objects.get()
    assert payment.checkout_id == prompt["checkout_request_id"]
    assert payment.state == "succeeded"


def test_callbacks_out_of_order_find_their_own_payments(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Settle
) -> None:
    sandbox.fault("out_of_order")
    push(PHONE, 10, "INV001")
    sandbox.scenario("cancel")
    push("0712345679", 20, "INV002")
    settle()
    states = dict(Payment.objects.values_list("account_reference", "state"))
    assert states == {"INV001": "succeeded", "INV002": "cancelled"}


def test_a_worker_that_dies_while_settling_settles_once(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    prompt = silent_prompt(sandbox, push)
    post(prompt, paid(prompt))
    queue = work.get_queue("callbacks")
    (row,) = work.claim_rows(queue, limit=1).rows
    queue.handle(row)  # its effect is committed, and the worker dies before it says so
    past = timezone.now() - timedelta(seconds=1)
    InboundCallback.objects.update(next_attempt_at=past, lease_until=past)
    run_work("callbacks")
    assert InboundCallback.objects.get().status == "processed"
    assert told("payment.succeeded") == 1


def cancelled_by_query(sandbox: SandboxDriver) -> dict[str, Any]:
    """A prompt of which M-Pesa itself, asked, said that it was cancelled."""
    sandbox.scenario("cancel")
    prompt = silent_prompt(sandbox, push)
    make_due(Payment.objects.get())
    run_work("payments")
    assert Payment.objects.get().state == "cancelled"
    return prompt


def test_a_success_after_m_pesa_itself_said_not_paid_wins_and_alerts(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    prompt = cancelled_by_query(sandbox)
    post(prompt, paid(prompt, receipt=RECEIPT))
    run_work("callbacks")
    payment = Payment.objects.get()
    assert (payment.state, payment.receipt) == ("succeeded", RECEIPT)
    assert payment.attention == ledger.LATE_SUCCESS


def test_a_doubted_success_without_an_id_of_ours_is_never_asked_by_its_own(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    prompt = silent_prompt(sandbox, push)
    Payment.objects.update(checkout_id=None, state="unknown")
    post(prompt, paid(prompt), Businessshortcode="600999")
    run_work("callbacks")
    payment = Payment.objects.get()
    assert (payment.state, payment.checkout_id, payment.attention) == ("unknown", None, UNCONFIRMED)
    assert InboundCallback.objects.get().status == "quarantined"
    post(prompt, paid(prompt))  # the genuine one
    run_work("callbacks")
    payment.refresh_from_db()
    assert (payment.state, payment.receipt) == ("succeeded", prompt["receipt"])


def test_a_doubted_success_after_not_paid_is_not_believed_alone(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    prompt = cancelled_by_query(sandbox)
    post(prompt, paid(prompt, receipt=RECEIPT), Businessshortcode="600999")
    run_work("callbacks", "payments")
    work_later()
    payment = Payment.objects.get()
    assert (payment.state, payment.receipt, payment.attention) == ("cancelled", None, DISPUTED)
    assert InboundCallback.objects.get().status == "stored"
    assert sandbox.counters()["stk_query"] == 2


def test_a_doubted_success_after_not_paid_wins_when_m_pesa_confirms(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    prompt = cancelled_by_query(sandbox)
    # Asked again, M-Pesa answers for a request that was paid: it changed its mind.
    other = silent_prompt(sandbox, push, phone="0712345679")["checkout_request_id"]
    Payment.objects.filter(phone="254712345679").update(checkout_id="ws_CO_elsewhere")
    Payment.objects.filter(phone="254712345678").update(checkout_id=other)
    told_other = paid(prompt, checkout_id=other, receipt=RECEIPT)
    post(prompt, told_other, Businessshortcode="600999")
    run_work("callbacks", "payments")
    work_later()
    payment = Payment.objects.get(phone="254712345678")
    assert (payment.state, payment.receipt) == ("succeeded", RECEIPT)
    assert InboundCallback.objects.get().status == "processed"


@pytest.mark.parametrize("business", ["", "branch"])
def test_without_settings_at_work_time_a_success_needs_confirmation(
    mpesa: MpesaSettings, sandbox: SandboxDriver, business: str
) -> None:
    values = mpesa_values(sandbox, business=business)
    if business:
        MpesaSettings.objects.create(**values)
    prompt = silent_prompt(sandbox, push, business=business)
    post(prompt, paid(prompt))
    assert InboundCallback.objects.get().doubts == []
    MpesaSettings.objects.filter(business=business).delete()
    run_work("callbacks")
    assert (Payment.objects.get().state, InboundCallback.objects.get().status) == (
        "pending",
        "stored",
    )
    MpesaSettings.objects.create(**values)
    make_due(Payment.objects.get())
    run_work("payments")
    work_later()
    payment = Payment.objects.get()
    assert (payment.state, payment.receipt) == ("succeeded", prompt["receipt"])


def test_a_query_s_yes_does_not_settle_a_wrong_amount_and_a_right_callback_does(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    prompt = silent_prompt(sandbox, push)
    post(prompt, paid(prompt, amount=1, receipt=RECEIPT))
    run_work("callbacks")
    assert PaymentEvent.objects.filter(kind="wrong_amount").count() == 1
    run_work("payments")
    payment = Payment.objects.get()
    assert (payment.state, payment.receipt) == ("unknown", None)
    assert "but KES 1000" in payment.attention
    reasons = payment.events.filter(kind="attention").values_list("text", flat=True)
    assert WRONG_AMOUNT in reasons
    assert told("payment.succeeded") == 0
    post(prompt, paid(prompt))
    run_work("callbacks")
    payment.refresh_from_db()
    assert (payment.state, payment.receipt) == ("succeeded", prompt["receipt"])


def test_a_wrong_amount_in_a_doubted_callback_blocks_nothing(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    prompt = silent_prompt(sandbox, push)
    post(prompt, paid(prompt, amount=1, receipt=RECEIPT), Businessshortcode="600999")
    run_work("callbacks", "payments")
    assert PaymentEvent.objects.filter(kind="wrong_amount").count() == 0
    assert Payment.objects.get().state == "succeeded"


@pytest.mark.parametrize("is_key_missing", [True, False])
def test_a_callback_waits_for_the_key_however_long_it_takes(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settings: Any, is_key_missing: bool
) -> None:
    prompt = silent_prompt(sandbox, push)
    post(prompt, paid(prompt))
    good = settings.CYPHER_KEY
    settings.CYPHER_KEY = "" if is_key_missing else Fernet.generate_key().decode()
    keyring.forget()
    for _ in range(15):
        work_later()
    row = InboundCallback.objects.get()
    assert (row.status, row.work_state, row.attempts) == ("stored", "due", 0)
    assert row.work_error
    assert Payment.objects.get().state == "pending"
    settings.CYPHER_KEY = good
    keyring.forget()
    work_later()
    assert InboundCallback.objects.get().status == "processed"
    assert Payment.objects.get().receipt == prompt["receipt"]
