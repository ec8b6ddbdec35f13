"""Lost, late, doubled and foreign answers, and senders that die: each question ends, once."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from integrations import work
from integrations.models import (
    AccountBalance,
    InboundCallback,
    Integrations,
    MpesaQuery,
    MpesaSettings,
    Payment,
)
from integrations.payments import queries, query_sender
from integrations.payments.opening import digest_of
from integrations.payments.query_states import OPEN, TRANSITIONS
from integrations.providers.mpesa.codes import BALANCE_RESULTS, STATUS_RESULTS, Outcome
from tests.conftest import CONSUMER_KEY, CONSUMER_SECRET, run_work
from tests.payments.questions import (
    SHORT_CODE,
    account,
    age_sent,
    answered,
    asked_book,
    callback_states,
    entries,
    letter,
    make_due,
    post,
)
from tests.sandbox.driver import SandboxDriver

__all__ = ["account"]
BALANCES = "Working Account|KES|700.00|700.00|0.00|0.00&Charges Paid Account|KES|-15.00|-15.00|0|0"


def ask(sandbox: SandboxDriver, **values: Any) -> MpesaQuery:
    """A balance question that is sent, and whose answer does not come by itself."""
    sandbox.fault("no_callback", operation="account_balance")
    query = queries.ask_balance(business="", now=True, **values)
    sandbox.settle()
    return query


def told(sandbox: SandboxDriver) -> dict[str, Any]:
    return asked_book(sandbox)[-1]


def balance(told_of: dict[str, Any], text: str = BALANCES, **changes: Any) -> dict[str, Any]:
    parameters = entries(AccountBalance=text, BOCompletedTime=20260114093021)
    return letter(told_of, **{**parameters, **changes})


def claim() -> MpesaQuery:
    """Take the only due question, as a worker does."""
    (row,) = work.claim_rows(work.get_queue("queries"), limit=1).rows
    row.claim_deadline = time.monotonic() + 10
    return row


def expire_lease() -> None:
    past = timezone.now() - timedelta(minutes=1)
    MpesaQuery.objects.update(lease_until=past, next_attempt_at=past)


def states() -> list[str]:
    return list(MpesaQuery.objects.order_by("pk").values_list("state", flat=True))


# --- sending ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["lose_answer", "html", "empty", "error_after"])
def test_a_lost_acknowledgement_is_no_lost_answer(
    account: MpesaSettings, sandbox: SandboxDriver, fault: str
) -> None:
    sandbox.fault(fault, operation="account_balance", times=None, processed=True)
    query = queries.ask_balance(business="", now=True)
    assert (query.state, query.conversation_id) == ("sent", None)
    sandbox.settle()
    run_work("callbacks")
    query.refresh_from_db()
    assert query.state == "answered"
    assert query.conversation_id
    # It was not sent again meanwhile: a second result would be nobody's.
    assert len(asked_book(sandbox)) == 1
    assert callback_states() == ["processed"]


def test_what_did_not_leave_waits_and_is_sent_later(
    account: MpesaSettings, sandbox: SandboxDriver, settings: Any
) -> None:
    account.sandbox_url = "http://127.0.0.1:9"
    account.consumer_key = account.consumer_secret = account.passkey = "typed-again"
    account.initiator_password = "typed-again"
    account.security_credential = ""
    account.save()
    settings.OUTBOUND_ALLOWED_HOSTS = ["127.0.0.1:9"]
    query = queries.ask_balance(business="", now=True)
    assert (query.state, query.callback_digest, query.sent_at) == ("waiting", None, None)
    assert query.message
    assert query.next_attempt_at is not None
    assert query.next_attempt_at > timezone.now()


def test_a_gateway_that_asks_to_slow_down_is_asked_again_later(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.fault("spike_arrest", operation="account_balance", times=None)
    query = queries.ask_balance(business="", now=True)
    assert query.state == "waiting"
    sandbox.clear_faults()
    make_due()
    answered(sandbox)
    query.refresh_from_db()
    assert (query.state, query.try_number) == ("answered", 1)


def test_a_product_that_is_not_granted_is_refused_for_good(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.app(CONSUMER_KEY, CONSUMER_SECRET, products=["stk_push"])
    query = queries.ask_balance(business="", now=True)
    assert query.state == "refused"
    assert "not enabled on the Daraja app" in query.message
    assert (query.open_key, query.next_attempt_at) == (None, None)


def test_what_could_not_be_sent_for_an_hour_is_given_up(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    query = queries.ask_balance(business="")
    MpesaQuery.objects.update(created_at=timezone.now() - timedelta(seconds=3601))
    run_work("queries")
    query.refresh_from_db()
    assert (query.state, query.message) == ("unanswered", query_sender.TOO_OLD)
    assert asked_book(sandbox) == []


def test_an_account_that_was_switched_off_is_not_asked_for_balances(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    account.integration = Integrations.objects.create(is_active=False)
    account.save()
    assert queries.ask_status(business="", receipt="UAE4X7K2QP").state == "waiting"
    with pytest.raises(queries.IntegrationError, match="switched off"):
        queries.ask_balance(business="")


# --- a worker that dies -------------------------------------------------------------------------


def test_a_worker_that_died_before_it_committed_loses_nothing(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    query = queries.ask_balance(business="")
    claim()
    run_work("queries")
    assert asked_book(sandbox) == []  # It is held.
    expire_lease()
    answered(sandbox)
    query.refresh_from_db()
    assert (query.state, query.try_number) == ("answered", 1)


def test_a_worker_that_died_between_commit_and_call_is_followed_by_another_try(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    queries.ask_balance(business="")
    assert query_sender.begin(claim(), digest_of("a" * 32))
    expire_lease()
    run_work("queries")
    assert states() == ["sent"]  # It may have been sent: its answer is waited for.
    assert asked_book(sandbox) == []
    first = MpesaQuery.objects.get()
    age_sent(first, query_sender.ANSWER_PATIENCE + 1)
    run_work("queries")
    assert states() == ["unanswered", "waiting"]
    make_due()
    answered(sandbox)
    assert states() == ["unanswered", "answered"]
    assert len(asked_book(sandbox)) == 1
    assert queries.standing_of(first).state == "answered"


def test_a_worker_that_died_between_call_and_answer_is_not_missed(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    query = ask(sandbox)
    MpesaQuery.objects.update(
        conversation_id=None, originator_id=None, work_state="leased", claim_token="gone"
    )
    expire_lease()
    run_work("queries")
    assert len(asked_book(sandbox)) == 1
    post(told(sandbox), balance(told(sandbox)))
    run_work("callbacks")
    query.refresh_from_db()
    assert (query.state, query.conversation_id) == ("answered", told(sandbox)["conversation_id"])
    assert AccountBalance.objects.filter(is_latest=True).count() == 2


def test_a_sender_that_slept_past_its_claim_sends_nothing(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    queries.ask_balance(business="")
    sleeper = claim()
    expire_lease()
    other = claim()
    query_sender.advance(sleeper)
    assert asked_book(sandbox) == []
    query_sender.advance(other)
    query_sender.advance(sleeper)
    assert len(asked_book(sandbox)) == 1


# --- no answer, and answers that come late ------------------------------------------------------


def test_without_an_answer_it_is_asked_three_times_and_no_more(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.fault("no_callback", operation="account_balance", times=None)
    queries.ask_balance(business="")
    for tries in (1, 2, 3):
        make_due()
        run_work("queries")
        assert len(asked_book(sandbox)) == tries
        newest = MpesaQuery.objects.latest("pk")
        assert (newest.state, newest.try_number) == ("sent", tries)
        run_work("queries")  # Not before its patience is over.
        age_sent(newest, query_sender.ANSWER_PATIENCE + 1)
        run_work("queries")
    assert states() == ["unanswered"] * 3
    assert not MpesaQuery.objects.exclude(next_attempt_at=None, open_key=None).exists()
    digests = set(MpesaQuery.objects.values_list("callback_digest", flat=True))
    assert len(digests) == 3


def test_each_further_try_waits_longer(account: MpesaSettings, sandbox: SandboxDriver) -> None:
    for pause in query_sender.TRY_PAUSES:
        query = MpesaQuery.objects.order_by("-pk").first() or ask(sandbox)
        MpesaQuery.objects.filter(pk=query.pk).update(state="sent")
        age_sent(query, query_sender.ANSWER_PATIENCE + 1)
        run_work("queries")
        newest = MpesaQuery.objects.latest("pk")
        assert newest.next_attempt_at is not None
        left = (newest.next_attempt_at - newest.created_at).total_seconds()
        assert pause - 1 < left < pause + 1


def test_a_late_answer_still_counts_and_the_next_try_is_dropped(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    query = ask(sandbox)
    age_sent(query, query_sender.ANSWER_PATIENCE + 1)
    run_work("queries")
    assert states() == ["unanswered", "waiting"]
    post(told(sandbox), balance(told(sandbox)))
    run_work("callbacks")
    make_due()
    run_work("queries")
    assert states() == ["answered", "dropped"]
    assert len(asked_book(sandbox)) == 1
    # And a new question may be asked.
    assert queries.ask_balance(business="").try_number == 1


def test_a_late_answer_while_the_next_try_is_out_ends_both(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    query = ask(sandbox)
    first = told(sandbox)
    age_sent(query, query_sender.ANSWER_PATIENCE + 1)
    run_work("queries")
    sandbox.fault("no_callback", operation="account_balance")
    make_due()
    run_work("queries")
    assert states() == ["unanswered", "sent"]
    post(first, balance(first))
    run_work("callbacks")
    age_sent(MpesaQuery.objects.latest("pk"), query_sender.ANSWER_PATIENCE + 1)
    run_work("queries")
    assert states() == ["answered", "unanswered"]
    assert queries.standing_of(MpesaQuery.objects.latest("pk")).pk == query.pk


def test_an_answer_before_the_acknowledgement_counts(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.fault("early_callback", operation="account_balance")
    query = queries.ask_balance(business="", now=True)
    sandbox.settle()
    run_work("callbacks")
    query.refresh_from_db()
    assert query.state == "answered"
    assert query.conversation_id == told(sandbox)["conversation_id"]
    assert query.next_attempt_at is None


def test_an_answer_that_is_worked_on_before_the_acknowledgement_is_kept(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.fault("early_callback", operation="account_balance")
    sandbox.fault("slow", operation="account_balance", seconds=0.5)
    asking = threading.Thread(
        target=lambda: (queries.ask_balance(business="", now=True), connection.close())
    )
    asking.start()
    while "answered" not in states() and asking.is_alive():
        run_work("callbacks")
    assert asking.is_alive()
    asking.join()
    query = MpesaQuery.objects.get()
    assert (query.state, query.next_attempt_at) == ("answered", None)
    assert query.conversation_id == told(sandbox)["conversation_id"]


@pytest.mark.parametrize("parallel", [False, True])
def test_an_answer_that_comes_twice_is_stored_once(
    account: MpesaSettings, sandbox: SandboxDriver, parallel: bool
) -> None:
    sandbox.fault("duplicate_callback", operation="account_balance", copies=3, parallel=parallel)
    queries.ask_balance(business="")
    answered(sandbox)
    assert callback_states() == ["duplicate", "duplicate", "processed"]
    assert AccountBalance.objects.count() == len(sandbox.accounts(SHORT_CODE))


def test_the_same_answer_with_the_other_type_of_code_is_a_duplicate(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    ask(sandbox)
    for code in (0, "0"):
        post(told(sandbox), balance(told(sandbox), code=code))
    run_work("callbacks")
    assert callback_states() == ["duplicate", "processed"]
    assert AccountBalance.objects.count() == 2


def test_a_refusal_after_the_answer_changes_nothing_and_an_answer_after_a_refusal_wins(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    query = ask(sandbox)
    post(told(sandbox), letter(told(sandbox), 21))
    run_work("callbacks")
    query.refresh_from_db()
    assert query.state == "refused"
    post(told(sandbox), balance(told(sandbox)))
    post(told(sandbox), letter(told(sandbox), 25))
    run_work("callbacks")
    query.refresh_from_db()
    assert (query.state, query.result_code) == ("answered", "0")


# --- time-outs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["result", "zero", "flat"])
def test_a_time_out_is_no_answer(account: MpesaSettings, sandbox: SandboxDriver, form: str) -> None:
    sandbox.fault("timeout_delivery", operation="account_balance", form=form)
    queries.ask_balance(business="")
    answered(sandbox)
    assert states() == ["unanswered", "waiting"]
    assert MpesaQuery.objects.earliest("pk").message == "The question expired in M-Pesa's queue."
    assert not AccountBalance.objects.exists()
    assert MpesaQuery.objects.latest("pk").next_attempt_at > timezone.now()  # type: ignore[operator]
    make_due()
    answered(sandbox)
    assert states() == ["unanswered", "answered"]


def test_an_answer_after_a_time_out_counts(account: MpesaSettings, sandbox: SandboxDriver) -> None:
    query = ask(sandbox)
    post(told(sandbox), {"anything": True}, timeout=True)
    run_work("callbacks")
    assert states() == ["unanswered", "waiting"]
    post(told(sandbox), balance(told(sandbox)))
    run_work("callbacks")
    query.refresh_from_db()
    assert query.state == "answered"


def test_a_time_out_after_the_answer_changes_nothing(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    ask(sandbox)
    post(told(sandbox), balance(told(sandbox)))
    post(told(sandbox), letter(told(sandbox), 1), timeout=True)
    run_work("callbacks")
    assert states() == ["answered"]
    assert callback_states() == ["processed", "processed"]


# --- codes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted(set(BALANCE_RESULTS) - {"0"}))
def test_every_code_of_a_balance_question(
    account: MpesaSettings, sandbox: SandboxDriver, code: str
) -> None:
    sandbox.scenario(code, operation="account_balance")
    query = queries.ask_balance(business="")
    answered(sandbox)
    query.refresh_from_db()
    meaning = BALANCE_RESULTS[code]
    asks_again = meaning.retry or meaning.outcome is Outcome.UNKNOWN
    assert query.state == ("unanswered" if asks_again else "refused")
    assert (query.result_code, query.message) == (code, meaning.sentence)
    assert MpesaQuery.objects.count() == (2 if asks_again else 1)


@pytest.mark.parametrize("code", sorted(set(STATUS_RESULTS) - {"0"}))
def test_every_code_of_a_status_question(
    account: MpesaSettings, sandbox: SandboxDriver, code: str
) -> None:
    sandbox.scenario(code, operation="transaction_status")
    query = queries.ask_status(business="", receipt="UAE4X7K2QP")
    answered(sandbox)
    query.refresh_from_db()
    meaning = STATUS_RESULTS[code]
    asks_again = meaning.retry or meaning.outcome is Outcome.UNKNOWN
    expected = "unanswered" if asks_again else "refused"
    assert query.state == ("answered" if code == "R000002" else expected)
    assert (query.result_code, query.message) == (code, meaning.sentence)


def test_a_code_that_nobody_documented_is_no_refusal(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.scenario("ZZ9", operation="account_balance")
    queries.ask_balance(business="")
    answered(sandbox)
    assert states() == ["unanswered", "waiting"]


@pytest.mark.parametrize(
    "shape",
    [
        {"code": "string"},
        {"parameters": "single"},
        {"parameters": "list", "reference": "list", "result_type": "string"},
        {"dates": "string", "amounts": "string", "transaction_id": "missing"},
        {"reference": "missing", "transaction_id": "empty", "spaced": True},
        {"repeat": "AccountBalance", "without_value": "BOCompletedTime"},
    ],
)
def test_every_shape_of_an_answer_is_understood(
    account: MpesaSettings, sandbox: SandboxDriver, shape: dict[str, Any]
) -> None:
    sandbox.fault("result_shape", operation="account_balance", **shape)
    query = queries.ask_balance(business="")
    answered(sandbox)
    query.refresh_from_db()
    assert query.state == "answered"
    held = {row.account: row.available for row in AccountBalance.objects.all()}
    assert held == sandbox.accounts(SHORT_CODE)


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "Working Account|KES", "Working Account|KES|x|y|z|u",
     "Working Account|KES|1e20|1|0|0", "Working Account|KES|1.005|1|0|0"],
)  # fmt: skip
def test_an_answer_that_can_not_be_read_is_kept_for_people(
    account: MpesaSettings, sandbox: SandboxDriver, text: str
) -> None:
    query = ask(sandbox)
    post(told(sandbox), balance(told(sandbox), text))
    run_work("callbacks")
    assert callback_states() == ["quarantined"]
    query.refresh_from_db()
    assert query.state == "sent"
    assert not AccountBalance.objects.exists()


def test_the_status_of_another_receipt_is_not_believed(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.fault("no_callback", operation="transaction_status")
    query = queries.ask_status(business="", receipt="UAE4X7K2QP", now=True)
    sandbox.settle()
    body = letter(
        told(sandbox), **entries(ReceiptNo="UAE0THER00", TransactionStatus="Completed", Amount=1)
    )
    post(told(sandbox), body)
    run_work("callbacks")
    query.refresh_from_db()
    assert (query.state, callback_states()) == ("sent", ["quarantined"])


# --- whose answer it is -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"ConversationID": "AG_20260101_00000000000000000000"},
        {"OriginatorConversationID": "29115-34620561-1"},
        {"ConversationID": None, "OriginatorConversationID": None},
        {"ConversationID": "", "OriginatorConversationID": "29115-34620561-1"},
    ],
)
def test_an_answer_with_wrong_ids_is_quarantined(
    account: MpesaSettings, sandbox: SandboxDriver, changes: dict[str, Any]
) -> None:
    query = ask(sandbox)
    post(told(sandbox), balance(told(sandbox), **changes))
    run_work("callbacks")
    query.refresh_from_db()
    assert (query.state, callback_states()) == ("sent", ["quarantined"])


def test_before_the_acknowledgement_ids_of_another_request_are_not_taken(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    Payment.objects.create(
        provider="mpesa", product="b2c", direction="out", environment="sandbox", amount=10,
        state="pending", conversation_id="AG_1", originator_id="bengo-1", next_attempt_at=None,
    )  # fmt: skip
    query = ask(sandbox)
    MpesaQuery.objects.update(conversation_id=None, originator_id=None)
    for ids in ({"ConversationID": "AG_1"}, {"OriginatorConversationID": "bengo-1"}):
        post(told(sandbox), balance(told(sandbox), **ids))
    run_work("callbacks")
    query.refresh_from_db()
    assert (query.state, callback_states()) == ("sent", ["quarantined", "quarantined"])
    post(told(sandbox), balance(told(sandbox)))
    run_work("callbacks")
    query.refresh_from_db()
    assert query.state == "answered"


def test_an_answer_from_a_foreign_address_is_not_believed(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    query = ask(sandbox)
    account.callback_sources = "196.201.214.200"
    account.save()
    assert post(told(sandbox), balance(told(sandbox))).status_code == 200
    run_work("callbacks")
    query.refresh_from_db()
    assert (query.state, callback_states()) == ("sent", ["quarantined"])
    assert "127.0.0.1" in InboundCallback.objects.get().reason


def test_an_answer_for_another_short_code_is_not_believed(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    query = ask(sandbox)
    post(told(sandbox), balance(told(sandbox)), Businessshortcode="600000")
    run_work("callbacks")
    assert callback_states() == ["quarantined"]
    post(told(sandbox), balance(told(sandbox)), Businessshortcode=SHORT_CODE)
    run_work("callbacks")
    query.refresh_from_db()
    assert query.state == "answered"


def test_an_unknown_path_is_refused_and_a_body_that_is_none_is_malformed(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    query = ask(sandbox)
    known = told(sandbox)
    stranger = {**known, "result_url": known["result_url"].replace("/result/", "/result/0")}
    assert post(stranger, balance(known)).status_code == 401
    assert post(known, [1]).status_code == 400  # type: ignore[arg-type]
    run_work("callbacks")
    query.refresh_from_db()
    assert query.state == "sent"
    assert callback_states() == ["quarantined", "quarantined"]


def test_an_answer_outlives_its_settings(account: MpesaSettings, sandbox: SandboxDriver) -> None:
    query = ask(sandbox)
    account.delete()
    assert post(told(sandbox), balance(told(sandbox))).status_code == 200
    run_work("callbacks")
    query.refresh_from_db()
    # Code defaults list Safaricom's own addresses: from elsewhere it is doubted, not lost.
    assert (query.state, callback_states()) == ("sent", ["quarantined"])


# --- the table ----------------------------------------------------------------------------------


def test_open_states_lead_somewhere_and_an_answer_is_the_end() -> None:
    assert {state for state, targets in TRANSITIONS.items() if not targets} == {
        "answered", "dropped",
    }  # fmt: skip
    assert all(TRANSITIONS[state] for state in OPEN)
