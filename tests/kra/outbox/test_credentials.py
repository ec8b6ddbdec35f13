"""A client id or secret that KRA refuses: asked with once, and not again before somebody acts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from integrations.kra.lists.refresh import refresh_lists
from integrations.kra.outbox import holds
from integrations.kra.service import KRAService
from integrations.models import KRABranch, KRACursor
from tests.kra.outbox.conftest import Shop, drain, hurry, state_of, work_on
from tests.kra.writes.deeds import send_all, send_later, states

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop(open_shop: Callable[..., Shop]) -> Shop:
    return open_shop("oscu_gateway")


def withdraw(shop: Shop, *, refused: bool = True) -> None:
    """KRA takes the app's key back, with all its tokens; or gives it again."""
    row = shop.row
    shop.sandbox.kra(
        "apps", key=row.client_id.reveal(), secret=row.client_secret.reveal(),
        app_id=row.apigee_app_id, refused=refused,
    )  # fmt: skip
    shop.sandbox.kra("tokens")


def asked(shop: Shop) -> int:
    """Requests of any kind that KRA has had."""
    return sum(shop.sandbox.kra_counters().values())


def insist(shop: Shop) -> int:
    """What would ask by itself does, hours later; how often KRA was asked."""
    before = asked(shop)
    for _ in range(3):
        hurry()
        drain()
        holds.look_at_held()
    refresh_lists()
    return asked(shop) - before


def test_a_refused_pair_is_not_tried_again(shop: Shop) -> None:
    withdraw(shop)
    row = shop.submit()
    drain()
    assert state_of(row) == "queued"
    assert shop.unit.held_code == "credentials"
    assert "client id and secret" in shop.unit.held_reason
    assert insist(shop) == 0


def test_changed_settings_are_tried_once(shop: Shop) -> None:
    withdraw(shop)
    row = shop.submit()
    drain()
    shop.row.save()
    before = asked(shop)
    drain()
    assert asked(shop) == before + 1
    assert shop.unit.held_code == "credentials"
    assert insist(shop) == 0
    withdraw(shop, refused=False)
    shop.row.save()
    drain()
    assert state_of(row) == "signed"
    assert shop.unit.held_reason == ""


def test_a_person_lets_it_go_on(shop: Shop) -> None:
    withdraw(shop)
    row = shop.submit()
    drain()
    withdraw(shop, refused=False)
    assert holds.release(shop.unit)
    drain()
    assert state_of(row) == "signed"


@pytest.mark.parametrize("status", [401, 500])
def test_a_token_that_was_just_had_and_is_refused(shop: Shop, status: int) -> None:
    shop.sandbox.kra_fault("expired_token", operation="save_sale", status=status, times=2)
    row = shop.submit()
    drain()
    assert state_of(row) == "queued"
    assert shop.unit.held_code == "credentials"
    assert "twice" in shop.unit.held_reason
    assert insist(shop) == 0


def test_in_doubt_it_keeps_its_number_and_nobody_is_asked(shop: Shop) -> None:
    shop.sandbox.kra_fault("lose_answer", operation="save_sale", times=1)
    row = shop.submit()
    drain()
    withdraw(shop)
    hurry()
    drain()
    assert state_of(row) == "in_doubt"
    assert (row.number, shop.unit.held_code) == (1, "credentials")
    assert insist(shop) == 0
    withdraw(shop, refused=False)
    shop.row.save()
    work_on()
    assert state_of(row) == "signed"
    assert len(shop.book()) == 1


def test_a_held_branch_whose_keys_are_refused_too_asks_no_more(shop: Shop) -> None:
    row = shop.submit()
    KRABranch.objects.update(held_reason="KRA said no.", held_code="device")
    withdraw(shop)
    drain()
    assert state_of(row) == "queued"
    assert shop.unit.held_code == "credentials"
    assert insist(shop) == 0


def test_a_report_holds_the_branch_too(shop: Shop) -> None:
    withdraw(shop)
    done, told = KRAService().save_branch_customer(
        {"number": "C0001", "pin": "A123456789B", "name": "Jane Wanjiru"}
    )
    assert done, told
    send_all()
    assert states() == [("customer", "queued", None)]
    assert shop.unit.held_code == "credentials"
    before = asked(shop)
    send_later()
    assert asked(shop) == before
    withdraw(shop, refused=False)
    shop.row.save()
    holds.look_at_held()
    send_later()
    assert states() == [("customer", "done", None)]


def test_a_list_that_is_read_daily_holds_the_branch_too(shop: Shop) -> None:
    shop.submit()
    drain()
    withdraw(shop)
    refresh_lists()
    assert shop.unit.held_code == "credentials"
    KRACursor.objects.all().delete()
    assert insist(shop) == 0
