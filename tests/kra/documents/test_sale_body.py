"""The body on the wire: every field of sections 6.1 to 6.3, in the right type."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from integrations.config import Snapshot
from integrations.kra.documents import prepare, read_invoice
from integrations.models import KRAItem
from integrations.providers.kra.payloads.sale import json_number, sale_body
from tests.hunt.plants import planted
from tests.kra.documents.conftest import line, simple

KEY = planted("communication key")
HEADER = [
    "trdInvcNo",
    "invcNo",
    "orgInvcNo",
    "custTin",
    "custNm",
    "salesTyCd",
    "rcptTyCd",
    "pmtTyCd",
    "salesSttsCd",
    "cfmDt",
    "salesDt",
    "stockRlsDt",
    "cnclReqDt",
    "cnclDt",
    "rfdDt",
    "rfdRsnCd",
    "totItemCnt",
    "taxblAmtA",
    "taxblAmtB",
    "taxblAmtC",
    "taxblAmtD",
    "taxblAmtE",
    "taxRtA",
    "taxRtB",
    "taxRtC",
    "taxRtD",
    "taxRtE",
    "taxAmtA",
    "taxAmtB",
    "taxAmtC",
    "taxAmtD",
    "taxAmtE",
    "totTaxblAmt",
    "totTaxAmt",
    "totAmt",
    "prchrAcptcYn",
    "remark",
    "regrId",
    "regrNm",
    "modrId",
    "modrNm",
    "receipt",
    "itemList",
]
RECEIPT = [
    "custTin",
    "custMblNo",
    "rcptPbctDt",
    "trdeNm",
    "adrs",
    "topMsg",
    "btmMsg",
    "prchrAcptcYn",
]
LINE = [
    "itemSeq",
    "itemCd",
    "itemClsCd",
    "itemNm",
    "bcd",
    "pkgUnitCd",
    "pkg",
    "qtyUnitCd",
    "qty",
    "prc",
    "splyAmt",
    "dcRt",
    "dcAmt",
    "isrccCd",
    "isrccNm",
    "isrcRt",
    "isrcAmt",
    "taxTyCd",
    "taxblAmt",
    "taxAmt",
    "totAmt",
]
INSURED = {"code": "NHIF", "name": "Health fund", "rate": 80, "amount": "92.80"}


@pytest.fixture
def body_of(config_of: Callable[..., Snapshot], items: list[KRAItem]) -> Callable[..., Any]:
    def make(*lines: dict[str, Any], transport: str = "oscu_direct", **more: Any) -> Any:
        config = config_of(
            transport=transport,
            communication_key=KEY,
            trade_name="Wanjiku",
            receipt_address="Moi Avenue",
            top_message="Karibu",
            registrar_id="clerk",
            registrar_name="Clerk",
        )
        chosen = lines or (line("Sugar", 1.5, "77.33"),)
        prepared = prepare(read_invoice(simple(*chosen, **more)), config)
        return sale_body(prepared.document, config=config, number=12)

    return make


def test_every_field_is_there_and_nothing_else(body_of: Callable[..., Any]) -> None:
    body = body_of()
    assert list(body) == HEADER
    assert list(body["receipt"]) == RECEIPT
    assert list(body["itemList"][0]) == LINE


def test_no_identity_and_no_key_is_stored(body_of: Callable[..., Any]) -> None:
    body = body_of()
    assert not {"tin", "bhfId", "cmcKey"} & set(body)
    assert KEY not in json.dumps(body)


def test_the_values_of_a_sale(body_of: Callable[..., Any]) -> None:
    body = body_of(
        line("Sugar", 1, 116, insurance=INSURED, barcode="6001"),
        issue_date="2026-11-23T10:15:00+03:00",
        customer={"name": "Wanjiku Traders Ltd", "kra_pin": "P051234568Y", "phone": "0712000001"},
        payment_type="06",
        remark="Thanks",
    )
    assert (body["trdInvcNo"], body["invcNo"], body["orgInvcNo"]) == ("INV-1", 12, 0)
    assert (body["cfmDt"], body["salesDt"]) == ("20261123101500", "20261123")
    assert (body["salesTyCd"], body["rcptTyCd"], body["salesSttsCd"]) == ("N", "S", "02")
    assert (body["pmtTyCd"], body["prchrAcptcYn"], body["remark"]) == ("06", "N", "Thanks")
    assert (body["regrId"], body["modrNm"]) == ("clerk", "Clerk")
    assert body["receipt"] == {
        "custTin": "P051234568Y",
        "custMblNo": "0712000001",
        "rcptPbctDt": "20261123101500",
        "trdeNm": "Wanjiku",
        "adrs": "Moi Avenue",
        "topMsg": "Karibu",
        "btmMsg": None,
        "prchrAcptcYn": "N",
    }
    only = body["itemList"][0]
    insured = (only["isrccCd"], only["isrccNm"], only["isrcRt"], only["isrcAmt"])
    assert insured == ("NHIF", "Health fund", 80, 92.8)
    assert (only["bcd"], only["itemSeq"]) == ("6001", 1)


def test_numbers_are_numbers_and_absent_fields_null(body_of: Callable[..., Any]) -> None:
    body = body_of()
    only = body["itemList"][0]
    assert (only["qty"], only["prc"], only["splyAmt"]) == (1.5, 77.33, 116)
    assert type(only["splyAmt"]) is int
    assert (body["remark"], body["stockRlsDt"], body["rfdDt"], only["bcd"]) == (None,) * 4
    assert "77.33" in json.dumps(body)


@pytest.mark.parametrize("transport", ["oscu_direct", "oscu_gateway", "vscu"])
def test_packages_are_the_real_count(body_of: Callable[..., Any], transport: str) -> None:
    counted = line("Sugar", 24, 10, package_count=2)
    body = body_of(counted, line("Sugar", 3, 10), transport=transport)
    assert [each["pkg"] for each in body["itemList"]] == [2, 3]


def test_a_vscu_gets_the_registrar_in_the_receipt_too(body_of: Callable[..., Any]) -> None:
    receipt = body_of(transport="vscu")["receipt"]
    assert set(receipt) - set(RECEIPT) == {"rptNo", "regrId", "regrNm", "modrId", "modrNm"}


@pytest.mark.parametrize(
    ("transport", "rates"), [("oscu_direct", [12.5]), ("oscu_gateway", [12.5]), ("vscu", [0, 0])]
)
def test_the_vscu_gets_no_broken_percent(
    body_of: Callable[..., Any], transport: str, rates: list[float]
) -> None:
    body = body_of(line("Sugar", 5, "99.99", discount_rate="12.5"), transport=transport)
    assert [each["dcRt"] for each in body["itemList"]] == rates
    assert body["totAmt"] == 437.46


def test_a_discount_in_money(body_of: Callable[..., Any]) -> None:
    by_percent = body_of(line("Sugar", 2, 100, discount_amount=20))["itemList"][0]
    assert (by_percent["dcRt"], by_percent["dcAmt"], by_percent["totAmt"]) == (10, 20, 180)
    odd = body_of(line("Sugar", 1, "99.99", discount_amount="0.01"))["itemList"][0]
    assert (odd["prc"], odd["dcRt"], odd["dcAmt"], odd["totAmt"]) == (99.99, 0.01, 0.01, 99.98)


@pytest.mark.parametrize("profile", ["net_taxable", "spec_inclusive", "all_net"])
def test_supply_amounts_after_the_discount_by_setting(
    config_of: Callable[..., Snapshot], items: list[KRAItem], profile: str
) -> None:
    """Section 7 [1]: 90 at 1000 less 10 percent is 81,000 for one source."""
    sold = simple(line("Bread", 90, 1000, discount_rate=10))
    told = []
    for is_after in (False, True):
        config = config_of(is_supply_discounted=is_after, amount_profile=profile)
        document = prepare(read_invoice(sold), config).document
        told.append(sale_body(document, config=config, number=1)["itemList"][0])
    before, after = told
    assert (before["splyAmt"], after["splyAmt"]) == (90000, 81000)
    assert after == {**before, "splyAmt": 81000}


def test_the_purchasers_acceptance_is_a_setting(
    config_of: Callable[..., Snapshot], items: list[KRAItem]
) -> None:
    config = config_of(purchaser_acceptance="Y")
    document = prepare(read_invoice(simple(line("Sugar", 1, 116))), config).document
    body = sale_body(document, config=config, number=1)
    assert (body["prchrAcptcYn"], body["receipt"]["prchrAcptcYn"]) == ("Y", "Y")


def test_foreign_money_is_told_in_the_remark(body_of: Callable[..., Any]) -> None:
    body = body_of(
        line("Sugar", 3, "9.99", insurance=INSURED),
        currency="usd",
        exchange_rate="129.4567",
        remark="Thanks",
    )
    assert body["totAmt"] == 3879.82
    assert body["remark"] == "USD 29.97 at 129.4567. Thanks"
    assert sum(each["qty"] for each in body["itemList"]) == 3
    assert body["itemList"][0]["isrcAmt"] == 12013.58


@pytest.mark.parametrize("text", ["0.01", "0.10", "999999999999.99", "123456789.07", "-0.00"])
def test_amounts_are_written_as_they_are(text: str) -> None:
    assert float(json.dumps(json_number(text))) == float(text)
    assert f"{json_number(text):.2f}" == text.removeprefix("-")
