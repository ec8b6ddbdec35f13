"""An initiator that M-Pesa refuses: one alarm, calls held back, and what lifts it."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from integrations.config import get_snapshot
from integrations.health.warnings import warnings_for
from integrations.models import (
    AuditEntry,
    DomainEvent,
    InitiatorAlarm,
    MpesaQuery,
    MpesaSettings,
    act_as,
)
from integrations.payments import account_warnings, initiator, queries
from integrations.payments.event_types import INITIATOR_PAYLOAD
from integrations.payments.initiator import (
    HELD,
    initiator_is_held,
    note_initiator_result,
)
from tests.conftest import run_work
from tests.events.makers import judge_events
from tests.hunt.plants import planted
from tests.payments.questions import SHORT_CODE, account, answered, asked_book, make_due
from tests.sandbox.driver import SandboxDriver

__all__ = ["account"]


def note(code: str = "2001", **values: Any) -> None:
    note_initiator_result("", "sandbox", SHORT_CODE, code, **values)


def held() -> bool:
    return initiator_is_held(get_snapshot("mpesa"))


def alarms() -> int:
    return DomainEvent.objects.filter(event_type="mpesa.initiator_failing").count()


def typed_days_ago(row: MpesaSettings, days: int) -> None:
    """Let the row's password have been typed then, and a minute earlier."""
    at = timezone.now() - timedelta(days=days, minutes=1)
    saved = {"initiator_password": at.isoformat(timespec="seconds")}
    MpesaSettings.objects.filter(pk=row.pk).update(secrets_saved=saved)
    row.refresh_from_db()


def refuse(sandbox: SandboxDriver) -> None:
    """Let M-Pesa know another password than ours, and ask until the alarm is raised."""
    sandbox.initiator(SHORT_CODE, password="another one", unlock=True)
    for receipt in ("UAE4X7K2QP", "UAE4X7K2QQ"):
        queries.ask_status(business="", receipt=receipt)
    answered(sandbox)


def test_repeated_refusals_raise_one_alarm(account: MpesaSettings, sandbox: SandboxDriver) -> None:
    refuse(sandbox)
    assert sorted(MpesaQuery.objects.values_list("state", "result_code")) == [
        ("refused", "2001"), ("refused", "2001"),
    ]  # fmt: skip
    assert held()
    alarm = InitiatorAlarm.objects.get()
    assert (alarm.failures, alarm.last_code, alarm.initiator_name) == (2, "2001", "testapi")
    payload = DomainEvent.objects.get(event_type="mpesa.initiator_failing").payload
    assert sorted(payload) == sorted(INITIATOR_PAYLOAD)
    assert "mpesa.initiator_failing" in judge_events()
    assert payload["message"] == (
        "The initiator password is wrong, expired (after 90 days) or locked: change it in the "
        "portal and here."
    )
    note()
    note("8006")
    assert alarms() == 1


def test_one_refusal_is_no_alarm_and_others_do_not_count(account: MpesaSettings) -> None:
    note()
    for code in ("1", "21", "26", "2006", "", "ZZ9"):
        note(code)
    assert not held()
    assert alarms() == 0
    note("8006")
    assert held()


def test_refusals_that_lie_far_apart_raise_nothing(account: MpesaSettings) -> None:
    note()
    InitiatorAlarm.objects.update(last_failed_at=timezone.now() - timedelta(hours=25))
    note()
    assert not held()
    note()
    assert held()


def test_a_success_between_them_starts_over_and_one_after_them_lifts_it(
    account: MpesaSettings,
) -> None:
    note()
    note("0")
    note()
    assert not held()
    note()
    assert held()
    note("0")
    assert not held()
    assert InitiatorAlarm.objects.get().cleared_by == "a call that succeeded"
    for _ in range(2):
        note()
    assert alarms() == 2


def test_while_it_stands_questions_wait_and_then_go(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    typed_days_ago(account, 1)
    refuse(sandbox)
    before = len(asked_book(sandbox))
    waiting = queries.ask_balance(business="", now=True)
    assert (waiting.state, waiting.message) == ("waiting", HELD)
    make_due()
    run_work("queries")
    assert len(asked_book(sandbox)) == before
    waiting.refresh_from_db()
    assert waiting.attempts < 2  # Waiting uses up nothing.
    # Changed in the portal, and typed here.
    sandbox.initiator(SHORT_CODE, password=planted("initiator password"), unlock=True)
    account.initiator_password = planted("initiator password")
    account.save()
    assert not held()
    make_due()
    answered(sandbox)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.message) == ("answered", "M-Pesa told the balances.")


