"""Section 5: asking for the state of a push."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.daraja import Shop
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.test_stk_push import travel_to_the_wire_files
from tests.sandbox.wire import assert_answer, load_wire


@pytest.mark.parametrize(
    ("form", "wire"),
    [
        ("4999", "stk_query_pending_4999"),
        ("processing", "stk_query_pending_500"),
        ("empty", "stk_query_pending_empty_500"),
        ("empty_200", "stk_query_pending_empty_200"),
    ],
)
def test_pending_has_four_forms(sandbox: SandboxDriver, shop: Shop, form: str, wire: str) -> None:
    sandbox.scenario("approve", seconds=1000)
    sandbox.settings(pending_form=form)
    assert_answer(shop.query(shop.pushed_id()), wire)


@pytest.mark.parametrize(
    ("outcome", "wire"),
    [
        ("approve", "stk_query_paid"),
        ("cancel", "stk_query_cancelled"),
        ("no_answer", "stk_query_no_answer"),
    ],
)
def test_a_decided_prompt_has_its_code_as_text(
    sandbox: SandboxDriver, shop: Shop, outcome: str, wire: str
) -> None:
    sandbox.scenario(outcome)
    checkout_id = shop.pushed_id()
    sandbox.settle()
    assert_answer(shop.query(checkout_id), wire)


def test_the_request_of_the_wire_file_is_understood(sandbox: SandboxDriver, shop: Shop) -> None:
    travel_to_the_wire_files(sandbox)
    wire = load_wire("stk_query_request")
    assert_answer(shop.post(wire["path"], wire["body"]), "stk_query_unknown")


def test_another_shops_prompt_is_unknown(sandbox: SandboxDriver, shop: Shop) -> None:
    checkout_id = shop.pushed_id()
    stamp = shop.push_body()["Timestamp"]
    response = shop.query(
        checkout_id,
        BusinessShortCode="5310080",
        Timestamp=stamp,
        Password=Shop.sign("5310080", stamp),
    )
    assert_answer(response, "stk_query_unknown")


@pytest.mark.parametrize(
    ("changes", "wire"),
    [
        ({"BusinessShortCode": "1"}, "error_invalid_business_short_code"),
        ({"Password": ""}, "error_invalid_password"),
        ({"Timestamp": "now"}, "error_invalid_timestamp"),
        ({"CheckoutRequestID": Shop.absent}, "error_invalid_checkout_request_id"),
        ({"BusinessShortCode": "999999"}, "error_unknown_merchant"),
        ({"Password": "x"}, "error_wrong_credentials"),
    ],
)
def test_a_query_is_judged_like_a_push(shop: Shop, changes: dict[str, Any], wire: str) -> None:
    assert_answer(shop.query(**{"checkout_id": "ws_CO_1", **changes}), wire)


def test_a_flaky_query_fails_between_good_answers(sandbox: SandboxDriver, shop: Shop) -> None:
    checkout_id = shop.pushed_id()
    sandbox.settle()
    sandbox.fault("flaky_query", times=None)
    statuses = [shop.query(checkout_id).status_code for _ in range(60)]
    # One in five on average; the emulator's dice are the same after every reset.
    assert 3 <= statuses.count(500) <= 25
    assert statuses.count(200) + statuses.count(500) == 60
    sandbox.clear_faults()
    sandbox.fault("flaky_query", rate=1)
    assert_answer(shop.query(checkout_id), "stk_query_pending_empty_500")
    assert_answer(shop.query(checkout_id), "stk_query_paid")
