"""The pages of whoever approves: what waits, everything about it, and the buttons."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from integrations.models import Approval, ApprovalState, BusinessGrant, Payment
from integrations.models import PaymentState as S
from tests.approvals.conftest import Handlers, ask, handlers, person, waiting_payment  # noqa: F401

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("handlers")]
LIST = "/admin/integrations/approval/"


def login(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def maker() -> User:
    return person("mary")


@pytest.fixture
def checker() -> Client:
    return login(person("ann"))


@pytest.fixture
def payment() -> Payment:
    return waiting_payment()


@pytest.fixture
def approval(payment: Payment, maker: User) -> Approval:
    return ask(payment, maker)


def page(approval: Approval, part: str = "change") -> str:
    return f"{LIST}{approval.pk}/{part}/"


def shown(client: Client, query: str = "") -> list[int]:
    answer = client.get(LIST + query)
    assert answer.status_code == 200
    return sorted(row.pk for row in answer.context["cl"].result_list)


def test_what_waits_comes_first_and_the_rest_when_asked_for(
    approval: Approval, maker: User, checker: Client
) -> None:
    ended = {}
    for state in ApprovalState:
        if state != ApprovalState.OPEN:
            ended[state] = ask(waiting_payment(), None)
            Approval.objects.filter(pk=ended[state].pk).update(state=state)
    nobodys = ask(waiting_payment(), None)
    assert shown(checker) == shown(checker, "?standing=mine") == [approval.pk, nobodys.pk]
    assert shown(login(maker), "?standing=mine") == [nobodys.pk]
    assert shown(login(maker), "?standing=asked") == [approval.pk]
    assert shown(checker, "?standing=rejected") == [ended[ApprovalState.REJECTED].pk]
    assert len(shown(checker, "?standing=all")) == 6


def test_the_list_says_why_not_where_somebody_can_not_decide(
    approval: Approval, maker: User, checker: Client
) -> None:
    assert "You asked for this yourself" in login(maker).get(LIST).content.decode()
    html = checker.get(LIST).content.decode()
    assert "Waits for you" in html
    assert "You asked for this yourself" not in html


def test_the_page_shows_what_is_asked_for(approval: Approval, checker: Client) -> None:
    html = checker.get(page(approval)).content.decode()
    for text in ("KES 1,500.00", "254712345678", "SAL-11", "mary", "Approve KES 1,500.00",
                 "Why is it rejected?", "this number is new here"):  # fmt: skip
        assert text in html, text
    assert "Look twice" not in html


def test_the_page_tells_of_what_is_like_it_and_of_what_the_payee_had(
    approval: Approval, checker: Client
) -> None:
    twin = waiting_payment(state=S.SUCCEEDED, account_reference="SAL-9")
    waiting_payment(state=S.FAILED)
    waiting_payment(state=S.SUCCEEDED, amount=777, account_reference="OTHER")
    waiting_payment("b2", state=S.SUCCEEDED)
    old = waiting_payment(state=S.SUCCEEDED, account_reference="SAL-8")
    Payment.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=2))
    same_reference = waiting_payment(state=S.PENDING, phone="254722000000", amount=5)
    answer = checker.get(page(approval))
    about = answer.context["about"]
    assert [each.split(":")[0] for each in about.warnings] == [
        "The same receiver, the same amount", "The same reference, SAL-11",
    ]  # fmt: skip
    assert "Look twice" in answer.content.decode()
    [payee] = about.tables
    assert len(payee.rows) == 4
    assert same_reference.amount not in [row[1].text for row in payee.rows]
    assert f"/payment/{twin.pk}/change/" in answer.content.decode()


def test_a_reversal_shows_the_payment_and_what_was_given_back(maker: User, checker: Client) -> None:
    original = waiting_payment(
        product="stk_push", direction="in", state=S.SUCCEEDED, receipt="SKL1", amount=5000
    )
    for state in (S.SUCCEEDED, S.FAILED):
        waiting_payment(product="reversal", original=original, state=state, amount=1000)
    approval = ask(waiting_payment(product="reversal", original=original, amount=500), maker)
    html = checker.get(page(approval)).content.decode()
    assert "KES 1,500.00 of 5,000.00, this one included" in html
    assert "SKL1" in html


def test_a_button_approves(approval: Approval, payment: Payment, checker: Client) -> None:
    answer = checker.post(page(approval, "approve"), follow=True)
    assert "Approved: it goes ahead." in answer.content.decode()
    approval.refresh_from_db()
    payment.refresh_from_db()
    assert (approval.state, approval.decided_by_name) == (ApprovalState.APPROVED, "ann")
    assert payment.state == S.CREATED
    again = checker.post(page(approval, "approve"), follow=True)
    assert "It is decided already: approved by ann" in again.content.decode()


def test_a_button_rejects_with_the_reason(
    approval: Approval, payment: Payment, checker: Client
) -> None:
    answer = checker.post(page(approval, "reject"), {"reason": ""}, follow=True)
    assert "say why it is rejected" in answer.content.decode()
    approval.refresh_from_db()
    assert approval.is_open
    checker.post(page(approval, "reject"), {"reason": "<b>Paid in cash</b>"})
    payment.refresh_from_db()
    assert payment.state == S.CANCELLED
    html = checker.get(page(approval)).content.decode()
    assert "&lt;b&gt;Paid in cash" in html and "<b>Paid" not in html


def test_the_maker_sees_why_not_and_may_take_it_back(
    approval: Approval, payment: Payment, maker: User
) -> None:
    client = login(maker)
    html = client.get(page(approval)).content.decode()
    assert "You asked for this yourself" in html
    assert "Nobody but you may approve this" in html
    assert "Approve KES" not in html and "Why is it rejected" not in html
    answer = client.post(page(approval, "approve"), follow=True)
    assert "You asked for this yourself" in answer.content.decode()
    client.post(page(approval, "withdraw"))
    payment.refresh_from_db()
    assert payment.state == S.CANCELLED


def test_a_maker_without_further_rights_may_take_it_back(payment: Payment) -> None:
    maker = User.objects.create_user("clerk", is_staff=True)
    approval = ask(payment, maker)
    assert login(person("ann")).post(page(approval, "withdraw")).status_code == 404
    answer = login(maker).post(page(approval, "withdraw"), follow=True)
    assert "Taken back" in answer.content.decode()


@pytest.mark.parametrize("part", ["approve", "reject", "withdraw"])
def test_the_buttons_are_posts_with_a_token(approval: Approval, part: str) -> None:
    user = person("ann")
    client = login(user)
    assert client.get(page(approval, part)).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)
    assert strict.post(page(approval, part), {"reason": "Because"}).status_code == 403
    approval.refresh_from_db()
    assert approval.is_open


def test_who_may_only_look_finds_no_button(approval: Approval) -> None:
    user = person("eve", approver=False)
    client = login(user)
    html = client.get(page(approval)).content.decode()
    assert "it takes the permission integrations.approve_payout" in html
    assert "Approve KES" not in html and "Reject</" not in html
    for part in ("approve", "reject"):
        assert client.post(page(approval, part), {"reason": "Because"}).status_code == 403


def test_who_may_neither_look_nor_decide_finds_nothing(approval: Approval) -> None:
    client = login(User.objects.create_user("bob", is_staff=True))
    assert client.get(LIST).status_code == client.get(page(approval)).status_code == 403


def test_an_approver_needs_no_further_permission_to_look(approval: Approval) -> None:
    user = User.objects.create_user("joe", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="approve_payout"))
    client = login(user)
    assert shown(client) == [approval.pk]
    html = client.get(page(approval)).content.decode()
    assert "Approve KES 1,500.00" in html
    assert "/payment/" not in html
    Approval.objects.filter(pk=approval.pk).update(kind="of_somebody_else")
    assert shown(client) == []


def test_a_kind_that_is_gone_breaks_no_page(approval: Approval, checker: Client) -> None:
    Approval.objects.filter(pk=approval.pk).update(kind="gone")
    assert shown(checker) == [approval.pk]
    assert "No approval is of kind gone" in checker.get(page(approval)).content.decode()


def test_several_are_approved_at_once_after_their_total_was_shown(
    maker: User, checker: Client
) -> None:
    rows = [ask(waiting_payment(amount=amount), maker) for amount in (1500, 2000, 1000)]
    own = ask(waiting_payment(), User.objects.get(username="ann"))
    ids = [str(row.pk) for row in (*rows, own)]
    data = {"action": "approve_chosen", "_selected_action": ids}
    answer = checker.post(LIST, data, follow=True)
    html = answer.content.decode()
    assert "KES 4,500.00 in 3 requests" in html
    assert "1 request of those you chose are left out" in html
    assert Approval.objects.filter(state=ApprovalState.OPEN).count() == 4
    # Decided by another one meanwhile, and altered meanwhile: told, the others go ahead.
    Approval.objects.filter(pk=rows[0].pk).update(state=ApprovalState.REJECTED)
    Payment.objects.filter(pk=rows[1].object_id).update(phone="254722000000")
    chosen = ",".join(str(row.pk) for row in rows)
    done = checker.post(f"{LIST}approve/", {"confirmed": "yes", "ids": chosen}, follow=True)
    told = done.content.decode()
    assert "Approved: KES 1,000.00 in 1 request." in told
    assert "It is not any more what was asked for (Receiver)" in told
    states = [Approval.objects.get(pk=row.pk).state for row in rows]
    assert states == ["rejected", "open", "approved"]


@pytest.mark.parametrize("ids", ["", "x", "9" * 40, "0", "1,,2,%00"])
def test_several_that_are_none_are_told(checker: Client, ids: str) -> None:
    answer = checker.get(f"{LIST}approve/?ids={ids}", follow=True)
    assert "None of these waits for you" in answer.content.decode()


def test_the_start_page_tells_what_waits_for_the_reader(maker: User, checker: Client) -> None:
    ask(waiting_payment(amount=1500), maker)
    ask(waiting_payment(amount=2000), maker)
    late = ask(waiting_payment(), maker)
    Approval.objects.filter(pk=late.pk).update(expires_at=timezone.now() - timedelta(hours=1))

    def card(client: Client) -> Any:
        cards = client.get("/admin/").context["cards"]
        return next((each for each in cards if each.title == "Waiting for your approval"), None)

    found = card(checker)
    assert (found.figure.text, found.tone) == ("2", "warn")
    [line] = found.lines
    assert f"{line.text} {line.label}" == "KES 3,500.00 in 2"
    for figure in (found.figure, line):
        assert len(shown(checker, figure.url.removeprefix(LIST))) == 2
    assert (card(login(maker)).figure.text, card(login(maker)).note) == (
        "0", "Nothing waits for you.",
    )  # fmt: skip
    assert card(login(person("eve", approver=False))) is None


def test_another_business_sees_and_decides_nothing(maker: User) -> None:
    BusinessGrant.objects.create(user=maker, business="b1")
    approval = ask(waiting_payment("b1"), maker)
    client = login(person("bob", "b2"))
    assert shown(client, "?standing=all") == []
    assert client.get(page(approval)).status_code == 302
    assert client.post(page(approval, "approve")).status_code == 404
    assert client.get("/admin/").context["cards"][0].title
    answer = client.get(f"{LIST}approve/?ids={approval.pk}", follow=True)
    assert "None of these" in answer.content.decode()


def test_the_pages_ask_few_queries(
    maker: User, checker: Client, django_assert_max_num_queries: Any
) -> None:
    approvals = [ask(waiting_payment(), maker) for _ in range(12)]
    with django_assert_max_num_queries(20):
        shown(checker)
    with django_assert_max_num_queries(30):
        checker.get(page(approvals[0]))


@pytest.fixture(autouse=True)
def quiet(quiet_templates: None) -> Iterator[None]:
    yield
