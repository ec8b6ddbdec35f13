"""Sections 6, 7 and 20: what arrives at the callback address, when, and how often."""

from __future__ import annotations

import re
import threading
from decimal import Decimal
from typing import Any

import pytest

from tests.sandbox.daraja import PHONE, Shop
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.receiver import Received, Receiver
from tests.sandbox.wire import assert_body, load_wire, read_json


def settle_one(sandbox: SandboxDriver, shop: Shop, receiver: Receiver, **changes: Any) -> Received:
    shop.pushed_id(**changes)
    sandbox.settle()
    (received,) = receiver.received
    return received


def assert_callback(received: Received, name: str) -> None:
    wire = load_wire(name)
    for header, value in wire["headers"].items():
        assert received.headers[header] == value
    assert_body(read_json(received.body), wire)


@pytest.mark.parametrize(
    ("shape", "wire"),
    [
        ({}, "callback_paid"),
        ({"balance": "absent"}, "callback_paid_balance_absent"),
        ({"balance": "number"}, "callback_paid_balance_number"),
        ({"balance": "string"}, "callback_paid_balance_string"),
        ({"phone_form": "masked"}, "callback_paid_masked_phone"),
        ({"phone_form": "string"}, "callback_paid_phone_string"),
        ({"amount": "integer"}, "callback_paid_whole_amount"),
        ({"prefix": "[STK_CB - ]"}, "callback_paid_prefixed"),
    ],
)
def test_a_success_has_every_recorded_shape(
    sandbox: SandboxDriver, shop: Shop, receiver: Receiver, shape: dict[str, str], wire: str
) -> None:
    sandbox.fault("callback_shape", **shape)
    received = settle_one(sandbox, shop, receiver)
    assert_callback(received, wire)
    assert received.path == "/cb/9f2c/stk"


@pytest.mark.parametrize(
    ("outcome", "wire"),
    [
        ("cancel", "callback_cancelled"),
        ("no_answer", "callback_no_answer"),
        ("wrong_pin", "callback_wrong_pin"),
        ("insufficient", "callback_insufficient"),
        ("SFC_IC0003", "callback_alphanumeric"),
    ],
)
def test_a_failure_has_no_metadata(
    sandbox: SandboxDriver, shop: Shop, receiver: Receiver, outcome: str, wire: str
) -> None:
    sandbox.scenario(outcome)
    assert_callback(settle_one(sandbox, shop, receiver), wire)


def test_the_amount_keeps_its_two_decimals_as_a_number(
    sandbox: SandboxDriver, shop: Shop, receiver: Receiver
) -> None:
    received = settle_one(sandbox, shop, receiver)
    assert b'"Value": 150.00}' in received.body
    assert received.items["Amount"] == Decimal("150.00")


def test_the_receipt_begins_with_the_day(
    sandbox: SandboxDriver, shop: Shop, receiver: Receiver
) -> None:
    items = settle_one(sandbox, shop, receiver).items
    assert sandbox.prompts()[0]["receipt"] == items["MpesaReceiptNumber"]
    date = str(items["TransactionDate"])
    year = chr(ord("S") + int(date[:4]) - 2024)
    month = chr(ord("A") + int(date[4:6]) - 1)
    day = "0123456789ABCDEFGHIJKLMNOPQRSTUV"[int(date[6:8])]
    assert re.fullmatch(f"{year}{month}{day}[A-Z0-9]{{7}}", items["MpesaReceiptNumber"])


@pytest.mark.parametrize("status", [500, 302])
def test_a_callback_is_tried_once(
    sandbox: SandboxDriver, shop: Shop, receiver: Receiver, status: int
) -> None:
    receiver.status = status
    settle_one(sandbox, shop, receiver)
    (delivery,) = sandbox.prompts()[0]["deliveries"]
    assert (delivery["status"], delivery["error"]) == (status, "")


def test_a_host_that_is_away_is_noted_in_the_book(sandbox: SandboxDriver, shop: Shop) -> None:
    shop.push(CallBackURL="http://127.0.0.1:9/cb")
    sandbox.settle()
    (delivery,) = sandbox.prompts()[0]["deliveries"]
    assert (delivery["status"], delivery["error"]) == (None, "ConnectionRefusedError")


