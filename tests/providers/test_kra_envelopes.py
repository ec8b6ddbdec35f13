"""Whatever KRA's gateway sends, the client raises what it documents, or reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from integrations.outbound import Response
from integrations.providers.kra.client.envelopes import (
    is_throttled,
    open_envelope,
    rejects_token,
)
from integrations.providers.kra.client.sales import read_receipt
from integrations.providers.kra.client.wire import (
    moment_text,
    read_amount,
    read_moment,
    read_number,
    wire_value,
)
from integrations.providers.kra.codes import Kind, explain
from integrations.providers.kra.payloads.times import NAIROBI

KEYS = st.sampled_from(
    [
        "resultCd", "resultMsg", "resultDt", "data", "responseHeader", "responseBody", "header",
        "body", "fault", "faultstring", "detail", "errorcode", "responseCode", "debugMessage",
        "customerMessage", "curRcptNo ", "rcptSign", "errorMessage", "x",
    ]
)  # fmt: skip
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20), st.sampled_from(["000", "001", "994", "400", 200, 500, "Access Token"]),
)  # fmt: skip
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=15,
)
STATUSES = st.sampled_from([200, 201, 204, 302, 400, 401, 403, 404, 408, 429, 500, 502, 503])


def answer(body: bytes, status: int = 200) -> Response:
    return Response(status, CaseInsensitiveDict(), body, 0.1)


def read_all(response: Response) -> None:
    opened = open_envelope(response)
    is_throttled(response)
    rejects_token(response)
    for transport in ("oscu_direct", "oscu_gateway", "vscu"):
        meaning = explain(transport, opened.code, opened.text)
        assert meaning.kind in Kind
        assert len(meaning.sentence) <= 400
    signed = read_receipt(opened.data)
    assert signed is None or signed.signature
    if opened.is_success:
        assert 200 <= response.status < 300


@given(status=STATUSES, body=JSON)
def test_any_json_is_read(status: int, body: Any) -> None:
    read_all(answer(json.dumps(body).encode(), status))


@given(status=STATUSES, body=st.binary(max_size=60))
def test_any_bytes_are_read(status: int, body: bytes) -> None:
    read_all(answer(body, status))


def test_deep_nesting_is_read() -> None:
    deep = b'{"data":' * 500 + b"{}" + b"}" * 500
    read_all(answer(deep))
    read_all(answer(b'{"data":' * 100_000))


@given(moment=st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1)))
def test_times_come_back_as_they_went(moment: datetime) -> None:
    local = moment.replace(microsecond=0, tzinfo=NAIROBI)
    assert read_moment(moment_text(local)) == local
    assert read_moment(local.strftime("%Y-%m-%d %H:%M:%S")) == local
    day = read_moment(local.strftime("%Y%m%d"))
    assert day is not None
    assert day.date() == local.date()


@pytest.mark.parametrize(
    "text", ["-1", -1, None, "", "0", "20269923101500", "x" * 40, [], {}, "٣" * 14]
)
def test_what_is_no_time_is_none(text: Any) -> None:
    assert read_moment(text) is None


def test_a_time_with_more_digits_than_a_microsecond() -> None:
    told = read_moment("2026-11-23 10:14:59.1234567")
    assert told is not None
    assert told.microsecond == 123456


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (7, 7), ("7", 7), (" 7 ", 7), (Decimal("7.00"), 7), ("1,234", 1234), ("7.5", None),
        (True, None), ("x", None), (None, None), ("NaN", None), ("Infinity", None),
        (10**40, None), ("9" * 5000, None), ([], None),
    ],
)  # fmt: skip
def test_counters_are_numbers_or_text(value: Any, number: int | None) -> None:
    assert read_number(value) == number


@given(amount=st.decimals(min_value=0, max_value=Decimal("9999999999999.99"), places=2))
def test_amounts_keep_every_cent(amount: Decimal) -> None:
    text = json.dumps(wire_value({"a": [amount]}))
    assert json.loads(text, parse_float=Decimal)["a"][0] == amount
    assert read_amount(str(amount)) == amount


READERS: list[Callable[[Any], Any]] = [read_moment, read_number, read_amount]


@given(value=JSON | st.text())
def test_readers_never_break(value: Any) -> None:
    for read in READERS:
        read(value)
