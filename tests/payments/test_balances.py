"""Balances as rows: exact, the latest cheaply found, and an alarm once for each crossing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from integrations.exceptions import InvalidInput
from integrations.maintenance import purge_old_rows
from integrations.models import AccountBalance, MpesaQuery, MpesaSettings
from integrations.payments import account_warnings, queries
from integrations.payments.balance_refresh import BATCH, refresh_balances
from integrations.payments.balances import as_json, latest_balances, record
from integrations.payments.event_types import BALANCE_PAYLOAD
from integrations.providers.mpesa.callbacks import AccountBalance as Told
from integrations.providers.mpesa.callbacks import BalanceResult, parse_accounts
from integrations.providers.mpesa.codes import explain
from tests.conftest import domain_events, mpesa_values, run_work
from tests.events.makers import judge_events
from tests.payments.questions import SHORT_CODE, account, answered, asked_book
from tests.sandbox.driver import SandboxDriver

__all__ = ["account"]
NOON = datetime(2026, 1, 14, 12, tzinfo=UTC)


def make_query(**values: Any) -> MpesaQuery:
    return MpesaQuery.objects.create(
        **{
            "kind": "account_balance", "environment": "sandbox", "short_code": SHORT_CODE,
            "state": "answered", "next_attempt_at": None, **values,
        }
    )  # fmt: skip


def tell(text: str, *, at: datetime | None = NOON) -> list[AccountBalance]:
    result = BalanceResult(explain("0", "account_balance"), parse_accounts(text), at)
    with transaction.atomic():
        return record(make_query(), result)


def line(name: str, amount: str) -> str:
    return f"{name}|KES|{amount}|{amount}|0.00|0.00"


def events() -> list[tuple[str, str, str]]:
    rows = domain_events()
    return [(row.event_type, row.payload["account"], row.payload["available"]) for row in rows]


@pytest.fixture
def limited(account: MpesaSettings) -> MpesaSettings:
    account.low_balance = 1000
    account.save()
    return account


def test_the_reference_s_example_is_stored_exactly(account: MpesaSettings) -> None:
    tell(
        "Working Account|KES|700.00|700.00|0.00|0.00&Utility Account|KES|228.00|228.00|0.00|0.00"
        "&Charges Paid Account|KES|-15.00|-15.00|0.00|0.00"
    )
    found = {row.account: row.available for row in latest_balances()}
    assert found == {
        "Working Account": Decimal("700.00"),
        "Utility Account": Decimal("228.00"),
        "Charges Paid Account": Decimal("-15.00"),
    }


def test_the_latest_answer_is_what_is_known_and_the_others_are_history(
    account: MpesaSettings,
) -> None:
    tell(line("Working Account", "1.00") + "&" + line("Utility Account", "2.00"))
    tell(line("Working Account", "3.00"), at=NOON + timedelta(minutes=1))
    assert [(row.account, row.current) for row in latest_balances()] == [
        ("Working Account", Decimal("3.00"))
    ]
    assert AccountBalance.objects.count() == 3


def test_an_answer_that_is_older_than_what_is_known_becomes_history(
    limited: MpesaSettings,
) -> None:
    tell(line("Working Account", "5000.00"))
    tell(line("Working Account", "1.00"), at=NOON - timedelta(minutes=1))
    assert latest_balances().get().current == Decimal("5000.00")
    assert events() == []


def test_an_alarm_comes_once_for_each_crossing(limited: MpesaSettings) -> None:
    amounts = ["5000.00", "999.99", "10.00", "1000.00", "1000.01", "0.00", "-3.00"]
    for minute, amount in enumerate(amounts):
        tell(line("Utility Account", amount), at=NOON + timedelta(minutes=minute))
    assert events() == [
        ("balance.low", "Utility Account", "999.99"),
        ("balance.recovered", "Utility Account", "1000.00"),
        ("balance.low", "Utility Account", "0.00"),
    ]
    assert latest_balances().get().low_since == NOON + timedelta(minutes=5)
    payload = domain_events().earliest("pk").payload
    assert sorted(payload) == sorted(BALANCE_PAYLOAD)
    assert judge_events() >= {"balance.low", "balance.recovered"}
    assert (payload["limit"], payload["short_code"]) == ("1000.00", SHORT_CODE)


def test_an_account_that_is_low_at_first_sight_is_told_of(limited: MpesaSettings) -> None:
    tell(line("Working Account", "12.00"))
    assert events() == [("balance.low", "Working Account", "12.00")]


def test_accounts_that_only_book_charges_alarm_nobody(limited: MpesaSettings) -> None:
    tell(line("Charges Paid Account", "-15.00"))
    assert events() == []
    limited.low_balance_except = ""
    limited.save()
    tell(line("Charges Paid Account", "-16.00"), at=NOON + timedelta(minutes=1))
    assert events() == [("balance.low", "Charges Paid Account", "-16.00")]


def test_without_a_limit_nobody_is_alarmed(account: MpesaSettings) -> None:
    tell(line("Working Account", "-1.00"))
    assert events() == []


def test_taking_the_limit_away_ends_the_alarm_quietly(limited: MpesaSettings) -> None:
    tell(line("Working Account", "1.00"))
    limited.low_balance = None
    limited.save()
    tell(line("Working Account", "1.00"), at=NOON + timedelta(minutes=1))
    assert latest_balances().get().low_since is None
    assert [kind for kind, *_ in events()] == ["balance.low"]


def test_another_currency_is_not_compared(limited: MpesaSettings) -> None:
    tell("Dollars|USD|5.00|5.00|0.00|0.00")
    assert events() == []
    assert latest_balances().get().currency == "USD"


def test_one_name_twice_is_two_accounts(account: MpesaSettings) -> None:
    tell(line("Float Account", "1.00") + "&" + line("Float Account", "2.00"))
    assert [(row.account, row.current) for row in latest_balances()] == [
        ("Float Account", Decimal("1.00")),
        ("Float Account (2)", Decimal("2.00")),
    ]


def test_an_answer_without_a_time_is_of_now(account: MpesaSettings) -> None:
    (row,) = tell(line("Working Account", "1.00"), at=None)
    assert timezone.now() - row.as_of < timedelta(minutes=1)


def test_what_was_not_told_is_none_and_the_current_amount_decides(limited: MpesaSettings) -> None:
    tell("Working Account|KES|5.00")
    row = latest_balances().get()
    assert (row.available, row.reserved, row.usable) == (None, None, Decimal("5.00"))
    assert events() == [("balance.low", "Working Account", "5.00")]


@pytest.mark.parametrize("amount", ["100000000000000.00", "0.001", "-100000000000000"])
def test_an_amount_that_can_not_be_stored_exactly_is_refused(
    account: MpesaSettings, amount: str
) -> None:
    with pytest.raises(InvalidInput):
        tell(line("Working Account", amount))


def test_an_answer_that_outlives_its_settings_alarms_nobody(limited: MpesaSettings) -> None:
    limited.delete()
    tell(line("Working Account", "1.00"))
    assert events() == []


def test_former_answers_go_by_their_age_and_the_latest_stays(account: MpesaSettings) -> None:
    tell(line("Working Account", "1.00"))
    tell(line("Working Account", "2.00"), at=NOON + timedelta(minutes=1))
    waiting = make_query(state="sent", open_key="balance:open")
    long_ago = timezone.now() - timedelta(days=91)
    AccountBalance.objects.update(created_at=long_ago)
    MpesaQuery.objects.update(created_at=long_ago)
    purge_old_rows()
    row = AccountBalance.objects.get()
    assert (row.current, row.query) == (Decimal("2.00"), None)
    assert MpesaQuery.objects.get() == waiting


def test_a_low_account_is_told_of_in_the_warnings(limited: MpesaSettings) -> None:
    tell(line("Working Account", "12.50"))
    (words,) = account_warnings.warnings_of([limited])[limited.pk]
    assert words == f"Working Account of {SHORT_CODE} is low: KES 12.50."


def test_two_answers_at_once_leave_one_latest_row_per_account(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    queries.ask_balance(business="")
    answered(sandbox)
    queries.ask_balance(business="")
    answered(sandbox)
    accounts = sandbox.accounts(SHORT_CODE)
    assert latest_balances().count() == len(accounts)
    assert AccountBalance.objects.count() == 2 * len(accounts)


class TestRecording(TestCase):
    """Whatever M-Pesa tells, the latest rows are the newest answer, and events alternate."""

    @settings(max_examples=25, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.integers(0, 60),
                st.dictionaries(
                    st.sampled_from(["Working Account", "Utility Account", "Till"]),
                    st.decimals(-2000, 4000, places=2),
                    min_size=1,
                ),
            ),
            min_size=1,
            max_size=6,
        )
    )
    def test_any_sequence(self, answers: list[tuple[int, dict[str, Decimal]]]) -> None:
        MpesaSettings.objects.all().delete()
        MpesaSettings.objects.create(business="", short_code=SHORT_CODE, low_balance=1000)
        newest = None
        for minute, amounts in answers:
            at = NOON + timedelta(minutes=minute)
            told = BalanceResult(
                explain("0", "account_balance"),
                tuple(Told(name, "KES", amount, amount) for name, amount in amounts.items()),
                at,
            )
            record(make_query(), told)
            if newest is None or at >= newest[0]:
                newest = (at, amounts)
            assert as_json(told)["accounts"][0]["current"] == f"{next(iter(amounts.values())):.2f}"
        assert newest is not None
        rows = list(latest_balances())
        assert {row.account: row.current for row in rows} == newest[1]
        assert {row.account for row in rows if row.low_since} == {
            name for name, amount in newest[1].items() if amount < 1000
        }


# --- asking every so often ----------------------------------------------------------------------


def asked() -> int:
    return MpesaQuery.objects.count()


def test_balances_are_asked_for_every_so_often(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    assert refresh_balances() == 0
    account.balance_every_minutes = 10
    account.save()
    assert refresh_balances() == 1
    assert refresh_balances() == 0
    query = MpesaQuery.objects.get()
    assert query.next_attempt_at is not None
    MpesaQuery.objects.update(next_attempt_at=timezone.now() - timedelta(seconds=1))
    answered(sandbox)
    assert len(asked_book(sandbox)) == 1
    MpesaQuery.objects.update(created_at=timezone.now() - timedelta(minutes=9))
    assert refresh_balances() == 0
    MpesaQuery.objects.update(created_at=timezone.now() - timedelta(minutes=11))
    assert refresh_balances() == 1
    assert asked() == 2


def test_many_accounts_are_not_asked_about_at_once(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    account.balance_every_minutes = 5
    account.save()
    values = mpesa_values(
        sandbox, initiator_name="testapi", certificate=account.certificate,
        balance_every_minutes=5,
    )  # fmt: skip
    for number in range(BATCH + 4):
        code = str(500000 + number)
        MpesaSettings.objects.create(**values | {"business": f"shop-{number}", "short_code": code})
    assert refresh_balances() == BATCH
    assert refresh_balances() == 5
    assert refresh_balances() == 0
    run_work("queries")  # Nearly all of them wait for their place within the minute.
    dues = {row.next_attempt_at for row in MpesaQuery.objects.filter(state="waiting")}
    assert len(dues) > BATCH // 2


@pytest.mark.parametrize("changes", [{"passkey": ""}, {"initiator_name": ""}, {"certificate": ""}])
def test_an_account_that_can_not_be_asked_about_stops_no_other(
    account: MpesaSettings, sandbox: SandboxDriver, changes: dict[str, str]
) -> None:
    account.balance_every_minutes = 5
    account.save()
    values = mpesa_values(sandbox, balance_every_minutes=5, business="shop", short_code="500001")
    broken = {"initiator_name": "testapi", "certificate": account.certificate, **changes}
    MpesaSettings.objects.create(**values | broken)
    assert refresh_balances() == 1
    assert MpesaQuery.objects.get().business == ""


def test_the_environment_may_schedule_it_too(
    account: MpesaSettings, sandbox: SandboxDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = account.certificate
    account.delete()
    values = mpesa_values(
        sandbox, short_code=SHORT_CODE, initiator_name="testapi", certificate=certificate,
        balance_every_minutes="5", security_credential="",
    )  # fmt: skip
    for name, value in values.items():
        monkeypatch.setenv(f"MPESA_{name}".upper(), str(value))
    assert refresh_balances() == 1