def test_callbacks_do_not_leave_this_machine(sandbox: SandboxDriver, shop: Shop) -> None:
    shop.push(CallBackURL="https://erp.example.ke/cb/1")
    sandbox.settle()
    (delivery,) = sandbox.prompts()[0]["deliveries"]
    assert delivery["error"] == "not sent: the sandbox does not leave this machine"


def test_copies_arrive_one_after_the_other_or_all_at_once(
    sandbox: SandboxDriver, shop: Shop, receiver: Receiver
) -> None:
    sandbox.fault("duplicate_callback")
    shop.push()
    sandbox.settle()
    assert len(receiver.received) == 2
    receiver.received.clear()
    # Every one of the ten waits for the other nine inside the receiver.
    together = threading.Barrier(10)
    receiver.on_arrival = lambda: together.wait(5)
    sandbox.fault("duplicate_callback", copies=10, parallel=True)
    shop.push()
    sandbox.settle()
    assert len({received.body for received in receiver.received}) == 1
    assert [delivery["status"] for delivery in sandbox.prompts()[1]["deliveries"]] == [200] * 10


def test_an_early_callback_arrives_before_the_acknowledgement(
    sandbox: SandboxDriver, shop: Shop, receiver: Receiver
) -> None:
    sandbox.fault("early_callback")
    checkout_id = shop.pushed_id()
    # No settling: it was there before the push was answered.
    assert receiver.received[0].callback["CheckoutRequestID"] == checkout_id


def test_a_callback_can_stay_away_for_ever(
    sandbox: SandboxDriver, shop: Shop, receiver: Receiver
) -> None:
    sandbox.fault("no_callback")
    checkout_id = shop.pushed_id()
    sandbox.settle()
    assert receiver.received == []
    assert shop.query(checkout_id).json()["ResultCode"] == "0"


def test_a_success_can_come_after_1037(
    sandbox: SandboxDriver, shop: Shop, receiver: Receiver
) -> None:
    sandbox.fault("late_success")
    checkout_id = shop.pushed_id()
    sandbox.settle()
    codes = [(got.callback["CheckoutRequestID"], got.callback["ResultCode"]) for got in
             receiver.received]  # fmt: skip
    assert codes == [(checkout_id, 1037), (checkout_id, 0)]
    assert shop.query(checkout_id).json()["ResultCode"] == "0"
    assert receiver.received[1].items["MpesaReceiptNumber"]


def test_amount_and_id_of_a_callback_can_lie(
    sandbox: SandboxDriver, shop: Shop, receiver: Receiver
) -> None:
    sandbox.fault("wrong_amount", amount=7)
    sandbox.fault("unknown_checkout_id")
    checkout_id = shop.pushed_id()
    sandbox.settle()
    (received,) = receiver.received
    assert received.items["Amount"] == Decimal("7.00")
    assert received.callback["CheckoutRequestID"] != checkout_id
    assert sandbox.prompts()[0]["amount"] == 150


def test_a_held_callback_is_overtaken_by_the_next_payment(
    sandbox: SandboxDriver, shop: Shop, receiver: Receiver
) -> None:
    sandbox.fault("out_of_order")
    first = shop.pushed_id()
    sandbox.settle()
    assert receiver.received == []
    second = shop.pushed_id(PhoneNumber="254712000002")
    sandbox.settle()
    order = [received.callback["CheckoutRequestID"] for received in receiver.received]
    assert order == [second, first]


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ("empty", b""),
        ("not_json", b'{"Body":{"stkCallback":'),
        ("list", b"[]"),
        ("html", b"<html><body>Service unavailable</body></html>"),
        ("no_body", b'{"stkCallback":{}}'),
        ("no_ids", b'{"Body":{"stkCallback":{"ResultCode":0,"ResultDesc":"ok"}}}'),
    ],
)
def test_a_callback_can_be_malformed(
    sandbox: SandboxDriver, shop: Shop, receiver: Receiver, form: str, body: bytes
) -> None:
    sandbox.fault("malformed_callback", form=form)
    assert settle_one(sandbox, shop, receiver).body == body


def test_a_fault_for_one_phone_leaves_the_others_alone(
    sandbox: SandboxDriver, shop: Shop, receiver: Receiver
) -> None:
    sandbox.fault("no_callback", phone="254712000002", times=None)
    for phone in (PHONE, "254712000002"):
        shop.push(PhoneNumber=phone)
    sandbox.settle()
    assert [received.items["PhoneNumber"] for received in receiver.received] == [int(PHONE)]
