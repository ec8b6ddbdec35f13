"""Fetching what M-Pesa has of an account: in pages, once, and what it does to the ledger."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.db import IntegrityError
from django.utils import timezone

from integrations import work
from integrations.exceptions import ConfigurationError
from integrations.models import (
    MpesaSettings,
    Payment,
    PaymentEvent,
    ProviderCall,
    PullAccount,
    StatementLine,
    StatementRun,
)
from integrations.payments import pull, pulled
from integrations.payments.mpesa_payment import MpesaPaymentService
from integrations.payments.statements import daily
from integrations.providers.mpesa.client import DarajaClient
from tests.conftest import PHONE, run_work
from tests.sandbox.driver import SandboxDriver

push = MpesaPaymentService.initiate_stk_push


@pytest.fixture
def pulls(mpesa: MpesaSettings, monkeypatch: pytest.MonkeyPatch) -> MpesaSettings:
    """The account is pulled, and nothing is left to callbacks for some minutes."""
    monkeypatch.setattr(pull, "LAG", timedelta(seconds=-5))
    mpesa.pull_enabled, mpesa.pull_phone = True, "0722000000"
    mpesa.save()
    return mpesa


def fetch() -> PullAccount:
    pull.watch_accounts()
    PullAccount.objects.update(next_attempt_at=timezone.now() - timedelta(hours=1))
    run_work("pulls")
    return PullAccount.objects.get()


def lost_push(sandbox: SandboxDriver, reference: str = "INV001", amount: int = 10) -> Payment:
    """A prompt that the payer has paid, and whose callback never arrives."""
    sandbox.fault("no_callback", times=1)
    assert push(PHONE, amount, reference)[0]
    sandbox.settle()
    return Payment.objects.get(account_reference=reference)


def test_a_lost_callback_is_settled_by_the_pull(
    pulls: MpesaSettings, sandbox: SandboxDriver
) -> None:
    payment = lost_push(sandbox)
    assert payment.state == "pending"
    account = fetch()
    payment.refresh_from_db()
    assert (payment.state, bool(payment.receipt), bool(payment.paid_at)) == (
        "succeeded", True, True,
    )  # fmt: skip
    assert PaymentEvent.objects.filter(payment=payment, kind="statement").count() == 1
    assert account.registered_at
    assert account.error == ""
    assert account.last_lines == 1


def test_what_is_known_is_left_alone(
    pulls: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    push(PHONE, 10, "INV001")
    settle()
    before = Payment.objects.values().get()
    fetch()
    fetch()
    assert Payment.objects.values().get() == before
    assert StatementLine.objects.get().applied_at


def test_a_lost_confirmation_is_filled_in_once(
    pulls: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.simulate_c2b(150, "ACC-7", shortcode="174379")
    fetch()
    fetch()
    payment = Payment.objects.get()
    assert (payment.product, payment.state, payment.amount) == ("c2b", "succeeded", 150)
    assert payment.account_reference == "ACC-7"


def test_two_that_fit_are_flagged_and_none_is_settled(
    pulls: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.scenario("approve")
    payment = lost_push(sandbox)
    twin = Payment.objects.get()
    twin.pk, twin.checkout_id, twin.callback_digest = None, None, None
    twin.public_id = Payment._meta.get_field("public_id").get_default()
    twin.originator_id, twin.state = None, "unknown"
    twin.save()
    fetch()
    payments = Payment.objects.filter(account_reference="INV001")
    assert not payments.filter(state="succeeded").exists()
    assert payments.filter(attention__contains="2 payments fit it").count() == 2
    assert payment.pk


def test_registration_happens_once(pulls: MpesaSettings, sandbox: SandboxDriver) -> None:
    fetch()
    fetch()
    assert sandbox.counters()["pull_register"] == 1
    [told] = sandbox.book()["pull"]
    assert re.search(r"/cb/pull/[0-9a-f]{32}/$", told["callback_url"])


def test_an_account_that_is_registered_already_is_fine(
    pulls: MpesaSettings, sandbox: SandboxDriver
) -> None:
    fetch()
    PullAccount.objects.all().delete()
    assert fetch().registered_at


def test_the_registered_address_fetches_at_once(
    pulls: MpesaSettings, sandbox: SandboxDriver
) -> None:
    fetch()
    account = PullAccount.objects.get()
    assert account.next_attempt_at and account.next_attempt_at > timezone.now()
    url = sandbox.book()["pull"][0]["callback_url"]
    assert requests.post(url, json={"any": "thing"}, timeout=5).status_code == 200
    stranger = re.sub(r"[0-9a-f]{32}", "0" * 32, url)
    assert requests.post(stranger, json={}, timeout=5).status_code == 401
    before = sandbox.counters()["pull"]
    run_work("callbacks", "pulls")
    assert sandbox.counters()["pull"] == before + 1


def test_windows_go_on_from_the_last_one_with_an_overlap(
    pulls: MpesaSettings, sandbox: SandboxDriver
) -> None:
    first = fetch()
    assert first.fetched_from and first.fetched_to
    assert timedelta(hours=47) < first.fetched_to - first.fetched_from < timedelta(hours=49)
    second = fetch()
    assert second.fetched_from == first.fetched_from
    assert second.fetched_to and second.fetched_to > first.fetched_to


def test_a_gap_is_remembered(pulls: MpesaSettings, sandbox: SandboxDriver) -> None:
    fetch()
    long_ago = timezone.now() - timedelta(days=5)
    PullAccount.objects.update(fetched_from=long_ago - timedelta(days=1), fetched_to=long_ago)
    account = fetch()
    assert account.fetched_from and account.fetched_from > long_ago


def paid_many(sandbox: SandboxDriver, count: int) -> None:
    for number in range(count):
        sandbox.simulate_c2b(10, f"A{number}", shortcode="174379")
    sandbox.settle()


def test_pages_are_stored_one_by_one_and_a_crash_goes_on_with_the_next(
    pulls: MpesaSettings, sandbox: SandboxDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid_many(sandbox, 205)
    asked: list[int] = []
    real = DarajaClient.pull

    def dies_at_the_third(self: DarajaClient, **window: Any) -> Any:
        asked.append(window["offset"])
        if window["offset"] == 200 and asked.count(200) == 1:
            raise KeyboardInterrupt  # the process is killed
        return real(self, **window)

    monkeypatch.setattr(DarajaClient, "pull", dies_at_the_third)
    pull.watch_accounts()
    with pytest.raises(KeyboardInterrupt):
        run_work("pulls")
    assert StatementLine.objects.count() == 200
    account = PullAccount.objects.get()
    assert (account.offset, account.fetched_to) == (200, None)
    work.schedule(PullAccount.objects.filter(pk=account.pk))
    PullAccount.objects.update(
        work_state="due", claim_token="", next_attempt_at=timezone.now() - timedelta(hours=1)
    )
    run_work("pulls")
    account.refresh_from_db()
    assert asked == [0, 100, 200, 200]
    assert StatementLine.objects.count() == 205
    assert account.fetched_to
    assert Payment.objects.filter(product="c2b", state="succeeded").count() == 205


def test_a_crash_between_storing_and_applying_loses_nothing(
    pulls: MpesaSettings, sandbox: SandboxDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = lost_push(sandbox)

    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pulled, "_apply", dies)
        with pytest.raises(KeyboardInterrupt):
            fetch()
    assert StatementLine.objects.get().applied_at is None
    PullAccount.objects.update(work_state="due", claim_token="")
    fetch()
    payment.refresh_from_db()
    assert payment.state == "succeeded"


def test_a_receipt_that_is_confirmed_at_the_same_moment_holds_up_no_other(
    pulls: MpesaSettings, sandbox: SandboxDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid_many(sandbox, 3)
    real, tried = pulled.take, []

    def collides_once(line: StatementLine) -> str:
        tried.append(line.receipt)
        if len(tried) == 1:
            raise IntegrityError
        return real(line)

    monkeypatch.setattr(pulled, "take", collides_once)
    account = fetch()
    assert (account.error, account.attempts) == ("", 0)
    assert Payment.objects.filter(product="c2b", state="succeeded").count() == 2
    fetch()
    assert Payment.objects.filter(product="c2b", state="succeeded").count() == 3


def test_rows_that_can_t_be_read_are_told_of_after_the_last_page_too(
    pulls: MpesaSettings, sandbox: SandboxDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid_many(sandbox, 101)
    real = DarajaClient.pull

    def first_has_a_bad_row(self: DarajaClient, **window: Any) -> Any:
        page = real(self, **window)
        return page if window["offset"] else replace(page, wrong=("row 7: amount is no amount",))

    monkeypatch.setattr(DarajaClient, "pull", first_has_a_bad_row)
    account = fetch()
    assert account.fetched_to
    assert account.error.startswith("1 rows could not be read: row 7")


def test_an_error_is_told_and_tried_again(pulls: MpesaSettings, sandbox: SandboxDriver) -> None:
    payment = lost_push(sandbox)
    sandbox.fault("error_before", operation="pull", status=503, times=None)
    account = fetch()
    assert account.error
    assert account.fetched_to is None
    sandbox.clear_faults()
    account = fetch()
    payment.refresh_from_db()
    assert (account.error, payment.state) == ("", "succeeded")


def test_a_whole_window_without_it_is_noted_and_fails_nothing(
    pulls: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.settings(is_interactive=True)
    push(PHONE, 10, "INV001")
    sent_at = timezone.now() - timedelta(hours=1)
    Payment.objects.update(sent_at=sent_at, created_at=sent_at)
    fetch()
    fetch()
    payment = Payment.objects.get()
    assert payment.state == "pending"
    event = PaymentEvent.objects.get(payment=payment, kind="pull_absent")
    assert "is complete and does not have it" in event.text


def test_what_is_being_sent_comes_first(pulls: MpesaSettings, sandbox: SandboxDriver) -> None:
    payment = lost_push(sandbox)
    Payment.objects.filter(pk=payment.pk).update(state="sending")
    fetch()
    assert StatementLine.objects.get().applied_at is None
    assert Payment.objects.count() == 1
    Payment.objects.filter(pk=payment.pk).update(state="unknown")
    fetch()
    payment.refresh_from_db()
    assert payment.state == "succeeded"


def test_an_account_that_is_not_pulled_any_more_rests(
    pulls: MpesaSettings, sandbox: SandboxDriver
) -> None:
    fetch()
    pulls.pull_enabled = False
    pulls.save()
    before = sandbox.counters()["pull"]
    account = fetch()
    assert (sandbox.counters()["pull"], account.work_state) == (before, "done")


def test_pulling_right_now(pulls: MpesaSettings, sandbox: SandboxDriver) -> None:
    payment = lost_push(sandbox)
    account = pull.pull_now()
    payment.refresh_from_db()
    assert (payment.state, account.last_lines) == ("succeeded", 1)
    pulls.pull_enabled = False
    pulls.save()
    with pytest.raises(ConfigurationError, match="not switched on"):
        pull.pull_now()


def test_yesterday_is_compared_once_it_is_fetched_whole(
    pulls: MpesaSettings, sandbox: SandboxDriver
) -> None:
    assert daily.compare_yesterday() == 0
    fetch()
    assert daily.compare_yesterday() == 1
    assert daily.compare_yesterday() == 1
    run_work("statements")
    run = StatementRun.objects.get()
    assert (run.source, run.state, run.is_complete) == ("pull", "done", True)


def test_no_secret_is_in_what_is_recorded(pulls: MpesaSettings, sandbox: SandboxDriver) -> None:
    fetch()
    token = sandbox.book()["pull"][0]["callback_url"].rstrip("/").rpartition("/")[2]
    told = str(list(ProviderCall.objects.values())) + str(list(PullAccount.objects.values()))
    assert token not in told
