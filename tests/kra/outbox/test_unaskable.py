"""KRA takes invoices, and can't be asked about them: its look-up alone is refused, or fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from integrations.exceptions import InvalidInput
from integrations.kra.outbox import books, compare_books, doubt
from integrations.kra.outbox.settle import settle
from integrations.models import KRAInvoice
from integrations.providers.kra.client.envelopes import tells_of_token
from integrations.providers.kra.codes import Kind, explain
from tests.kra.outbox.conftest import Shop, drain, hurry, state_of, work_on

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("code", ["901", "912", "910"])
def test_a_refused_look_up_is_told_and_holds_no_branch(shop: Shop, code: str) -> None:
    """The device works, as a harmless question shows; a person is told, and can settle it."""
    shop.sandbox.kra_fault("lose_answer", operation="save_sale", times=1)
    shop.sandbox.kra_fault("result_code", operation="find_invoice", code=code, times=None)
    row = shop.submit()
    work_on(doubt.REFUSALS + 3)
    assert state_of(row) == "in_doubt"
    assert shop.unit.held_reason == ""
    assert "can't be asked" in row.attention
    shop.sandbox.clear_kra_faults()
    work_on()
    assert state_of(row) == "signed"
    assert len(shop.book()) == 1


def test_a_device_that_fails_the_harmless_question_too_holds_the_branch(shop: Shop) -> None:
    shop.sandbox.kra_fault("lose_answer", operation="save_sale", times=1)
    for operation in ("find_invoice", "code_list"):
        shop.sandbox.kra_fault("result_code", operation=operation, code="901", times=None)
    row = shop.submit()
    work_on(3)
    assert state_of(row) == "in_doubt"
    assert shop.unit.held_code == "device"


def test_a_signature_that_is_never_told_lets_the_others_pass(
    open_shop: Callable[..., Shop],
) -> None:
    """Its number is taken: those behind it wait for its signature for a few looks only."""
    shop = open_shop("vscu", paths="find_invoice = /trnsSales/selectInvoice")
    shop.sandbox.kra_fault("lose_answer", operation="save_sale", times=1)
    first = shop.submit()
    drain()
    KRAInvoice.objects.filter(pk=first.pk).update(state="registered", attempts=0)
    second = shop.submit()
    for _ in range(doubt.SIGNATURE_LOOKS + 3):
        hurry()
        drain()
    assert state_of(first) == "registered"
    assert first.attention
    assert first.work_state == "done"
    work_on()
    assert state_of(second) == "signed"


def test_what_a_later_number_may_prove_waits(open_shop: Callable[..., Shop]) -> None:
    shop = open_shop("vscu")
    shop.sandbox.kra_fault("lose_answer", operation="save_sale", times=1)
    first = shop.submit()
    work_on()
    assert state_of(first) == "registered"
    shop.sandbox.kra_fault("lose_answer", operation="save_sale", times=1)
    second = shop.submit()
    drain()
    assert state_of(second) == "in_doubt"
    with pytest.raises(InvalidInput) as refused:
        settle(first, signed=None, text="Not there.")
    assert refused.value.code == "number_open"
    assert state_of(first) == "registered"


def test_a_comparison_that_takes_too_long_tells_where_to_go_on(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        shop.submit()
    drain()
    shop.sandbox.kra("settings", latency=0.5)
    monkeypatch.setattr(books, "BUDGET_SECONDS", 1.2)
    found = compare_books(shop.unit)
    assert 1 <= found.compared < 4
    assert (found.agreed, found.next_number) == (found.compared, found.compared + 1)
    shop.sandbox.kra("settings", latency=0)
    rest = compare_books(shop.unit, first=found.next_number)
    assert (found.compared + rest.compared, rest.next_number) == (4, None)


def test_too_many_calls_are_no_refusal_of_the_document() -> None:
    assert explain("oscu_gateway", "429", "Slow down").kind is Kind.BUSY


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Access Token expired", True),
        ("Invalid access token", True),
        ("SyntaxError: Unexpected token '<'", False),
    ],
)
def test_a_parsers_token_is_no_access_token(text: str, told: bool) -> None:
    assert tells_of_token(text) is told
