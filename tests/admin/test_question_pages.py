"""Questions, balances and initiators' alarms in the admin: shown, asked, exported, lifted."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.models import (
    AccountBalance,
    AuditEntry,
    InitiatorAlarm,
    MpesaQuery,
    MpesaSettings,
)
from integrations.payments.initiator import note_initiator_result
from tests.payments.questions import SHORT_CODE, account, answered, asked_book
from tests.sandbox.driver import SandboxDriver

__all__ = ["account"]
HUB = "/admin/integrations"
QUERIES, BALANCES = f"{HUB}/mpesaquery/", f"{HUB}/accountbalance/"
HOSTILE = '=cmd|"/c calc"!A1 <script>alert(1)</script>'
SEES = ("view_mpesaquery", "view_accountbalance", "view_initiatoralarm")


def make_query(**values: Any) -> MpesaQuery:
    return MpesaQuery.objects.create(
        **{
            "kind": "transaction_status", "environment": "sandbox", "short_code": SHORT_CODE,
            "receipt": "UAE4X7K2QP", "state": "answered", "next_attempt_at": None, **values,
        }
    )  # fmt: skip


def make_balance(**values: Any) -> AccountBalance:
    return AccountBalance.objects.create(
        **{
            "environment": "sandbox", "short_code": SHORT_CODE, "account": "Working Account",
            "currency": "KES", "current": 700, "available": -15, "as_of": timezone.now(),
            **values,
        }
    )  # fmt: skip


def html(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def exported(response: Any) -> list[dict[str, str]]:
    text = response.getvalue().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_a_balance_is_asked_for_by_a_button(
    account: MpesaSettings, sandbox: SandboxDriver, admin_client: Client
) -> None:
    page = html(admin_client, BALANCES)
    assert "Ask for the balance now" in page
    assert f'value="{SHORT_CODE}:"' in page
    response = admin_client.post(f"{BALANCES}ask/", {"account": f"{SHORT_CODE}:"}, follow=True)
    query = MpesaQuery.objects.get()
    assert response.redirect_chain[-1][0] == f"{QUERIES}{query.pk}/change/"
    shown = response.content.decode()
    assert "M-Pesa took the question" in shown
    assert "data-refresh=" in shown  # The page follows the question.
    answered(sandbox)
    shown = html(admin_client, f"{QUERIES}{query.pk}/change/")
    assert "data-refresh=" not in shown
    assert "Utility Account" in shown
    assert query.asked_by_id is not None
    amount = sandbox.accounts(SHORT_CODE)["Working Account"]
    assert f"{amount:,.2f}" in html(admin_client, BALANCES)
    assert AuditEntry.objects.filter(action="query.asked").count() == 1


def test_a_transaction_is_asked_about_by_its_receipt(
    account: MpesaSettings, sandbox: SandboxDriver, admin_client: Client
) -> None:
    sandbox.simulate_c2b(150, first_name="JANE")
    sandbox.settle()
    receipt = sandbox.book()["statement"][-1]["receipt"]
    assert "Ask M-Pesa for this transaction" in html(admin_client, QUERIES)
    values = {"receipt": receipt, "account": f"{SHORT_CODE}:"}
    admin_client.post(f"{QUERIES}ask/", values)
    answered(sandbox)
    query = MpesaQuery.objects.get()
    shown = html(admin_client, f"{QUERIES}{query.pk}/change/")
    assert "Completed" in shown
    assert "150.00" in shown
    assert receipt in html(admin_client, f"{QUERIES}?q={receipt}")
    link = f"{QUERIES}{query.pk}/change/"
    for term in (receipt, str(query.public_id), query.conversation_id):
        assert link in html(admin_client, f"{QUERIES}?q={term}")
    assert link not in html(admin_client, f"{QUERIES}?q=UAE0THER00")


@pytest.mark.parametrize("receipt", ["", "x", "UAE4X7K2QP;", "<b>"])
def test_a_receipt_that_is_none_is_refused_in_words(
    account: MpesaSettings, sandbox: SandboxDriver, admin_client: Client, receipt: str
) -> None:
    values = {"receipt": receipt, "account": f"{SHORT_CODE}:"}
    response = admin_client.post(f"{QUERIES}ask/", values, follow=True)
    assert "receipt: " in response.content.decode()
    assert not MpesaQuery.objects.exists()
    assert asked_book(sandbox) == []


def test_what_m_pesa_refuses_is_said(
    account: MpesaSettings, sandbox: SandboxDriver, admin_client: Client
) -> None:
    account.certificate = ""
    account.save()
    response = admin_client.post(f"{BALANCES}ask/", {"account": f"{SHORT_CODE}:"}, follow=True)
    assert "certificate" in response.content.decode()


@pytest.mark.parametrize("url", [f"{QUERIES}ask/", f"{BALANCES}ask/"])
def test_asking_needs_a_post_a_permission_and_the_business(
    account: MpesaSettings, sandbox: SandboxDriver, client_of: Callable[..., Client], url: str
) -> None:
    MpesaSettings.objects.create(business="theirs", short_code="500001")
    values = {"receipt": "UAE4X7K2QP", "account": f"{SHORT_CODE}:"}
    viewer = client_of(*SEES)
    assert viewer.post(url, values).status_code == 403
    assert "Ask " not in html(viewer, url.removesuffix("ask/"))
    asker = client_of(*SEES, "ask_mpesaquery", "refresh_accountbalance", businesses=("",))
    assert asker.get(url).status_code == 405
    assert "500001" not in html(asker, url.removesuffix("ask/"))
    assert asker.post(url, {**values, "account": "500001:theirs"}).status_code == 403
    assert asker.post(url, {**values, "account": ":theirs"}).status_code == 403
    assert not MpesaQuery.objects.exists()
    assert asker.post(url, values).status_code == 302
    assert MpesaQuery.objects.count() == 1


def test_an_account_that_does_not_exist_is_refused_in_words(
    account: MpesaSettings, admin_client: Client
) -> None:
    response = admin_client.post(f"{BALANCES}ask/", {"account": "999999:"}, follow=True)
    assert "999999" in response.content.decode()
    assert not MpesaQuery.objects.exists()


def test_the_latest_balances_are_shown_and_the_history_on_demand(
    db: None, admin_client: Client
) -> None:
    make_balance(account="Old Account", is_latest=False)
    make_balance(account="Low Account", low_since=timezone.now())
    make_balance()
    latest = html(admin_client, BALANCES)
    assert "Old Account" not in latest
    assert "Low Account" in latest
    assert "-15.00" in latest
    low = html(admin_client, f"{BALANCES}?shown=low")
    assert "Low Account" in low
    assert "Working Account" not in low
    assert "Old Account" in html(admin_client, f"{BALANCES}?shown=history")


def test_hostile_text_is_shown_and_exported_harmlessly(db: None, admin_client: Client) -> None:
    query = make_query(
        message=HOSTILE, result_text=HOSTILE,
        answer={"reason": HOSTILE, "debit_party": {"number": "2547", "name": HOSTILE}},
    )  # fmt: skip
    make_balance(account=HOSTILE)
    for url in (QUERIES, f"{QUERIES}{query.pk}/change/", BALANCES):
        assert "<script>alert(1)" not in html(admin_client, url)
    (row,) = exported(admin_client.post(f"{QUERIES}export/"))
    assert row["message"] == f"'{HOSTILE}"
    (row,) = exported(admin_client.post(f"{BALANCES}export/"))
    assert row["account"] == f"'{HOSTILE}"


def test_lists_are_exported_as_they_are_filtered(
    db: None, admin_client: Client, client_of: Callable[..., Client]
) -> None:
    make_query(answer={"transaction_status": "Completed", "amount": "150.00"})
    make_query(state="refused", receipt="UAE4X7K2QQ")
    (row,) = exported(admin_client.post(f"{QUERIES}export/?state__exact=answered"))
    assert (row["receipt"], row["told_amount"]) == ("UAE4X7K2QP", "150.00")
    make_balance(is_latest=False)
    make_balance()
    assert len(exported(admin_client.post(f"{BALANCES}export/"))) == 1
    assert len(exported(admin_client.post(f"{BALANCES}export/?shown=history"))) == 2
    told = set(AuditEntry.objects.values_list("action", flat=True))
    assert told == {"questions.exported", "balances.exported"}
    viewer = client_of(*SEES)
    assert "Export this list" not in html(viewer, BALANCES)
    assert viewer.post(f"{BALANCES}export/").status_code == 403
    assert admin_client.get(f"{BALANCES}export/").status_code == 405


def test_the_tries_of_a_question_lead_to_each_other(db: None, admin_client: Client) -> None:
    first = make_query(state="unanswered")
    second = make_query(first=first, try_number=2)
    assert f"{QUERIES}{second.pk}/change/" in html(admin_client, f"{QUERIES}{first.pk}/change/")
    assert f"{QUERIES}{first.pk}/change/" in html(admin_client, f"{QUERIES}{second.pk}/change/")


def test_the_start_page_tells_of_low_accounts_and_refused_initiators(
    account: MpesaSettings, admin_client: Client
) -> None:
    make_balance(low_since=timezone.now())
    for _ in range(2):
        note_initiator_result("", "sandbox", SHORT_CODE, "8006")
    page = html(admin_client, "/admin/")
    assert "Low balances" in page
    assert f"{BALANCES}?shown=low" in page
    assert "Initiators refused" in page
    assert "wrong, expired (after 90 days) or locked" in page
    assert f"Working Account of {SHORT_CODE} is low: KES -15.00." in page


def test_an_alarm_is_lifted_by_those_who_may(
    account: MpesaSettings, client_of: Callable[..., Client]
) -> None:
    for _ in range(2):
        note_initiator_result("", "sandbox", SHORT_CODE, "2001")
    alarm = InitiatorAlarm.objects.get()
    url = f"{HUB}/initiatoralarm/"
    values = {"action": "lift_alarm", "_selected_action": [str(alarm.pk)]}
    viewer = client_of(*SEES)
    assert "Calls held back" in html(viewer, url)
    viewer.post(url, values)
    alarm.refresh_from_db()
    assert alarm.raised_at is not None
    lifter = client_of(*SEES, "lift_initiatoralarm")
    assert "1 alarms were lifted" in lifter.post(url, values, follow=True).content.decode()
    alarm.refresh_from_db()
    assert (alarm.raised_at, alarm.failures) == (None, 0)
    assert alarm.cleared_by.endswith("by hand")
    assert AuditEntry.objects.get(action="initiator.lifted").detail


def test_the_work_list_has_both_alarms(account: MpesaSettings, admin_client: Client) -> None:
    make_balance(low_since=timezone.now())
    for _ in range(2):
        note_initiator_result("", "sandbox", SHORT_CODE, "8006")
    page = html(admin_client, reverse("admin:integrations_worklist_changelist"))
    assert "Initiators that M-Pesa refuses" in page
    assert f"Working Account of {SHORT_CODE} is low: KES -15.00." in page
