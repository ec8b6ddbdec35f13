"""The journal: a killed sandbox keeps its book."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from integrations.sandbox.server import Sandbox
from tests.sandbox.daraja import Shop
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.office import Office
from tests.sandbox.receiver import Receiver


def copy_of(journal: Path) -> Path:
    """What another process would find after a kill at this moment."""
    copy = journal.with_suffix(".copy")
    copy.write_bytes(journal.read_bytes())
    return copy


def test_what_was_answered_is_in_the_file_before_the_answer(
    tmp_path: Path, receiver: Receiver
) -> None:
    journal = tmp_path / "journal"
    with Sandbox(journal=journal) as server:
        checkout_id = Shop(server.url_of("mpesa-daraja"), receiver.url).pushed_id()
        (line,) = journal.read_text().splitlines()
        assert json.loads(line)["entry"]["prompt"]["checkout_request_id"] == checkout_id


def test_a_killed_sandbox_keeps_its_book_and_goes_on(tmp_path: Path, receiver: Receiver) -> None:
    journal = tmp_path / "journal"
    with Sandbox(speed=0.001, journal=journal) as first:
        driver = SandboxDriver(first.url)
        shop = Shop(first.url_of("mpesa-daraja"), receiver.url)
        shop.push()
        driver.settle()
        driver.scenario("cancel", seconds=3000)
        shop.push(PhoneNumber="254712000002")
        before = driver.prompts()
        after_kill = copy_of(journal)
    receiver.received.clear()
    with Sandbox(speed=0.001, journal=after_kill) as second:
        driver = SandboxDriver(second.url)
        assert driver.prompts() == before
        # The open prompt still holds its phone, and ends as it was going to.
        assert Shop(driver.daraja_url).push(PhoneNumber="254712000002").status_code == 500
        driver.advance(3001)
        driver.settle()
        assert driver.prompts()[1]["result_code"] == "1032"
        assert len(receiver.received) == 1
        assert Shop(driver.daraja_url).pushed_id()
        assert [prompt["id"] for prompt in driver.prompts()] == [1, 2, 3]


def test_a_torn_last_line_is_left_out_and_written_past(tmp_path: Path, receiver: Receiver) -> None:
    journal = tmp_path / "journal"
    for number in range(2):
        # Each prompt stays open, so that its only line is the one after the torn one.
        with Sandbox(journal=journal) as server:
            shop = Shop(server.url_of("mpesa-daraja"), receiver.url)
            shop.push(PhoneNumber=f"25471200000{number}")
        with journal.open("ab") as file:
            file.write(b'{"emulator":"mpesa-daraja","entry":{"prom')
    with Sandbox(journal=journal) as server:
        prompts = SandboxDriver(server.url).prompts()
        assert [prompt["phone"][-1] for prompt in prompts] == ["0", "1"]


def test_a_reset_holds_after_a_restart(tmp_path: Path, receiver: Receiver) -> None:
    journal = tmp_path / "journal"
    with Sandbox(speed=0.001, journal=journal) as server:
        driver = SandboxDriver(server.url)
        for phone in ("254712000002", "254712000003"):
            Shop(driver.daraja_url, receiver.url).push(PhoneNumber=phone)
        driver.reset()
        Shop(driver.daraja_url, receiver.url).push(AccountReference="AFTER")
    with Sandbox(journal=journal) as server:
        prompts = SandboxDriver(server.url).prompts()
        assert [prompt["reference"] for prompt in prompts] == ["AFTER"]


def test_a_killed_sandbox_keeps_every_account_and_goes_on(
    tmp_path: Path, receiver: Receiver
) -> None:
    journal = tmp_path / "journal"
    with Sandbox(speed=0.001, journal=journal) as first:
        driver = SandboxDriver(first.url)
        office = Office(driver, Shop(driver.daraja_url, receiver.url), receiver)
        driver.settings(payout_charge=15)
        office.register()
        office.register_pull()
        driver.c2b("600999", validation=True)
        receiver.answer = b'{"ResultCode":"0"}'
        driver.fund("600999", "0.05")
        paid = office.paid_receipt()
        office.result(office.b2c(OriginatorConversationID="paid"))
        office.result(office.reverse(paid, Amount=50))
        office.shop.push()
        driver.settle()
        driver.scenario("approve", operation="b2c", seconds=3000)
        office.b2c(OriginatorConversationID="open")
        driver.scenario("approve", operation="c2b_simulate", seconds=3000)
        driver.simulate_c2b(70)
        before = driver.book()
        after_kill = copy_of(journal)
    receiver.received.clear()
    with Sandbox(speed=0.001, journal=after_kill) as second:
        driver = SandboxDriver(second.url)
        office = Office(driver, Shop(driver.daraja_url, receiver.url), receiver)
        after = driver.book()
        kept = ("prompts", "payouts", "reversals", "queries", "c2b", "registrations", "pull",
                "accounts", "statement", "receipts", "totals")  # fmt: skip
        for part in kept:
            assert after[part] == before[part], part
        # What was under way ends as it was going to; what was delivered is not sent again.
        driver.advance(3001)
        driver.settle()
        paths = sorted(each.path for each in receiver.received)
        assert paths == ["/cb/conf", "/cb/res", "/cb/val"]
        balance = driver.accounts("600999")["Working Account"]
        assert balance == Decimal(before["accounts"]["600999"]["Working Account"]) - 500 + 70
        # Ids and receipts that were used stay used, and what was reversed stays reversed.
        office.shop.token = ""
        assert office.b2c(OriginatorConversationID="open").status_code == 500
        assert office.result(office.reverse(paid, Amount=101))["ResultCode"] == 3
        assert office.result(office.reverse(paid, Amount=100))["ResultCode"] == 0


def test_money_and_result_are_one_line_of_the_journal(tmp_path: Path, receiver: Receiver) -> None:
    journal = tmp_path / "journal"
    with Sandbox(speed=0.001, journal=journal) as server:
        driver = SandboxDriver(server.url)
        office = Office(driver, Shop(driver.daraja_url, receiver.url), receiver)
        office.result(office.b2c())
        office.paid_receipt()
        office.shop.push()
        driver.settle()
    entries = [json.loads(line)["entry"] for line in journal.read_text().splitlines()]
    moved = [entry for entry in entries if "movements" in entry]
    assert [set(entry) for entry in moved] == [
        {"order", "movements"},
        {"c2b", "movements"},
        {"prompt", "movements"},
    ]
    assert "Safaricom123!!" not in journal.read_text()


def test_a_registered_shop_comes_back_with_its_money_and_without_its_passkey(
    tmp_path: Path, receiver: Receiver
) -> None:
    journal = tmp_path / "journal"
    with Sandbox(speed=0.001, journal=journal) as first:
        driver = SandboxDriver(first.url)
        office = Office(driver, Shop(driver.daraja_url, receiver.url), receiver, "600111")
        driver.shortcode("600111", "private-passkey", bulk=True, balances={"Utility Account": 700})
        driver.scenario("approve", operation="b2c", seconds=3000)
        office.b2c()
        after_kill = copy_of(journal)
    assert "private-passkey" not in journal.read_text()
    with Sandbox(speed=0.001, journal=after_kill) as second:
        driver = SandboxDriver(second.url)
        driver.advance(3001)
        driver.settle()
        (payout,) = driver.book()["payouts"]
        assert payout["result_code"] == "0"
        assert driver.accounts("600111")["Utility Account"] == 200
