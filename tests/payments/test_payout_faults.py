"""Payouts and a network that fails: in doubt they are asked about, and never paid twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations.config import get_snapshot
from integrations.models import InitiatorAlarm, MpesaQuery, MpesaSettings, Payment
from integrations.payments import ledger, opening, out_asking, reconcile, sending
from integrations.payments import payouts as paying_out
from integrations.payments.initiator import credential_mark
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import PHONE, make_due, run_work
from tests.payments.results import age, answer_questions, paid_out, payouts, post, silent_payout
from tests.sandbox.driver import SandboxDriver

pay_out = MpesaPaymentService.pay_out
enqueue = MpesaPaymentService.enqueue_payout
REQUEST = paying_out.PayoutRequest(PHONE, 500, "REF001")


def the_payout() -> Payment:
    return Payment.objects.get()


def expire_lease() -> None:
    past = timezone.now() - timedelta(minutes=1)
    Payment.objects.update(lease_until=past, next_attempt_at=past)


def ask(sandbox: SandboxDriver, *, seconds: float = 120) -> Payment:
    """Let so much time have passed since the sending, and M-Pesa be asked and answer."""
    age(the_payout(), seconds)
    answer_questions(sandbox)
    return the_payout()


@pytest.mark.parametrize(
    ("fault", "taken"),
    [
        ({"kind": "lose_answer"}, 1),
        ({"kind": "error_after", "status": 502}, 1),
        ({"kind": "html"}, 0),
        ({"kind": "drop"}, 0),
        ({"kind": "error_before", "status": 503}, 0),
        ({"kind": "spike_arrest", "per_second": 0}, 0),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else str(value),
)
def test_without_a_clear_answer_it_is_unknown_and_asked_about(
    paying: MpesaSettings, sandbox: SandboxDriver, fault: dict[str, Any], taken: int
) -> None:
    sandbox.fault("no_callback", operation="b2c")
    sandbox.fault(**fault, operation="b2c")
    success, message, data = pay_out(PHONE, 500, "REF001")
    assert (success, data["state"], data["retry_safe"]) == (False, "unknown", False)
    assert "Don't send it again" in message
    sandbox.settle()
    assert len(payouts(sandbox)) == taken
    payment = ask(sandbox)
    assert sandbox.counters()["transaction_status"] == 1
    if taken:
        assert (payment.state, payment.receipt) == ("succeeded", payouts(sandbox)[0]["receipt"])
    else:
        assert payment.state == "unknown"
    run_work("payments")
    assert len(payouts(sandbox)) == taken


def test_what_never_arrived_is_sent_again_under_its_first_id(
    paying: MpesaSettings, sandbox: SandboxDriver, settings: Any
) -> None:
    settings.INTEGRATIONS_NOT_FOUND_SECONDS = 0.0
    sandbox.fault("drop", operation="b2c")
    pay_out(PHONE, 500, "REF001")
    first_id = the_payout().originator_id
    ask(sandbox)
    assert the_payout().state == "unknown"  # once is no proof
    payment = ask(sandbox)
    assert payment.state == "created"
    run_work("payments")
    sandbox.settle()
    run_work("callbacks")
    payment = the_payout()
    (order,) = payouts(sandbox)
    assert (payment.state, payment.receipt) == ("succeeded", order["receipt"])
    assert payment.originator_id == order["originator_id"] == first_id
    kinds = list(payment.events.values_list("kind", flat=True))
    assert kinds.count("not_arrived") == 1


@pytest.mark.parametrize(
    ("seconds", "gap"),
    [(-30, 0.0), (120, 300.0)],
    ids=["before the sender has surely given up", "two answers too close together"],
)
def test_absence_that_proves_nothing_sends_nothing(
    paying: MpesaSettings, sandbox: SandboxDriver, settings: Any, seconds: float, gap: float
) -> None:
    settings.INTEGRATIONS_NOT_FOUND_SECONDS = gap
    sandbox.fault("drop", operation="b2c")
    pay_out(PHONE, 500, "REF001")
    for _ in range(3):
        assert ask(sandbox, seconds=seconds).state == "unknown"
    assert sandbox.counters()["transaction_status"] == 3
    assert payouts(sandbox) == []


def test_without_a_code_for_absence_nothing_is_sent_again(
    paying: MpesaSettings, sandbox: SandboxDriver, settings: Any
) -> None:
    settings.INTEGRATIONS_NOT_FOUND_SECONDS = 0.0
    paying.not_found_codes = ""
    paying.save()
    sandbox.fault("drop", operation="b2c")
    pay_out(PHONE, 500, "REF001")
    for _ in range(3):
        assert ask(sandbox).state == "unknown"
    assert payouts(sandbox) == []


def test_after_three_times_it_fails_and_may_be_paid_anew(
    paying: MpesaSettings, sandbox: SandboxDriver, settings: Any
) -> None:
    settings.INTEGRATIONS_NOT_FOUND_SECONDS = 0.0
    sandbox.fault("drop", operation="b2c", times=None)
    pay_out(PHONE, 500, "REF001")
    for _ in range(3):
        ask(sandbox)
        assert ask(sandbox).state == "created"
        run_work("payments")
        assert the_payout().state == "unknown"
    ask(sandbox)
    payment = ask(sandbox)
    assert (payment.state, payment.result_code) == ("failed", "never_arrived")
    assert sandbox.counters()["b2c"] == 4
    assert payouts(sandbox) == []


def test_a_wrong_proof_of_absence_pays_once_all_the_same(
    paying: MpesaSettings, sandbox: SandboxDriver, settings: Any
) -> None:
    """M-Pesa says that it has none, and has it: it takes an id once."""
    settings.INTEGRATIONS_NOT_FOUND_SECONDS = 0.0
    sandbox.fault("lose_answer", operation="b2c")
    sandbox.fault("no_callback", operation="b2c")
    sandbox.scenario("R000002", operation="transaction_status", times=2)
    pay_out(PHONE, 500, "REF001")
    sandbox.settle()
    ask(sandbox)
    assert ask(sandbox).state == "created"
    run_work("payments")
    payment = the_payout()
    assert payment.state == "unknown"
    assert payment.events.filter(data__code="duplicate_originator").exists()
    payment = ask(sandbox)
    assert (payment.state, payment.receipt) == ("succeeded", payouts(sandbox)[0]["receipt"])
    assert len(payouts(sandbox)) == 1


def test_an_id_that_m_pesa_calls_taken_never_becomes_a_failure(
    paying: MpesaSettings, sandbox: SandboxDriver, settings: Any
) -> None:
    """It has the payout, whatever its other answers say: people look, and nobody pays anew."""
    settings.INTEGRATIONS_NOT_FOUND_SECONDS = 0.0
    sandbox.fault("lose_answer", operation="b2c")
    sandbox.fault("no_callback", operation="b2c")
    sandbox.scenario("R000002", operation="transaction_status", times=None)
    pay_out(PHONE, 500, "REF001")
    sandbox.settle()
    for _ in range(10):
        ask(sandbox)
        run_work("payments")
    payment = the_payout()
    assert (payment.state, bool(payment.attention)) == ("unknown", True)
    assert sandbox.counters()["b2c"] == 2
    assert len(payouts(sandbox)) == 1


def test_what_a_waiting_result_tells_of_is_never_sent_again(
    paying: MpesaSettings, sandbox: SandboxDriver, settings: Any
) -> None:
    settings.INTEGRATIONS_NOT_FOUND_SECONDS = 0.0
    paying.confirm_above = 100
    paying.save()
    sandbox.fault("lose_answer", operation="b2c")
    sandbox.scenario("R000002", operation="transaction_status", times=None)
    order = silent_payout(sandbox)
    assert post(order, paid_out(order)).status_code == 200
    run_work("callbacks")
    for _ in range(3):
        payment = ask(sandbox)
        run_work("payments")
    assert (payment.state, bool(payment.attention)) == ("unknown", True)
    assert sandbox.counters()["b2c"] == 1


@pytest.mark.parametrize(
    ("finding", "state"), [("not_paid", "failed"), ("paid", "unknown")], ids=["unpaid", "paid"]
)
def test_what_a_person_has_found_out_about_is_never_sent_again(
    paying: MpesaSettings, sandbox: SandboxDriver, settings: Any, finding: Any, state: str
) -> None:
    """They may have paid it by other means since."""
    settings.INTEGRATIONS_NOT_FOUND_SECONDS = 0.0
    sandbox.fault("drop", operation="b2c")
    pay_out(PHONE, 500, "REF001")
    payment = the_payout()
    ledger.flag(payment, "Look at it")
    ledger.settle_attention(payment, "Statement", seen="Look at it", finding=finding)
    for _ in range(3):
        ask(sandbox)
        run_work("payments")
    assert the_payout().state == state
    assert sandbox.counters()["b2c"] == 1


def test_what_was_found_out_before_the_second_sending_stops_it(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    enqueue(PHONE, 500, "REF001")
    Payment.objects.update(finding="not_paid")
    run_work("payments")
    payment = the_payout()
    assert (payment.state, payment.result_code) == ("failed", "settled_by_hand")
    assert payouts(sandbox) == []


def test_a_result_that_comes_before_the_second_sending_settles_it(
    paying: MpesaSettings, sandbox: SandboxDriver, settings: Any
) -> None:
    settings.INTEGRATIONS_NOT_FOUND_SECONDS = 0.0
    sandbox.fault("lose_answer", operation="b2c")
    sandbox.scenario("R000002", operation="transaction_status", times=2)
    order = silent_payout(sandbox)
    ask(sandbox)
    assert ask(sandbox).state == "created"
    assert post(order, paid_out(order)).status_code == 200
    run_work("callbacks")
    run_work("payments")
    payment = the_payout()
    assert (payment.state, payment.receipt) == ("succeeded", order["receipt"])
    assert sandbox.counters()["b2c"] == 1


def test_a_crash_between_the_commit_and_the_call_is_asked_about_and_paid_once(
    paying: MpesaSettings, sandbox: SandboxDriver, settings: Any
) -> None:
    settings.INTEGRATIONS_NOT_FOUND_SECONDS = 0.0
    paying_out.open_payment(REQUEST, sending=True)  # and here the process dies
    run_work("payments")
    assert the_payout().state == "sending"
    expire_lease()
    run_work("payments")
    payment = the_payout()
    assert (payment.state, payment.work_state) == ("unknown", "due")
    assert "b2c" not in sandbox.counters()
    ask(sandbox)
    ask(sandbox)
    run_work("payments")
    sandbox.settle()
    run_work("callbacks")
    assert the_payout().state == "succeeded"
    assert len(payouts(sandbox)) == 1


def test_a_crash_after_the_call_is_asked_about_and_never_sent_again(
    paying: MpesaSettings, sandbox: SandboxDriver, settings: Any
) -> None:
    settings.INTEGRATIONS_NOT_FOUND_SECONDS = 0.0
    sandbox.fault("no_callback", operation="b2c")
    payment, token, _ = paying_out.open_payment(REQUEST, sending=True)
    paying_out._call(payment, token, time.monotonic() + 5)  # and here the process dies
    sandbox.settle()
    expire_lease()
    run_work("payments")
    assert the_payout().state == "unknown"
    payment = ask(sandbox)
    assert (payment.state, payment.receipt) == ("succeeded", payouts(sandbox)[0]["receipt"])
    assert sandbox.counters()["b2c"] == 1


def test_a_sender_that_slept_past_its_lease_sends_nothing(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    payment, token, _ = paying_out.open_payment(REQUEST, sending=True)
    paying_out.send(payment, token, deadline=time.monotonic() - 0.1)
    assert (payment.state, payment.result_code) == ("failed", "timeout")
    assert "b2c" not in sandbox.counters()


def test_a_queued_payout_that_could_not_leave_is_tried_again(
    paying: MpesaSettings, sandbox: SandboxDriver, settings: Any
) -> None:
    home = {"sandbox_url": paying.sandbox_url, "secret_hosts": paying.secret_hosts}
    settings.OUTBOUND_ALLOWED_HOSTS = [*settings.OUTBOUND_ALLOWED_HOSTS, "127.0.0.1:9"]
    MpesaSettings.objects.update(sandbox_url="http://127.0.0.1:9/", secret_hosts=["127.0.0.1:9"])
    enqueue(PHONE, 500, "REF001")
    run_work("payments")
    payment = the_payout()
    assert (payment.state, payment.events.filter(kind="not_sent").count()) == ("created", 1)
    assert "b2c" not in sandbox.counters()
    first_id = payment.originator_id
    MpesaSettings.objects.update(**home)
    make_due(payment)
    run_work("payments")
    assert [order["originator_id"] for order in payouts(sandbox)] == [first_id]


def test_once_acknowledged_it_is_asked_about_when_no_result_comes(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    order = silent_payout(sandbox)
    payment = the_payout()
    assert payment.state == "pending"
    run_work("payments")
    assert "transaction_status" not in sandbox.counters()
    payment = ask(sandbox, seconds=paying_out.RESULT_PATIENCE + 1)
    assert (payment.state, payment.receipt) == ("succeeded", order["receipt"])


def test_what_was_acknowledged_is_never_sent_again_whatever_is_answered(
    paying: MpesaSettings, sandbox: SandboxDriver, settings: Any
) -> None:
    settings.INTEGRATIONS_NOT_FOUND_SECONDS = 0.0
    sandbox.scenario("R000002", operation="transaction_status", times=None)
    silent_payout(sandbox)
    Payment.objects.update(state="unknown")
    for _ in range(3):
        payment = ask(sandbox)
        assert payment.state == "unknown"
    assert payment.attention
    run_work("payments")
    assert sandbox.counters()["b2c"] == 1


def test_what_timed_out_in_the_queue_is_never_sent_again(
    paying: MpesaSettings, sandbox: SandboxDriver, settings: Any
) -> None:
    settings.INTEGRATIONS_NOT_FOUND_SECONDS = 0.0
    sandbox.fault("lose_answer", operation="b2c")
    sandbox.fault("timeout_delivery", operation="b2c", processed=False)
    sandbox.scenario("R000002", operation="transaction_status", times=None)
    pay_out(PHONE, 500, "REF001")
    sandbox.settle()
    run_work("callbacks")
    for _ in range(3):
        payment = ask(sandbox)
        assert payment.state == "unknown"
    assert payment.attention
    assert sandbox.counters()["b2c"] == 1


def test_two_days_without_an_outcome_bring_it_to_people(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.fault("no_callback", operation="transaction_status", times=None)
    silent_payout(sandbox)
    payment = ask(sandbox, seconds=172_801)
    assert (payment.state, payment.attention) == ("unknown", out_asking.GIVEN_UP)
    assert payment.next_attempt_at is None


def test_what_stays_disputed_is_no_dead_work(paying: MpesaSettings, sandbox: SandboxDriver) -> None:
    sandbox.fault("no_callback", operation="transaction_status", times=None)
    silent_payout(sandbox)
    Payment.objects.update(state="failed", attention="A callback says paid", attempts=0)
    make_due(the_payout())
    for _ in range(out_asking.RECHECKS):
        run_work("payments")
        if the_payout().next_attempt_at:
            make_due(the_payout())
    assert the_payout().work_state == "done"


def test_a_crash_while_it_is_given_up_leaves_it_to_the_next_worker(
    paying: MpesaSettings, sandbox: SandboxDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.fault("no_callback", operation="transaction_status", times=None)
    silent_payout(sandbox)
    age(the_payout(), 172_801)
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "flag", _die)
        with pytest.raises(KeyboardInterrupt):
            out_asking.ask(the_payout())
    payment = the_payout()
    assert (payment.state, payment.work_state) == ("pending", "due")
    assert payment.next_attempt_at is not None
    run_work("payments")
    assert the_payout().attention == out_asking.GIVEN_UP


def _die(*_: Any) -> None:
    raise KeyboardInterrupt


# --- v1: no id of ours ---------------------------------------------------------------------------


@pytest.fixture
def v1(paying: MpesaSettings) -> MpesaSettings:
    paying.b2c_version = "v1"
    paying.save()
    return paying


def test_v1_takes_its_id_from_the_acknowledgement(
    v1: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    pay_out(PHONE, 500, "REF001")
    payment = the_payout()
    (order,) = payouts(sandbox)
    assert (order["version"], payment.originator_id) == ("v1", order["originator_id"])
    settle()
    assert the_payout().state == "succeeded"


def test_v1_without_an_acknowledgement_waits_for_its_result(
    v1: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.fault("lose_answer", operation="b2c")
    order = silent_payout(sandbox)
    payment = the_payout()
    assert (payment.state, payment.originator_id) == ("unknown", None)
    ask(sandbox)
    assert "transaction_status" not in sandbox.counters()
    payment = ask(sandbox, seconds=out_asking.UNASKABLE_AFTER + 1)
    assert (payment.state, payment.attention) == ("unknown", out_asking.NOTHING_TO_ASK_BY)
    assert "transaction_status" not in sandbox.counters()
    assert post(order, paid_out(order)).status_code == 200
    run_work("callbacks")
    payment = the_payout()
    assert (payment.state, payment.originator_id) == ("succeeded", order["originator_id"])
    assert sandbox.counters()["b2c"] == 1


def test_the_version_at_the_sending_decides_whether_the_id_is_ours(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    enqueue(PHONE, 500, "REF001")
    assert the_payout().originator_id
    paying.b2c_version = "v1"
    paying.save()
    sandbox.fault("lose_answer", operation="b2c")
    sandbox.fault("no_callback", operation="b2c")
    run_work("payments")
    assert (the_payout().state, the_payout().originator_id) == ("unknown", None)
    assert payouts(sandbox)[0]["version"] == "v1"


def test_a_version_that_changes_before_the_call_sends_nothing(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    payment, token, _ = paying_out.open_payment(REQUEST, sending=True)
    paying.b2c_version = "v1"
    paying.save()
    paying_out.send(payment, token, deadline=time.monotonic() + 5)
    assert (payment.state, payment.result_code) == ("failed", "version_changed")
    assert payouts(sandbox) == []


def test_what_never_arrived_is_not_sent_again_without_its_id(
    paying: MpesaSettings, sandbox: SandboxDriver, settings: Any
) -> None:
    settings.INTEGRATIONS_NOT_FOUND_SECONDS = 0.0
    sandbox.fault("drop", operation="b2c")
    pay_out(PHONE, 500, "REF001")
    ask(sandbox)
    assert ask(sandbox).state == "created"
    paying.b2c_version = "v1"
    paying.save()
    run_work("payments")
    payment = the_payout()
    assert (payment.state, payment.result_code) == ("failed", "version_changed")
    assert payouts(sandbox) == []


# --- the initiator -------------------------------------------------------------------------------


def hold(paying: MpesaSettings) -> None:
    InitiatorAlarm.objects.create(
        business="", environment="sandbox", short_code=paying.short_code, failures=2,
        raised_at=timezone.now(), credential_mark=credential_mark(get_snapshot("mpesa")),
    )  # fmt: skip


def test_while_the_initiator_is_refused_queued_payouts_wait(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    hold(paying)
    success, _, data = pay_out(PHONE, 500, "REF001")
    assert (success, data["code"], data["state"]) == (False, "initiator_held", "refused")
    assert enqueue(PHONE, 500, "REF001")[0]
    run_work("payments")
    payment = the_payout()
    assert (payment.state, payment.work_state) == ("created", "due")
    assert "password" in payment.work_error
    assert payouts(sandbox) == []
    InitiatorAlarm.objects.update(raised_at=None)
    make_due(payment)
    run_work("payments")
    assert len(payouts(sandbox)) == 1


def test_a_wrong_password_is_told_and_counted(
    paying: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    sandbox.initiator("600999", password="Another1#")
    for number in range(2):
        pay_out(PHONE, 500 + number, "REF001")
        settle()
    failed = Payment.objects.first()
    assert failed is not None
    assert (failed.state, failed.result_code) == ("failed", "2001")
    assert "password" in failed.message
    assert InitiatorAlarm.objects.get().raised_at is not None
    assert pay_out(PHONE, 600, "REF002")[2]["code"] == "initiator_held"


# --- people ask ----------------------------------------------------------------------------------


def test_a_person_asks_and_the_answer_follows(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    order = silent_payout(sandbox)
    inquiry = reconcile.ask_now(the_payout())
    assert inquiry.answered
    assert "asked" in inquiry.words
    sandbox.settle()
    run_work("callbacks")
    assert the_payout().receipt == order["receipt"]
    inquiry = reconcile.ask_now(the_payout())
    assert not inquiry.answered
    assert "settled" in inquiry.words
    assert MpesaQuery.objects.count() == 1


def test_a_result_faster_than_the_acknowledgement_is_kept(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.fault("early_callback", operation="b2c")
    sandbox.fault("slow", operation="b2c", seconds=0.3)
    pay_out(PHONE, 500, "REF001")
    run_work("callbacks")
    payment = the_payout()
    assert payment.state == "succeeded"
    assert payment.conversation_id == payouts(sandbox)[0]["conversation_id"]


def test_the_path_s_secret_is_stored_as_a_digest_only(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    order = silent_payout(sandbox)
    token = order["result_url"].rstrip("/").rsplit("/", 1)[-1]
    assert token in order["timeout_url"]
    assert the_payout().callback_digest == opening.digest_of(token)
    assert sending.IN_DOUBT  # the words that callers hear
