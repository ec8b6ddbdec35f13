"""The callback parser: every recorded shape, any garbage, no float."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.exceptions import InvalidInput
from integrations.providers.mpesa.callbacks import decode_json, parse_stk
from integrations.providers.mpesa.payloads import NAIROBI
from tests.sandbox.wire import FOLDER, load_wire

CALLBACKS = sorted(path.stem for path in FOLDER.glob("callback_*.json"))
PAID = [name for name in CALLBACKS if name.startswith("callback_paid")]


def raw(body: Any) -> bytes:
    """The JSON of a wire file's body, its decimals as written."""
    text = json.dumps(body, default=lambda number: f"@{number}@")
    return text.replace('"@', "").replace('@"', "").encode()


@pytest.mark.parametrize("name", PAID)
def test_every_recorded_success_is_understood(name: str) -> None:
    told = parse_stk(raw(load_wire(name)["body"]))
    assert told.result_code == "0"
    assert told.checkout_id == "ws_CO_140120260930051712000001"
    assert told.merchant_request_id == "29115-34620561-1"
    assert told.receipt == "UAE4X7K2QP"
    assert told.amount == Decimal(150)
    assert isinstance(told.amount, Decimal)
    assert told.paid_at == datetime(2026, 1, 14, 9, 30, 21, tzinfo=NAIROBI)
    assert told.phone.startswith("2547")


@pytest.mark.parametrize("name", [name for name in CALLBACKS if name not in PAID])
def test_every_recorded_failure_is_understood(name: str) -> None:
    wire = load_wire(name)["body"]["Body"]["stkCallback"]
    told = parse_stk(raw(load_wire(name)["body"]))
    assert told.result_code == str(wire["ResultCode"])
    assert told.result_text == wire["ResultDesc"]
    assert (told.amount, told.receipt, told.paid_at) == (None, "", None)


def callback(**changes: Any) -> dict[str, Any]:
    inner = load_wire("callback_paid")["body"]["Body"]["stkCallback"]
    inner.update(changes)
    return {"Body": {"stkCallback": inner}}


def items(*pairs: tuple[str, Any]) -> dict[str, Any]:
    return {"Item": [{"Name": name, "Value": value} for name, value in pairs]}


def test_items_are_read_by_name_and_unknown_ones_ignored() -> None:
    told = parse_stk(
        raw(
            callback(
                CallbackMetadata=items(
                    ("Fuliza", {"a": 1}),
                    ("PhoneNumber", 254712000001),
                    ("MpesaReceiptNumber", " UAE4X7K2QP "),
                    ("Amount", "150.00"),
                )
            )
        )
    )
    assert (told.receipt, told.amount) == ("UAE4X7K2QP", Decimal(150))


def test_a_single_item_may_come_without_its_list() -> None:
    told = parse_stk(raw(callback(CallbackMetadata={"Item": {"Name": "Amount", "Value": 5}})))
    assert told.amount == 5


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"[]", "body"),
        (b"null", "body"),
        (b"{", "body"),
        (b"\xff\xfe\xfa", "body"),
        (b'{"a":NaN}', "body"),
        (b'{"a":1e99999999999999999999}', "body"),
        pytest.param(b'{"a":' + b"1" * 5000 + b"}", "body", id="long number"),
        pytest.param(b"[" * 60_000, "body", id="deep lists"),
        pytest.param(b'{"a":' * 12_000, "body", id="deep objects"),
        (b'{"stkCallback":{}}', "Body.stkCallback"),
        (b'{"Body":[]}', "Body.stkCallback"),
        (b'{"Body":{"stkCallback":{"ResultCode":0}}}', "Body.stkCallback.CheckoutRequestID"),
        (raw(callback(ResultCode=None)), "Body.stkCallback.ResultCode"),
        (raw(callback(ResultCode=True)), "Body.stkCallback.ResultCode"),
        (raw(callback(ResultCode={})), "Body.stkCallback.ResultCode"),
        (raw(callback(CheckoutRequestID="a b")), "Body.stkCallback.CheckoutRequestID"),
        (raw(callback(CheckoutRequestID="x" * 101)), "Body.stkCallback.CheckoutRequestID"),
        (raw(callback(CallbackMetadata=items(("Amount", "1,000")))), "Amount"),
        (raw(callback(CallbackMetadata=items(("Amount", True)))), "Amount"),
        (
            raw(callback(CallbackMetadata=items(("MpesaReceiptNumber", "a; b")))),
            "MpesaReceiptNumber",
        ),
        (raw(callback(CallbackMetadata=items(("MpesaReceiptNumber", [1])))), "MpesaReceiptNumber"),
    ],
)
def test_what_is_missing_or_wrong_is_named(body: bytes, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_stk(body)
    assert caught.value.field == field


def test_texts_are_made_fit_for_the_database() -> None:
    told = parse_stk(
        b'{"Body":{"stkCallback":{"CheckoutRequestID":"ws_1","ResultCode":"1\\u0000",'
        b'"ResultDesc":"a\\u0000b\\ud800' + b"x" * 400 + b'"}}}'
    )
    assert told.result_code == "1"
    assert told.result_text.startswith("ab?xx")
    assert len(told.result_text) == 300


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_refused(body: bytes) -> None:
    try:
        assert isinstance(decode_json(body), dict)
    except InvalidInput as error:
        assert error.field == "body"


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "CheckoutRequestID": json_values,
            "MerchantRequestID": json_values,
            "ResultCode": json_values,
            "ResultDesc": json_values,
            "CallbackMetadata": json_values
            | st.fixed_dictionaries(
                {
                    "Item": json_values
                    | st.lists(
                        st.fixed_dictionaries(
                            {
                                "Name": st.sampled_from(
                                    ["Amount", "MpesaReceiptNumber", "TransactionDate"]
                                ),
                                "Value": json_values,
                            }
                        )
                    )
                }
            ),
        },
    )
)
def test_any_shape_is_understood_or_refused_and_never_a_float(inner: dict[str, Any]) -> None:
    try:
        told = parse_stk(json.dumps({"Body": {"stkCallback": inner}}).encode())
    except InvalidInput:
        return
    assert told.checkout_id
    assert told.result_code
    assert told.amount is None or isinstance(told.amount, Decimal)
    assert len(told.receipt) <= 40