def test_a_question_that_is_held_too_long_is_given_up_with_the_reason(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    refuse(sandbox)
    query = queries.ask_balance(business="")
    run_work("queries")
    MpesaQuery.objects.filter(pk=query.pk).update(created_at=timezone.now() - timedelta(hours=2))
    make_due()
    run_work("queries")
    query.refresh_from_db()
    assert (query.state, query.message) == ("unanswered", HELD)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("initiator_password", "a new password"),
        ("initiator_password", planted("initiator password")),
        ("initiator_name", "another"),
        ("security_credential", "a new credential"),
    ],
)
def test_new_credentials_lift_it(account: MpesaSettings, field: str, value: str) -> None:
    typed_days_ago(account, 1)
    note()
    note()
    assert held()
    row = MpesaSettings.objects.get(pk=account.pk)
    row.low_balance = 5
    row.save()
    assert held()  # Something else was saved.
    setattr(row, field, value)
    row.save()
    assert not InitiatorAlarm.objects.filter(raised_at__isnull=False).exists()
    assert not held()


def test_a_new_certificate_lifts_it_also_where_it_was_written_in_bulk(
    account: MpesaSettings,
) -> None:
    note()
    note()
    MpesaSettings.objects.filter(pk=account.pk).update(certificate="another")
    assert not held()
    assert InitiatorAlarm.objects.get().cleared_by == "new credentials in the settings"


def test_a_result_of_a_call_from_before_the_new_credentials_says_nothing(
    account: MpesaSettings,
) -> None:
    for _ in range(3):
        note(sent_at=timezone.now() - timedelta(hours=1))
    assert not held()
    for _ in range(2):
        note(sent_at=timezone.now() + timedelta(seconds=2))
    assert held()


def test_each_account_has_an_alarm_of_its_own(account: MpesaSettings) -> None:
    account.shared = True
    account.save()
    MpesaSettings.objects.create(business="own", short_code="500001", initiator_name="x")
    note_initiator_result("own", "sandbox", "500001", "2001")
    note_initiator_result("own", "sandbox", "500001", "2001")
    assert initiator_is_held(get_snapshot("mpesa", "own"))
    assert not held()
    # A business that uses the installation's credentials shares their fate.
    note_initiator_result("guest", "sandbox", SHORT_CODE, "2001")
    note_initiator_result("", "sandbox", SHORT_CODE, "2001")
    assert initiator_is_held(get_snapshot("mpesa", "guest"))
    assert set(InitiatorAlarm.objects.values_list("business", flat=True)) == {"own", ""}


def test_a_result_of_another_environment_or_of_nobody_says_nothing(
    account: MpesaSettings,
) -> None:
    for _ in range(2):
        note_initiator_result("", "production", SHORT_CODE, "2001")
        note_initiator_result("nobody", "sandbox", SHORT_CODE, "2001")
    assert not InitiatorAlarm.objects.exists()


def test_of_many_refusals_at_once_one_alarm_is_raised(account: MpesaSettings) -> None:
    def run() -> None:
        try:
            note()
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert InitiatorAlarm.objects.get().failures == 5
    assert alarms() == 1


def test_a_person_may_lift_it(account: MpesaSettings) -> None:
    note()
    note()
    act_as(User.objects.create_user("operator"))
    assert initiator.lift(InitiatorAlarm.objects.get(), by="operator")
    assert not held()
    assert AuditEntry.objects.get(action="initiator.lifted").actor_name == "operator"
    assert not initiator.lift(InitiatorAlarm.objects.get(), by="operator")
    act_as(None)


def test_health_tells_of_it(account: MpesaSettings) -> None:
    assert warnings_for("mpesa", "") == []
    note()
    note()
    (words,) = warnings_for("mpesa", "")
    assert "wrong, expired (after 90 days) or locked" in words
    account.shared = True
    account.save()
    assert warnings_for("mpesa", "guest") == [words]
    assert warnings_for("kra", "") == []


@pytest.mark.parametrize(
    ("days", "words"),
    [(0, ""), (75, ""), (77, "expires in about 13 days"), (90, "entered 90 days ago"),
     (200, "entered 200 days ago")],
)  # fmt: skip
def test_the_age_of_the_password_is_watched(account: MpesaSettings, days: int, words: str) -> None:
    typed_days_ago(account, days)
    row = account
    told = account_warnings.warnings_of([row]).get(row.pk, [""])
    assert words in told[0]
    assert bool(told[0]) == bool(words)
    row.initiator_password_days = None
    assert account_warnings.warnings_of([row]) == {}


def test_no_secret_is_stored_with_an_alarm(account: MpesaSettings) -> None:
    note()
    note()
    assert planted("initiator password") not in str(list(InitiatorAlarm.objects.values()))
    assert planted("initiator password") not in str(list(DomainEvent.objects.values()))
