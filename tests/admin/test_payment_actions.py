"""Asking the provider from the admin, and taking payments off the work list of people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from integrations.models import AuditEntry, MpesaSettings, Payment, PaymentEvent, PaymentState
from integrations.payments.mpesa_payment import MpesaPaymentService
from integrations.payments.states import is_retry_safe
from tests.conftest import CONSUMER_KEY
from tests.payments.letters import silent_prompt
from tests.sandbox.driver import SandboxDriver

LIST = "/admin/integrations/payment/"
HOSTILE = "<script>alert(1)</script>"
MayAsk = Callable[..., Client]


def page_of(payment: Payment) -> str:
    return f"{LIST}{payment.pk}/change/"


def ask(client: Client, payment: Payment) -> str:
    return client.post(f"{LIST}{payment.pk}/ask/", follow=True).content.decode()


def act(client: Client, *payments: Payment) -> str:
    chosen = {"action": "ask_provider", "_selected_action": [row.pk for row in payments]}
    return client.post(LIST, chosen, follow=True).content.decode()


def make(**values: Any) -> Payment:
    return Payment.objects.create(
        provider="mpesa", product="stk_push", environment="sandbox", amount=1000,
        **{"account_reference": "INV-7", **values},
    )  # fmt: skip


@pytest.fixture
def pending(mpesa: MpesaSettings, sandbox: SandboxDriver) -> Payment:
    """A payment that the payer has settled, and whose callback never came."""
    silent_prompt(sandbox, MpesaPaymentService.initiate_stk_push)
    payment = Payment.objects.get()
    assert payment.state == PaymentState.PENDING
    return payment


def test_the_button_asks_and_moves_the_payment(pending: Payment, admin_client: Client) -> None:
    assert "Ask provider now" in admin_client.get(page_of(pending)).content.decode()
    html = ask(admin_client, pending)
    pending.refresh_from_db()
    assert pending.state == PaymentState.SUCCEEDED
    assert "It is now: Succeeded." in html
    entry = AuditEntry.objects.get(action="payment.asked")
    assert (entry.actor_name, entry.object_id) == ("admin", str(pending.pk))
    assert "It is now: Succeeded." in entry.detail


def test_nothing_is_sent_again(
    pending: Payment, admin_client: Client, sandbox: SandboxDriver
) -> None:
    ask(admin_client, pending)
    ask(admin_client, pending)
    assert len(sandbox.prompts()) == 1
    # Settled the first time, so there was nothing to ask the second time.
    assert sandbox.counters()["stk_query"] == 1


def test_what_is_still_open_stays_and_is_told(
    mpesa: MpesaSettings, sandbox: SandboxDriver, admin_client: Client
) -> None:
    sandbox.settings(is_interactive=True)
    MpesaPaymentService.initiate_stk_push("0712345678", 10, "INV001")
    payment = Payment.objects.get()
    assert "It stays: Waiting for the result." in ask(admin_client, payment)


def test_a_refusal_is_told_in_words(
    pending: Payment, admin_client: Client, mpesa: MpesaSettings
) -> None:
    MpesaSettings.objects.all().delete()
    html = ask(admin_client, pending)
    pending.refresh_from_db()
    assert pending.state == PaymentState.PENDING
    assert "It stays: Waiting for the result." in html
    assert CONSUMER_KEY not in html


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"state": PaymentState.SUCCEEDED, "checkout_id": "ws_1"}, "It is settled: Succeeded."),
        ({"state": PaymentState.CREATED}, "It was not sent yet"),
        ({"state": PaymentState.SENDING}, "It is being sent right now."),
        ({"state": PaymentState.UNKNOWN}, "M-Pesa gave no CheckoutRequestID for it"),
    ],
)
def test_what_can_not_be_asked_about_is_told(
    db: None, admin_client: Client, values: dict[str, Any], words: str
) -> None:
    assert words in ask(admin_client, make(**values))


def test_the_list_action_asks_about_each_chosen_one(pending: Payment, admin_client: Client) -> None:
    unsent = make(state=PaymentState.CREATED, account_reference=HOSTILE)
    html = act(admin_client, pending, unsent)
    assert "It is now: Succeeded." in html
    assert "It was not sent yet" in html
    assert HOSTILE not in html
    assert AuditEntry.objects.filter(action="payment.asked").count() == 2


def test_the_list_action_refuses_a_flood(db: None, admin_client: Client) -> None:
    rows = [make(state=PaymentState.CREATED) for _ in range(21)]
    assert "Choose at most 20 payments to ask about." in act(admin_client, *rows)
    assert not AuditEntry.objects.filter(action="payment.asked").exists()


def test_asking_needs_its_permission(pending: Payment, client_of: MayAsk) -> None:
    viewer = client_of("view_payment")
    html = viewer.get(page_of(pending)).content.decode()
    assert "Ask provider now" not in html
    assert viewer.post(f"{LIST}{pending.pk}/ask/").status_code == 403
    act(viewer, pending)
    # The permission to ask alone lets nobody in either.
    assert client_of("ask_payment").post(f"{LIST}{pending.pk}/ask/").status_code == 403
    for client in (Client(), client_of(is_staff=False)):
        assert "/login/" in client.post(f"{LIST}{pending.pk}/ask/")["Location"]
    pending.refresh_from_db()
    assert pending.state == PaymentState.PENDING
    assert "It is now: Succeeded." in ask(client_of("view_payment", "ask_payment"), pending)


def test_another_business_does_not_exist(pending: Payment, client_of: MayAsk) -> None:
    client = client_of("view_payment", "ask_payment", businesses=("other",))
    Payment.objects.filter(pk=pending.pk).update(attention="Look.")
    assert client.post(f"{LIST}{pending.pk}/ask/").status_code == 404
    done = client.post(f"{LIST}{pending.pk}/done/", {"note": "Found.", "reason": "Look."})
    assert done.status_code == 404
    act(client, pending)
    assert pending.account_reference not in client.get(LIST).content.decode()
    assert client.get(page_of(pending)).status_code == 302
    pending.refresh_from_db()
    assert (pending.state, pending.attention) == (PaymentState.PENDING, "Look.")
    assert not AuditEntry.objects.filter(action="payment.asked").exists()


def test_the_buttons_need_a_post_with_a_csrf_token(db: None, admin_user: User) -> None:
    payment = make(attention="Look.")
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    for button in ("ask", "done"):
        assert client.get(f"{LIST}{payment.pk}/{button}/").status_code == 405
        values = {"note": "Found it.", "reason": "Look."}
        assert client.post(f"{LIST}{payment.pk}/{button}/", values).status_code == 403
    payment.refresh_from_db()
    assert payment.attention == "Look."


def settle(client: Client, payment: Payment, **values: str) -> str:
    typed = {
        "note": "Found in the statement.", "reason": payment.attention, "finding": "paid", **values,
    }  # fmt: skip
    return client.post(f"{LIST}{payment.pk}/done/", typed, follow=True).content.decode()


def test_a_person_takes_a_payment_off_the_work_list(db: None, admin_client: Client) -> None:
    payment = make(attention="Compare with the statement.", business="duka")
    assert "Needs a person:" in admin_client.get(page_of(payment)).content.decode()
    html = settle(admin_client, payment, note=f"Found it. {HOSTILE}")
    payment.refresh_from_db()
    assert payment.attention == ""
    assert HOSTILE not in html
    assert "Needs a person:" not in html
    event = PaymentEvent.objects.get(payment=payment)
    assert (event.kind, event.text) == ("attention_done", f"Found it. {HOSTILE}")
    assert event.data == {"reason": "Compare with the statement.", "finding": "paid"}
    entry = AuditEntry.objects.get(action="payment.attention_done")
    assert (entry.actor_name, entry.business) == ("admin", "duka")
    assert entry.fields == ["attention", "finding"]


@pytest.mark.parametrize(("finding", "is_safe"), [("paid", False), ("not_paid", True)])
def test_only_what_was_found_unpaid_may_be_charged_again(
    db: None, admin_client: Client, finding: str, is_safe: bool
) -> None:
    payment = make(attention="A callback says paid.", state=PaymentState.FAILED)
    assert not is_retry_safe(payment)
    settle(admin_client, payment, finding=finding)
    payment.refresh_from_db()
    assert (payment.attention, payment.finding) == ("", finding)
    assert is_retry_safe(payment) is is_safe


@pytest.mark.parametrize("finding", ["", "perhaps"])
def test_a_finding_is_demanded(db: None, admin_client: Client, finding: str) -> None:
    payment = make(attention="Compare.")
    assert "choose whether it was paid" in settle(admin_client, payment, finding=finding)
    payment.refresh_from_db()
    assert (payment.attention, payment.finding) == ("Compare.", "")


@pytest.mark.parametrize("note", ["", "  ", "ok", "x" * 301])
def test_a_note_is_demanded(db: None, admin_client: Client, note: str) -> None:
    payment = make(attention="Compare.")
    assert "write what you found, in 3 to 300 characters" in settle(
        admin_client, payment, note=note
    )
    payment.refresh_from_db()
    assert payment.attention == "Compare."
    assert not PaymentEvent.objects.exists()


def test_a_reason_that_came_meanwhile_stays(db: None, admin_client: Client) -> None:
    payment = make(attention="Paid late.")
    html = settle(admin_client, payment, reason="Compare.")
    assert "the reason is not the one that you saw" in html
    payment.refresh_from_db()
    assert payment.attention == "Paid late."
    assert not AuditEntry.objects.filter(action="payment.attention_done").exists()


def test_what_needs_nobody_is_not_done(db: None, admin_client: Client) -> None:
    payment = make()
    assert "Nothing was changed" in settle(admin_client, payment, reason="")
    assert not PaymentEvent.objects.exists()


def test_done_needs_the_permission_to_ask(db: None, client_of: MayAsk) -> None:
    payment = make(attention="Compare.")
    viewer = client_of("view_payment")
    assert viewer.post(f"{LIST}{payment.pk}/done/", {"note": "Found."}).status_code == 403
    payment.refresh_from_db()
    assert payment.attention == "Compare."
