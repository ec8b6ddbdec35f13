"""Section 21: how the end of a prompt is chosen, and how long it takes."""

from __future__ import annotations

import time

import pytest

from integrations.sandbox.server import Sandbox
from tests.sandbox.daraja import Shop
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.receiver import Receiver

# Section 7, every code whose row has an STK meaning; 4999 is said by queries alone.
CODES = ["0", "1", "2", "3", "4", "8", "17", "26", "1001", "1019", "1025", "1032", "1036", "1037",
         "2001", "2028", "8006", "9999", "SFC_IC0003"]  # fmt: skip


def result_of(sandbox: SandboxDriver, shop: Shop, **changes: object) -> str:
    checkout_id = shop.pushed_id(**changes)
    sandbox.settle()
    code: str = shop.query(checkout_id).json()["ResultCode"]
    return code


@pytest.mark.parametrize("code", [*CODES, "777777", "NEW_CODE"])
def test_a_scenario_can_ask_for_any_code(sandbox: SandboxDriver, shop: Shop, code: str) -> None:
    sandbox.scenario(code, description="Because")
    assert result_of(sandbox, shop) == code
    assert sandbox.prompts()[0]["result_description"] == "Because"
    assert result_of(sandbox, shop) == "0"


def test_amounts_from_1000_are_their_own_code_and_small_ones_succeed(
    sandbox: SandboxDriver, shop: Shop
) -> None:
    for code in CODES:
        if code.isdigit():
            expected = code if int(code) >= 1000 else "0"
            assert result_of(sandbox, shop, Amount=max(1, int(code))) == expected
            if 0 < int(code) < 1000:
                assert result_of(sandbox, shop, Amount=90_000 + int(code)) == code
    assert result_of(sandbox, shop, Amount=93_003) == "SFC_IC0003"
    assert result_of(sandbox, shop, Amount=1000) == "0"


def test_the_published_test_number_never_answers(sandbox: SandboxDriver, shop: Shop) -> None:
    number = "254708374149"
    assert result_of(sandbox, shop, PhoneNumber=number) == "1037"
    assert result_of(sandbox, shop, PhoneNumber="254708374150") == "0"
    # A scenario comes first, then the amount, then the phone.
    assert result_of(sandbox, shop, PhoneNumber=number, Amount=2001) == "2001"
    sandbox.scenario("approve")
    assert result_of(sandbox, shop, PhoneNumber=number, Amount=2001) == "0"


def test_scenarios_wait_for_their_phone_and_last_as_long_as_they_say(
    sandbox: SandboxDriver, shop: Shop
) -> None:
    sandbox.scenario("cancel", phone="254712000009")
    sandbox.scenario("wrong_pin", times=2)
    assert [result_of(sandbox, shop) for _ in range(3)] == ["2001", "2001", "0"]
    assert result_of(sandbox, shop, PhoneNumber="254712000009") == "1032"
    sandbox.scenario("insufficient", times=None)
    assert [result_of(sandbox, shop) for _ in range(3)] == ["1", "1", "1"]


def test_nobody_answers_for_26_seconds_and_others_take_5_to_15(receiver: Receiver) -> None:
    with Sandbox(speed=1) as server:
        driver = SandboxDriver(server.url)
        shop = Shop(driver.daraja_url, receiver.url)
        shop.push()
        driver.scenario("no_answer")
        shop.push(PhoneNumber="254712000002")
        driver.advance(4)
        assert len(driver.pending()) == 2
        driver.advance(11.5)
        assert wait_for(receiver, 1)
        driver.advance(9)
        assert len(driver.pending()) == 1
        driver.advance(2)
        driver.settle()
        assert [received.callback["ResultCode"] for received in receiver.received] == [0, 1037]


def wait_for(receiver: Receiver, count: int) -> bool:
    """Whether so many callbacks arrive within two seconds."""
    deadline = time.monotonic() + 2
    while len(receiver.received) < count and time.monotonic() < deadline:
        time.sleep(0.005)
    return len(receiver.received) == count


def test_the_same_amount_within_two_minutes_is_17_where_the_rule_is_on(
    sandbox: SandboxDriver, shop: Shop
) -> None:
    assert [result_of(sandbox, shop) for _ in range(2)] == ["0", "0"]
    sandbox.settings(is_repeat_limited=True)
    assert result_of(sandbox, shop) == "17"
    assert result_of(sandbox, shop, Amount=151) == "0"
    assert result_of(sandbox, shop, PhoneNumber="254712000002") == "0"
    sandbox.advance(121)
    assert result_of(sandbox, shop) == "0"


def test_in_interactive_mode_a_person_decides(
    sandbox: SandboxDriver, shop: Shop, receiver: Receiver
) -> None:
    sandbox.settings(is_interactive=True)
    for number, word in enumerate(
        ["approve", "cancel", "wrong_pin", "no_answer", "insufficient"], start=1
    ):
        shop.push(AccountReference=word)
        (prompt,) = sandbox.pending()
        assert prompt["screen_text"] == f"Pay KES 150 to DARAJA SANDBOX for account {word}? Order 1"
        sandbox.answer(number, word)
    codes = [received.callback["ResultCode"] for received in receiver.received]
    assert codes == [0, 1032, 2001, 1037, 1]


def test_a_prompt_that_nobody_answers_ends_after_a_minute(
    sandbox: SandboxDriver, shop: Shop, receiver: Receiver
) -> None:
    sandbox.settings(is_interactive=True)
    shop.push()
    sandbox.advance(59)
    assert len(sandbox.pending()) == 1
    sandbox.advance(2)
    sandbox.settle()
    assert receiver.received[0].callback["ResultCode"] == 1037


def test_a_prompt_is_decided_once(sandbox: SandboxDriver, shop: Shop, receiver: Receiver) -> None:
    sandbox.scenario("cancel", seconds=1000)
    shop.push()
    sandbox.answer(1, "approve")
    for prompt_id, answer in ((1, "cancel"), (2, "cancel"), (1, "maybe")):
        with pytest.raises(AssertionError, match="error"):
            sandbox.answer(prompt_id, answer)
    sandbox.advance(1001)
    sandbox.settle()
    assert [received.callback["ResultCode"] for received in receiver.received] == [0]
