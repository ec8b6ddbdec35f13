"""Approving in a browser: on a phone in the dark, by keyboard alone, and several at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from integrations.models import Approval, ApprovalState, Payment
from integrations.models import PaymentState as S
from tests.approvals.conftest import Handlers, ask, handlers, person, waiting_payment  # noqa: F401
from tests.browser.pages import press_until
from tests.browser.test_money_pages import faults

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("handlers")]
LIST = "/admin/integrations/approval/"


@pytest.fixture
def approval(transactional_db: None, handlers: Handlers) -> Approval:  # noqa: F811
    """A payout that waits, of somebody who was paid before, among others that wait."""
    maker = person("mary")
    for number in range(5):
        waiting_payment(state=S.SUCCEEDED, amount=1500 + 10 * number)
        ask(waiting_payment(amount=200 + number, phone="254722000000"), maker)
    return ask(waiting_payment(), maker)


@pytest.mark.parametrize(("phone", "dark"), [(False, False), (True, True)])
def test_the_pages_have_no_serious_fault(
    open_admin: Callable[..., Page], shoot: Callable[[Page, str], None], approval: Approval,
    phone: bool, dark: bool,
) -> None:  # fmt: skip
    page = open_admin(phone=phone, dark=dark)
    look = f"{'phone' if phone else 'desktop'}-{'dark' if dark else 'light'}"
    ids = ",".join(str(pk) for pk in Approval.objects.values_list("pk", flat=True))
    found: list[str] = []
    for name, url in {
        "approvals": LIST,
        "approval": f"{LIST}{approval.pk}/change/",
        "approve-many": f"{LIST}approve/?ids={ids}",
    }.items():
        found += faults(page, url)
        shoot(page, f"{name}-{look}")
    assert not found, "\n".join(found)


def test_a_person_approves_on_a_phone_from_the_start_page(
    open_admin: Callable[..., Page], approval: Approval
) -> None:
    page = open_admin(phone=True, dark=True)
    page.get_by_role("link", name="6 requests").click()
    page.wait_for_url("**/approval/?standing=mine")
    page.goto(f"{LIST}{approval.pk}/change/")
    assert page.get_by_text("Look twice: there is something like it already.").is_visible()
    assert page.get_by_role("definition").filter(has_text="254712345678").first.is_visible()
    page.get_by_role("button", name="Approve KES 1,500.00").click()
    page.get_by_text("Approved: it goes ahead.").wait_for()
    approval.refresh_from_db()
    assert approval.state == ApprovalState.APPROVED
    assert Payment.objects.get(pk=approval.object_id).state == S.CREATED


def test_a_person_rejects_by_keyboard_alone(
    open_admin: Callable[..., Page], approval: Approval
) -> None:
    page = open_admin()
    page.goto(f"{LIST}{approval.pk}/change/")
    press_until(page, "Tab", "Why is it rejected?")
    page.keyboard.type("Paid in cash already")
    press_until(page, "Tab", "Reject")
    page.keyboard.press("Enter")
    page.get_by_text("Rejected: nothing is sent.").wait_for()
    approval.refresh_from_db()
    assert (approval.state, approval.reason) == (ApprovalState.REJECTED, "Paid in cash already")


def test_several_are_approved_after_their_total_was_shown(
    open_admin: Callable[..., Page], approval: Approval
) -> None:
    page = open_admin()
    page.goto(LIST)
    for box in page.locator("input.action-select").all()[:3]:
        box.check()
    page.get_by_label("Select action to run").select_option("approve_chosen")
    page.get_by_role("button", name="Run").click()
    page.wait_for_url("**/approval/approve/?ids=*")
    page.get_by_role("button", name="Approve KES 1,907.00").click()
    page.get_by_text("Approved: KES 1,907.00 in 3 requests.").wait_for()
    assert Approval.objects.filter(state=ApprovalState.APPROVED).count() == 3
