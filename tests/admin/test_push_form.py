"""Requesting a payment from the admin, and pages that follow their rows."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from integrations.models import AuditEntry, BusinessGrant, MpesaSettings, Payment, PaymentState
from integrations.payments import ledger
from tests.conftest import mpesa_values
from tests.sandbox.driver import SandboxDriver

FORM = "/admin/integrations/payment/request/"
LIST = "/admin/integrations/payment/"


def user_with(*names: str, business: str | None = None) -> Client:
    user = User.objects.create_user("cashier", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    if business is not None:
        BusinessGrant.objects.create(user=user, business=business)
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def cashier(mpesa: MpesaSettings) -> Client:
    return user_with("view_payment", "push_payment")


def typed(client: Client, **changes: Any) -> dict[str, Any]:
    """The form as the page offers it, filled in."""
    key = client.get(FORM).context["form"].initial["idempotency_key"]
    values = {
        "phone": "0712 345 678", "amount": "1500", "account_reference": "INV001",
        "description": "Order 1", "business": "", "idempotency_key": str(key),
    }  # fmt: skip
    return {**values, **changes}


def test_the_form_prompts_the_payer_and_shows_the_payment(
    cashier: Client, sandbox: SandboxDriver
) -> None:
    answer = cashier.post(FORM, typed(cashier), follow=True)
    payment = Payment.objects.get()
    assert answer.redirect_chain == [(f"{LIST}{payment.pk}/change/", 302)]
    assert "The prompt is on the payer" in answer.content.decode()
    assert (payment.state, payment.amount, payment.phone) == ("pending", 1500, "254712345678")
    assert len(sandbox.prompts()) == 1


def test_the_same_form_sent_twice_is_one_prompt(cashier: Client, sandbox: SandboxDriver) -> None:
    form = typed(cashier)
    for _ in range(2):
        assert cashier.post(FORM, form).status_code == 302
    assert len(sandbox.prompts()) == Payment.objects.count() == 1
    other = cashier.post(FORM, {**form, "amount": "20"}, follow=True)
    assert "was already used for a payment with another amount" in other.content.decode()
    assert len(sandbox.prompts()) == 1


def test_a_second_form_for_the_same_is_held_back_until_it_is_confirmed(
    cashier: Client, sandbox: SandboxDriver
) -> None:
    sandbox.settings(is_interactive=True)
    cashier.post(FORM, typed(cashier))
    first = Payment.objects.get()
    anew = typed(cashier, phone="+254712345678", amount="1500.00")
    html = cashier.post(FORM, anew).content.decode()
    assert str(first.public_id) in html and "Prompt the payer once more" in html
    assert len(sandbox.prompts()) == Payment.objects.count() == 1
    # Another amount, and one that has ended, are other payments.
    assert cashier.post(FORM, {**anew, "amount": "20"}).status_code == 302
    ledger.transition(first, PaymentState.FAILED, kind="callback")
    assert cashier.post(FORM, typed(cashier)).status_code == 302


def test_a_held_back_form_goes_through_when_confirmed(
    cashier: Client, sandbox: SandboxDriver
) -> None:
    sandbox.settings(is_interactive=True)
    cashier.post(FORM, typed(cashier))
    anew = typed(cashier)
    assert cashier.post(FORM, anew).status_code == 200
    assert cashier.post(FORM, {**anew, "again": "on"}).status_code == 302
    assert Payment.objects.count() == 2


def test_the_trail_names_who_started_a_payment_and_a_repeat_names_nobody(
    cashier: Client, sandbox: SandboxDriver
) -> None:
    form = typed(cashier)
    for _ in range(2):
        answer = cashier.post(FORM, form, follow=True)
    assert "This was requested already" in answer.content.decode()
    entry = AuditEntry.objects.get(action="payment.pushed")
    assert (entry.actor_name, entry.object_id) == ("cashier", str(Payment.objects.get().pk))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"phone": "12"}, "phone"),
        ({"amount": "100.75"}, "amount"),
        ({"amount": "-5"}, "amount"),
        ({"account_reference": ""}, "account_reference"),
        ({"description": "x" * 201}, "description"),
    ],
)
def test_bad_input_is_told_at_its_field_and_nothing_is_stored(
    cashier: Client, sandbox: SandboxDriver, change: dict[str, str], told: str
) -> None:
    answer = cashier.post(FORM, typed(cashier, **change))
    assert answer.status_code == 200
    assert list(answer.context["form"].errors) == [told]
    assert not Payment.objects.exists() and not sandbox.prompts()


def test_a_refused_push_leads_to_the_payment_that_says_why(
    cashier: Client, mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.app(mpesa.consumer_key.reveal(), "another secret")
    answer = cashier.post(FORM, typed(cashier), follow=True)
    payment = Payment.objects.get()
    assert payment.state == PaymentState.FAILED
    assert payment.message in answer.content.decode().replace("&#x27;", "'")


def test_only_who_may_start_payments_gets_the_form(mpesa: MpesaSettings) -> None:
    viewer = user_with("view_payment")
    assert "Request a payment" not in viewer.get(LIST).content.decode()
    assert viewer.get(FORM).status_code == viewer.post(FORM, {}).status_code == 403
    assert Client().get(FORM).status_code == 302


def test_nobody_pays_into_another_business(mpesa: MpesaSettings, sandbox: SandboxDriver) -> None:
    MpesaSettings.objects.create(**mpesa_values(sandbox, business="b1"))
    cashier = user_with("view_payment", "push_payment", business="b2")
    for business in ("b1", ""):
        answer = cashier.post(FORM, typed(cashier, business=business))
        assert "You have no access to" in answer.content.decode()
    assert not Payment.objects.exists()


def make_payment(**changes: Any) -> Payment:
    return Payment.objects.create(
        provider="mpesa", product="stk_push", environment="sandbox", amount=10,
        phone="254712345678", state=PaymentState.PENDING, **changes,
    )  # fmt: skip


@pytest.mark.django_db
def test_an_open_page_hears_of_every_change(admin_client: Client) -> None:
    payment = make_payment()
    page = admin_client.get(f"{LIST}{payment.pk}/change/").content.decode()
    url = f"{LIST}{payment.pk}/live/"
    before = admin_client.get(url).json()
    assert f'data-live-url="{url}" data-live-state="{before["state"]}"' in page
    assert not before["ended"]
    ledger.note(payment, "note", "Something.")
    noted = admin_client.get(url).json()
    assert noted["state"] != before["state"]
    ledger.transition(payment, PaymentState.SUCCEEDED, kind="callback")
    ended = admin_client.get(url).json()
    assert ended["state"] != noted["state"] and ended["ended"]


@pytest.mark.django_db
def test_an_open_list_hears_of_new_payments_and_states(admin_client: Client) -> None:
    payment = make_payment()
    heard = [admin_client.get(f"{LIST}live/").json()["state"]]
    make_payment()
    heard.append(admin_client.get(f"{LIST}live/").json()["state"])
    ledger.transition(payment, PaymentState.FAILED, kind="callback")
    heard.append(admin_client.get(f"{LIST}live/").json()["state"])
    assert len(set(heard)) == 3


@pytest.mark.django_db
def test_live_says_nothing_of_other_businesses() -> None:
    payment = make_payment(business="b1")
    client = user_with("view_payment", business="b2")
    assert client.get(f"{LIST}live/").json()["state"] == ""
    assert client.get(f"{LIST}{payment.pk}/live/").status_code == 404
    assert user_without().get(f"{LIST}live/").status_code == 403


def user_without() -> Client:
    User.objects.create_user("nobody", is_staff=True)
    client = Client()
    client.force_login(User.objects.get(username="nobody"))
    return client
