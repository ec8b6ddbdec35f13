"""KRA's emulator against messages that were written from the reference, apart from it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.sandbox.driver import SandboxDriver
from tests.sandbox.kra import PIN, SERIAL, Trader, sale
from tests.sandbox.wire import read_json

FOLDER = Path(__file__).parent.parent / "wire" / "kra"
INIT = {"tin": PIN, "bhfId": "00", "dvcSrlNo": SERIAL}
NOTHING = {"lastReqDt": "20180101000000"}


def wire(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(), parse_float=Decimal)


def assert_shape(answer: requests.Response, name: str) -> None:
    """Status, names and types of the wire file; what it does not name may be there too."""
    expected = wire(name)
    assert answer.status_code == expected["status"], answer.text
    _fits(read_json(answer.content), expected["body"], name)


def _fits(actual: Any, expected: Any, place: str) -> None:
    if isinstance(expected, dict):
        assert isinstance(actual, dict), place
        for odd_name, value in expected.items():
            name = odd_name.strip()  # keys may carry stray spaces (section 2 [2])
            assert name in actual, f"{place}.{name} is missing"
            _fits(actual[name], value, f"{place}.{name}")
    elif isinstance(expected, list):
        assert isinstance(actual, list), place
        for one in expected:
            assert actual, place
            _fits(actual[0], one, f"{place}[0]")
    elif expected is None:
        assert actual is None or isinstance(actual, str | dict), place
    elif isinstance(expected, int | Decimal):
        # Counters come as texts, too (section 2 [2]).
        assert isinstance(actual, int | Decimal | str), place
    elif place.rpartition(".")[2] in ("resultCd", "errorCode", "faultstring"):
        assert actual == expected, place
    else:
        assert isinstance(actual, type(expected) | int), place


@pytest.mark.parametrize(
    ("way", "name"),
    [("oscu_direct", "sale_signed"), ("oscu_gateway", "gateway_sale_signed"),
     ("vscu", "vscu_sale_signed")],
)  # fmt: skip
def test_a_signed_sale(sandbox: SandboxDriver, way: str, name: str) -> None:
    assert_shape(Trader(sandbox, way).equip().sell(), name)


@pytest.mark.parametrize(
    ("way", "name"), [("oscu_direct", "init_done"), ("oscu_gateway", "gateway_init_done")]
)
def test_initialisation(sandbox: SandboxDriver, way: str, name: str) -> None:
    trader = Trader(sandbox, way)
    trader.enrol()
    if way == "oscu_direct":
        assert_shape(trader.post("init", INIT), "init_not_approved")
    sandbox.kra("approve")
    assert_shape(trader.post("init", INIT), name)
    if way == "oscu_direct":
        assert_shape(trader.post("init", INIT), "init_before")


def test_reads(sandbox: SandboxDriver) -> None:
    trader = Trader(sandbox).equip()
    trader.post("sale", sale(1, custTin="A123456789B"))
    assert_shape(trader.post("codes", NOTHING), "code_list")
    assert_shape(trader.post("find", {"invcNo": 1}), "invoice_found")
    sandbox.kra("settings", empty_form="null")
    assert_shape(trader.post("find", {"invcNo": 2}), "nothing_found")


def test_the_gateway(sandbox: SandboxDriver) -> None:
    trader = Trader(sandbox, "oscu_gateway").equip()
    refused = trader.post("sale", sale(9))
    assert_shape(refused, "gateway_refused")
    told = refused.json()["responseHeader"]["debugMessage"]
    pattern = wire("gateway_refused")["body"]["responseHeader"]["debugMessage"]
    assert told == pattern.replace("6", "1")
    trader.post("sale", sale(1, custTin="A123456789B"))
    assert_shape(trader.post("sale", sale(1)), "gateway_refused_number_taken")
    assert_shape(trader.post("find", {"invcNo": 1}), "gateway_invoice_found")
    sandbox.kra_fault("wrapped_200")
    assert_shape(trader.post("sale", sale(2)), "gateway_refused_inside_200")
    for status in (401, 500):
        sandbox.kra_fault("expired_token", status=status)
        assert_shape(trader.post("sale", sale(2)), f"gateway_expired_token_{status}")
    sandbox.kra("tokens")
    assert_shape(trader.post("sale", sale(2)), "gateway_invalid_token")


def test_tokens(sandbox: SandboxDriver) -> None:
    trader = Trader(sandbox)
    app = sandbox.kra("apps")
    assert_shape(trader.ask_token(app["client_id"], app["client_secret"]), "token")
    sandbox.kra("settings", expires_form="number")
    assert_shape(trader.ask_token(app["client_id"], app["client_secret"]), "token_number")
    refused = trader.ask_token(app["client_id"], "wrong")
    assert (refused.status_code, refused.content) == (wire("token_refused_empty")["status"], b"")
    url = f"{sandbox.kra_url}/v1/token/generate"
    words = trader.session.get(url, auth=("a", "b"), timeout=10)
    assert words.json().keys() == wire("token_refused_words")["body"].keys()
