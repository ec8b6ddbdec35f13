"""Paying out and giving money back from the admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from integrations import approvals
from integrations.models import Approval, BusinessGrant, MpesaSettings, Payment
from integrations.models import PaymentState as S
from tests.payments.results import payouts
from tests.sandbox.driver import SandboxDriver

LIST = "/admin/integrations/payment/"
FORM = f"{LIST}pay-out/"
RIGHTS = ("view_payment", "payout_payment", "reverse_payment", "view_approval")


def person(name: str, *rights: str, business: str | None = None) -> User:
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    if business is not None:
        BusinessGrant.objects.create(user=user, business=business)
    return user


def login(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def clerk(paying: MpesaSettings) -> Client:
    return login(person("clerk", *RIGHTS))


def typed(client: Client, url: str = FORM, **changes: Any) -> dict[str, Any]:
    key = client.get(url).context["form"].initial["idempotency_key"]
    values = {
        "phone": "0712 345 678", "amount": "1500", "reference": "SAL-11", "remarks": "Salary",
        "command": "SalaryPayment", "business": "", "idempotency_key": str(key),
    }  # fmt: skip
    return {**values, **changes}


def test_the_form_pays_and_shows_the_payout(clerk: Client, sandbox: SandboxDriver) -> None:
    answer = clerk.post(FORM, typed(clerk), follow=True)
    payment = Payment.objects.get()
    assert answer.redirect_chain == [(f"{LIST}{payment.pk}/change/", 302)]
    assert "M-Pesa took it" in answer.content.decode()
    [order] = payouts(sandbox)
    assert (payment.state, payment.amount, payment.transaction_type) == (
        "pending", 1500, "SalaryPayment",
    )  # fmt: skip
    assert order["remarks"] == "Salary"


def test_the_same_form_sent_twice_is_one_payout(clerk: Client, sandbox: SandboxDriver) -> None:
    form = typed(clerk)
    for _ in range(2):
        answer = clerk.post(FORM, form, follow=True)
    assert "Nothing was sent" in answer.content.decode()
    assert len(payouts(sandbox)) == Payment.objects.count() == 1


def test_what_looks_alike_is_held_back_until_it_is_confirmed(
    clerk: Client, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    clerk.post(FORM, typed(clerk))
    settle()
    first = Payment.objects.get()
    assert first.state == S.SUCCEEDED
    anew = typed(clerk, reference="ANOTHER", amount="1500.00")
    html = clerk.post(FORM, anew).content.decode()
    assert str(first.public_id) in html and "Pay all the same" in html
    assert len(payouts(sandbox)) == 1
    assert clerk.post(FORM, {**anew, "again": "on"}).status_code == 302
    assert len(payouts(sandbox)) == 2


def test_the_limits_stand_in_words_on_the_form(clerk: Client, paying: MpesaSettings) -> None:
    html = clerk.get(FORM).content.decode()
    assert "One payout: KES 10 to 250,000." in html
    assert "No second person has to approve" in html
    paying.approve_above, paying.payee_daily_limit = 1000, 5000
    paying.save()
    html = clerk.get(FORM).content.decode()
    assert "Above KES 1,000 a second person has to approve" in html
    assert "One number in a day: at most KES 5,000." in html


def test_above_the_limit_it_waits_and_the_page_says_for_whom(
    clerk: Client, paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    paying.approve_above = 1000
    paying.save()
    answer = clerk.post(FORM, typed(clerk), follow=True)
    html = answer.content.decode()
    payment, approval = Payment.objects.get(), Approval.objects.get()
    assert payment.state == S.AWAITING_APPROVAL
    assert "Nobody but you may approve this" in html
    assert f"/approval/{approval.pk}/change/" in html
    assert "asked for by clerk" in html
    assert payouts(sandbox) == []
    assert approval.requested_by == User.objects.get(username="clerk")
    approvals.decide(approval, person("boss", "approve_payout"), approve=True)
    html = clerk.get(f"{LIST}{payment.pk}/change/").content.decode()
    assert "approved by boss" in html


@pytest.mark.parametrize(
    ("change", "told"),
    [({"phone": "12"}, "phone"), ({"amount": "100.75"}, "amount"), ({"amount": "5"}, "amount"),
     ({"reference": ""}, "reference"), ({"remarks": "x"}, "remarks"),
     ({"command": "Other"}, "command")],
)  # fmt: skip
def test_bad_input_is_told_at_its_field(
    clerk: Client, sandbox: SandboxDriver, change: dict[str, str], told: str
) -> None:
    answer = clerk.post(FORM, typed(clerk, **change))
    assert list(answer.context["form"].errors) == [told]
    assert not Payment.objects.exists() and payouts(sandbox) == []


def test_only_who_may_pays_and_in_own_businesses(paying: MpesaSettings) -> None:
    for rights in (("view_payment",), ("payout_payment",), ("view_payment", "push_payment")):
        client = login(person(f"no-{'-'.join(rights)}", *rights))
        assert client.get(FORM).status_code == client.post(FORM, {}).status_code == 403
    client = login(person("bob", *RIGHTS, business="b2"))
    answer = client.post(FORM, typed(client, business=""))
    assert "You have no access to the installation" in answer.content.decode()
    assert not Payment.objects.exists()


@pytest.fixture
def paid(paying: MpesaSettings, sandbox: SandboxDriver) -> Payment:
    """Money that came in, known to the sandbox."""
    sandbox.simulate_c2b(1000, "INV-1", phone="254712345678")
    sandbox.settle()
    [found] = [each for each in sandbox.book()["c2b"] if each["receipt"]]
    return Payment.objects.create(
        provider="mpesa", product="c2b", direction="in", environment="sandbox", amount=1000,
        state=S.SUCCEEDED, phone="254712345678", receipt=found["receipt"], next_attempt_at=None,
        short_code="600999", account_reference="INV-1",
    )  # fmt: skip


def reversal(client: Client, url: str, **changes: Any) -> dict[str, Any]:
    form = client.get(url).context["form"]
    return {
        "amount": form.initial["amount"], "remarks": "Goods came back",
        "idempotency_key": str(form.initial["idempotency_key"]), **changes,
    }  # fmt: skip


def test_a_payment_is_given_back_in_parts(
    clerk: Client, paid: Payment, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    page, url = f"{LIST}{paid.pk}/change/", f"{LIST}{paid.pk}/reverse/"
    assert "Reverse (up to KES 1,000.00)" in clerk.get(page).content.decode()
    answer = clerk.post(url, reversal(clerk, url, amount="400"), follow=True)
    assert "M-Pesa took it" in answer.content.decode()
    settle()
    html = clerk.get(page).content.decode()
    assert "Reverse (up to KES 600.00)" in html
    made = Payment.objects.get(product="reversal")
    assert (made.state, made.amount, made.original) == (S.SUCCEEDED, 400, paid)
    assert f"/payment/{made.pk}/change/" in html
    assert "Gives back:" in clerk.get(f"{LIST}{made.pk}/change/").content.decode()
    assert reversal(clerk, url)["amount"] == "600"
    told = clerk.post(url, reversal(clerk, url, amount="601"))
    assert "only KES 600 of KES 1,000" in told.content.decode()
    clerk.post(url, reversal(clerk, url))
    settle()
    assert "Reverse (" not in clerk.get(page).content.decode()
    answer = clerk.get(url, follow=True)
    assert "can&#x27;t be reversed: nothing of it is left" in answer.content.decode()


def test_only_money_that_came_in_is_reversed_and_only_by_who_may(
    clerk: Client, paid: Payment, sandbox: SandboxDriver
) -> None:
    url = f"{LIST}{paid.pk}/reverse/"
    looker = login(person("looker", "view_payment", "payout_payment"))
    assert looker.get(url).status_code == looker.post(url, {}).status_code == 403
    assert "Reverse (" not in looker.get(f"{LIST}{paid.pk}/change/").content.decode()
    bob = login(person("bob", *RIGHTS, business="b2"))
    assert bob.get(url).status_code == bob.post(url, {}).status_code == 404
    BusinessGrant.objects.all().delete()
    out = Payment.objects.create(
        provider="mpesa", product="b2c", direction="out", environment="sandbox", amount=10,
        state=S.SUCCEEDED, receipt="SKX1234567", next_attempt_at=None,
    )  # fmt: skip
    answer = clerk.get(f"{LIST}{out.pk}/reverse/", follow=True)
    assert "only money that came in can be reversed" in answer.content.decode()


def test_the_list_tells_ways_and_filters_by_them(clerk: Client, paid: Payment) -> None:
    clerk.post(FORM, typed(clerk))
    html = clerk.get(LIST).content.decode()
    assert "Payout (B2C)" in html and "C2B payment" in html
    for query, count in (("direction__exact=out", 1), ("product__exact=c2b", 1),
                         ("product__exact=reversal", 0)):  # fmt: skip
        found = clerk.get(f"{LIST}?{query}").context["cl"].result_list
        assert len(found) == count, query
