"""KRA's emulator refuses what KRA refuses of a sale; each refusal leaves the counter alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.driver import SandboxDriver
from tests.sandbox.kra import ABSENT, RATES, REGISTRAR, Trader, line, result, sale, sums

# Code on direct, what the text names; the change. Sections 6 to 8.
LINES: list[tuple[str, str, dict[str, Any]]] = [
    ("910", "[<itemList><itemNm>]", {"itemNm": ""}),
    ("910", "[<itemList><itemCd>]", {"itemCd": None}),
    ("910", "[<itemList><taxAmt>]", {"taxAmt": ABSENT}),
    ("910", "[<itemList><qty>]", {"qty": "2"}),
    ("910", "[<itemList><qty>] is 0", {"qty": 0, "splyAmt": 0, "taxblAmt": 0, "taxAmt": 0,
                                       "totAmt": 0}),
    ("910", "[<itemList><pkg>] is 0", {"pkg": 0}),
    ("910", "[<itemList><prc>] is negative", {"prc": -1160}),
    ("910", "[<itemList><prc>] has more than 2 decimals", {"prc": 1160.005}),
    ("910", "[<itemList><itemNm>] is longer than 200", {"itemNm": "x" * 201}),
    ("910", "[<itemList><itemSeq>]", {"itemSeq": 2}),
    ("913", "[<itemList><pkgUnitCd>]", {"pkgUnitCd": "U"}),
    ("913", "[<itemList><pkgUnitCd>]", {"pkgUnitCd": "BX"}),
    ("913", "[<itemList><qtyUnitCd>]", {"qtyUnitCd": "PIECE"}),
    ("913", "[<itemList><taxTyCd>]", {"taxTyCd": "F"}),
    ("913", "[<itemList><itemClsCd>]", {"itemClsCd": "1234567890"}),
    ("910", "KE2NTNO0009999 do not exist in your stock", {"itemCd": "KE2NTNO0009999"}),
    ("910", "Invalid taxblAmt on item: 1. Expected: 2000.00, But Found: 2320.00",
     {"taxblAmt": 2320}),
    ("910", "Invalid taxAmt on item: 1. Expected: 320.00", {"taxAmt": 320.02}),
    ("910", "Invalid splyAmt on item: 1. Expected: 2320.00", {"splyAmt": 2000}),
    ("910", "Invalid dcAmt on item: 1. Expected: 0.00", {"dcAmt": 10}),
    ("910", "Invalid totAmt on item: 1. Expected: 2320.00", {"totAmt": 2319.98}),
]  # fmt: skip
HEADERS: list[tuple[str, str, dict[str, Any]]] = [
    *(("910", f"[{name}]", {name: None}) for name in REGISTRAR),
    ("910", "[trdInvcNo]", {"trdInvcNo": ABSENT}),
    ("910", "[trdInvcNo] is longer than 50", {"trdInvcNo": "x" * 51}),
    ("910", "[invcNo]", {"invcNo": "1"}),
    ("910", "[orgInvcNo]", {"orgInvcNo": None}),
    ("910", "[orgInvcNo] is not 0", {"orgInvcNo": 1}),
    ("910", "[custNm] is longer than 60", {"custNm": "x" * 61}),
    ("910", "[custTin] is longer than 11", {"custTin": "P0512345678X"}),
    ("910", "[cfmDt]", {"cfmDt": "2026-11-23 10:15"}),
    ("910", "[cfmDt]", {"cfmDt": "20261323101500"}),
    ("910", "[salesDt]", {"salesDt": "20261122"}),
    ("910", "[totItemCnt]", {"totItemCnt": 2}),
    ("910", "[prchrAcptcYn]", {"prchrAcptcYn": "X"}),
    ("910", "[receipt]", {"receipt": ABSENT}),
    ("910", "[<receipt><rcptPbctDt>]", {"receipt": {"prchrAcptcYn": "N"}}),
    ("910", "[<receipt><trdeNm>] is longer than 20",
     {"receipt": {"rcptPbctDt": "20261123101500", "prchrAcptcYn": "N", "trdeNm": "x" * 21}}),
    ("910", "[itemList]", {"itemList": []}),
    ("913", "[<rcptTyCd>]", {"rcptTyCd": "X"}),
    ("913", "[<pmtTyCd>]", {"pmtTyCd": "99"}),
    ("913", "[<salesSttsCd>]", {"salesSttsCd": "2"}),
    ("910", "[taxblAmtC]", {"taxblAmtC": ABSENT}),
    ("910", "Rule taxRtB failed. Tax rate mismatch. Expected: 16.00", {"taxRtB": 18}),
    ("910", "Rule taxRtE failed. Tax rate mismatch. Expected: 8.00", {"taxRtE": 0}),
    ("910", "Invalid taxblAmtB. Expected: 2000.00", {"taxblAmtB": 2320}),
    ("910", "Invalid totTaxblAmt. Expected: 2000.00", {"totTaxblAmt": 2320}),
    ("910", "Invalid totTaxAmt. Expected: 320.00", {"totTaxAmt": 0}),
    ("910", "Invalid totAmt. Expected: 2320.00", {"totAmt": 2320.02}),
]  # fmt: skip


@pytest.fixture
def trader(sandbox: SandboxDriver) -> Trader:
    return Trader(sandbox).equip()


@pytest.mark.parametrize(("code", "named", "changes"), LINES)
def test_a_wrong_line_is_refused(
    trader: Trader, code: str, named: str, changes: dict[str, Any]
) -> None:
    answer = trader.sell(itemList=[line(**changes)], **sums([line()]))
    _assert_refused(trader, answer, code, named)


@pytest.mark.parametrize(("code", "named", "changes"), HEADERS)
def test_a_wrong_header_is_refused(
    trader: Trader, code: str, named: str, changes: dict[str, Any]
) -> None:
    body = sale(1) | changes
    body = {name: value for name, value in body.items() if value is not ABSENT}
    _assert_refused(trader, trader.post("sale", body), code, named)


def _assert_refused(trader: Trader, answer: Any, code: str, named: str) -> None:
    body = answer.json()
    assert (answer.status_code, body["resultCd"]) == (200, code), body
    assert named in body["resultMsg"]
    assert body["data"] is None
    unit = trader.sandbox.kra_unit()
    assert unit["counters"]["invoice"] == 0
    (refused,) = trader.sandbox.kra_book()["refused"]
    assert (refused["code"], refused["operation"]) == (code, "save_sale")
    # The number was not used up (section 6.5).
    assert result(trader.post("sale", sale(1)))[0] == "000"


def test_a_cent_is_tolerated_and_two_are_not(trader: Trader) -> None:
    assert result(trader.sell(itemList=[line(taxAmt=320.01)], **sums([line()])))[0] == "000"
    trader.number = 1
    assert result(trader.sell(itemList=[line(taxAmt=320.02)], **sums([line()])))[0] == "910"


@pytest.mark.parametrize(
    ("way", "codes"),
    [("oscu_direct", ("994", "910")), ("vscu", ("899", "910"))],
)
def test_repeated_and_skipped_numbers(
    sandbox: SandboxDriver, way: str, codes: tuple[str, str]
) -> None:
    trader = Trader(sandbox, way).equip()
    assert result(trader.post("sale", sale(1)))[0] == "000"
    assert result(trader.post("sale", sale(1)))[0] == codes[0]
    gap = trader.post("sale", sale(3)).json()
    assert gap["resultCd"] == codes[1]
    assert gap["resultMsg"] == "Invalid invcNo sequence, expected: 2 but found: 3"
    assert [each["number"] for each in sandbox.kra_unit()["sales"]] == [1]


def test_the_other_duplicate_and_gap_codes(sandbox: SandboxDriver, trader: Trader) -> None:
    sandbox.kra("settings", duplicate_code="921", gap_code="921")
    trader.post("sale", sale(1))
    assert result(trader.post("sale", sale(1)))[0] == "921"
    assert result(trader.post("sale", sale(5)))[0] == "921"


def test_a_device_used_before_goes_on(sandbox: SandboxDriver) -> None:
    trader = Trader(sandbox).equip(next_invoice=4711)
    assert "expected: 4711" in trader.post("sale", sale(1)).json()["resultMsg"]
    assert result(trader.post("sale", sale(4711)))[0] == "000"


def test_the_gateway_says_it_in_its_own_words(sandbox: SandboxDriver) -> None:
    trader = Trader(sandbox, "oscu_gateway").equip()
    answer = trader.post("sale", sale(3))
    assert answer.status_code == 400
    body = answer.json()
    assert body["responseBody"] is None
    assert body["responseHeader"]["responseCode"] == 400
    assert body["responseHeader"]["debugMessage"] == (
        "Invalid invcNo sequence, expected: 1 but found: 3"
    )
    assert result(trader.post("sale", sale(1, regrId=None)))[0] == "regrId cannot be Null"
    assert result(trader.post("sale", sale(1)))[0] == "000"
    assert "expected: 2 but found: 1" in result(trader.post("sale", sale(1)))[0]
    sandbox.kra("settings", gateway_duplicate="code")
    assert result(trader.post("sale", sale(1)))[0] == "There is an overlapped data"


@pytest.mark.parametrize(
    ("profile", "changes"),
    [
        ("spec_inclusive", {"taxblAmt": 2320.0}),
        ("all_net", {"prc": 1160.0, "taxblAmt": 2320.0, "taxAmt": 371.2, "totAmt": 2691.2}),
    ],
)
def test_the_other_readings_of_amounts(
    sandbox: SandboxDriver, trader: Trader, profile: str, changes: dict[str, Any]
) -> None:
    lines = [line(**changes)]
    assert result(trader.post("sale", sale(1, itemList=lines)))[0] == "910"
    sandbox.kra("settings", amount_profile=profile)
    assert result(trader.post("sale", sale(1, itemList=lines)))[0] == "000"
    assert result(trader.post("sale", sale(2)))[0] == "910"


def test_the_worked_example(trader: Trader) -> None:
    lines = [
        line(1),
        line(2, qty=5, prc=99.99, dcRt=10),
        line(3, qty=4, prc=55.50, taxTyCd="A"),
        line(4, qty=1, prc=750.25, taxTyCd="C"),
        line(5, qty=3, prc=33.35, taxTyCd="D"),
    ]
    body = sale(1, itemList=lines)
    # Section 7, typed from the table.
    assert (body["taxblAmtB"], body["taxAmtB"], body["totTaxblAmt"], body["totAmt"]) == (
        2387.89, 382.06, 3460.19, 3842.25,
    )  # fmt: skip
    assert result(trader.post("sale", body))[0] == "000"


def test_the_rate_of_e_may_be_0(sandbox: SandboxDriver, trader: Trader) -> None:
    sandbox.kra("rates", rates={"E": 0})
    assert RATES["E"] == 8
    assert "Expected: 0.00" in trader.post("sale", sale(1)).json()["resultMsg"]
    assert result(trader.post("sale", sale(1, taxRtE=0)))[0] == "000"
    codes = result(trader.post("codes", {"lastReqDt": "20180101000000"}))[1]["clsList"]
    (taxes,) = [each["dtlList"] for each in codes if each["cdCls"] == "04"]
    assert {each["cd"]: each["userDfnCd1"] for each in taxes}["E"] == "0"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"cmcKey": ABSENT}, "900"), ({"tin": ABSENT}, "900"), ({"bhfId": ""}, "900"),
        ({"cmcKey": "0" * 32}, "901"), ({"bhfId": "01"}, "901"), ({"tin": "P051234567Y"}, "901"),
    ],
)  # fmt: skip
def test_headers(trader: Trader, headers: dict[str, Any], code: str) -> None:
    assert result(trader.post("sale", sale(1), headers))[0] == code


def test_bodies_and_paths_that_are_none(trader: Trader) -> None:
    url = f"{trader.base_url}/saveTrnsSalesOsdc"
    for raw in (b"", b"[1]", b"{", b"null"):
        answer = trader.session.post(url, data=raw, headers=trader.headers(), timeout=10)
        assert result(answer) == ("911", None)
    assert result(trader.post("/saveTrnsSales", sale(1)))[0] == "912"
    assert result(trader.session.get(url, headers=trader.headers(), timeout=10))[0] == "912"


def test_branches_count_apart(sandbox: SandboxDriver) -> None:
    head, other = Trader(sandbox).equip(), Trader(sandbox, branch="01").equip(serial="SECOND")
    assert [result(each.sell())[0] for each in (head, other, head)] == ["000"] * 3
    counters = [sandbox.kra_unit(branch=each)["counters"]["invoice"] for each in ("00", "01")]
    assert counters == [2, 1]


def test_the_book_has_the_order_and_the_digest(trader: Trader) -> None:
    trader.sell()
    trader.post("sale", sale(2) | {"totAmt": 2320.0, "cmcKey": trader.key})
    first, second = trader.sandbox.kra_unit()["sales"]
    assert (first["order"], second["order"]) == (1, 2)
    assert first["digest"] != second["digest"]
    assert len({first["signature"], second["signature"]}) == 2
    assert trader.key not in str(trader.sandbox.kra_book())


def test_a_paper_that_is_refused_whenever_it_comes(sandbox: SandboxDriver, trader: Trader) -> None:
    sandbox.kra("refuse", trader_number="INV-000001")
    assert [result(trader.post("sale", sale(1)))[0] for _ in range(2)] == ["910"] * 2
    assert result(trader.post("sale", sale(1, trdInvcNo="OTHER")))[0] == "000"
