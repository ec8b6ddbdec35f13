"""Lists, items, stock, purchases, imports and people of KRA's emulator (section 5)."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.sandbox.driver import SandboxDriver
from tests.sandbox.kra import ABSENT, PIN, REGISTRAR, Trader, line, result, sale, sums

EVER = {"lastReqDt": "20180101000000"}


@pytest.fixture
def trader(sandbox: SandboxDriver) -> Trader:
    return Trader(sandbox).equip()


@pytest.fixture
def gateway(sandbox: SandboxDriver) -> Trader:
    return Trader(sandbox, "oscu_gateway").equip()


def item(number: int = 7, **changes: Any) -> dict[str, Any]:
    return {
        "itemCd": f"KE2NTNO{number:07d}", "itemClsCd": "5059690800", "itemTyCd": "2",
        "itemNm": "Salt", "itemStdNm": None, "orgnNatCd": "KE", "pkgUnitCd": "NT",
        "qtyUnitCd": "NO", "taxTyCd": "B", "btchNo": None, "bcd": None, "dftPrc": 30,
        "isrcAplcbYn": "N", "useYn": "Y", **REGISTRAR, **changes,
    }  # fmt: skip


def movement(number: int = 1, **changes: Any) -> dict[str, Any]:
    moved = {**line(), "totDcAmt": 0, "itemExprDt": None}
    return {
        "sarNo": number, "orgSarNo": 0, "regTyCd": "M", "custTin": None, "custNm": None,
        "custBhfId": None, "sarTyCd": "06", "ocrnDt": "20261123", "totItemCnt": 1,
        "totTaxblAmt": 2000, "totTaxAmt": 320, "totAmt": 2320, "remark": None, **REGISTRAR,
        "itemList": [moved], **changes,
    }  # fmt: skip


def purchase(number: int = 1, **changes: Any) -> dict[str, Any]:
    lines = changes.get("itemList", [line(qty=1)])
    return {
        "spplrTin": "P051999888Z", "invcNo": number, "orgInvcNo": 0, "spplrBhfId": "00",
        "spplrNm": "WHOLESALE LIMITED", "spplrInvcNo": 1, "regTyCd": "A", "pchsTyCd": "N",
        "rcptTyCd": "P", "pmtTyCd": "01", "pchsSttsCd": "02", "cfmDt": "20261123101500",
        "pchsDt": "20261123", "totItemCnt": len(lines), "remark": None, **REGISTRAR,
        "itemList": lines, **sums(lines), **changes,
    }  # fmt: skip


def text(answer: requests.Response) -> str:
    """The text of a refusal, whichever envelope."""
    body = answer.json()
    return str(body.get("resultMsg") or body["responseHeader"]["debugMessage"])


def stamp(answer: requests.Response) -> dict[str, str]:
    return {"lastReqDt": answer.json()["resultDt"]}


def test_a_list_tells_each_row_once(sandbox: SandboxDriver, trader: Trader) -> None:
    assert result(trader.post("/selectNoticeList", EVER)) == ("001", {"noticeList": []})
    sandbox.kra("notice", title="One")
    first = trader.post("/selectNoticeList", EVER)
    assert [each["title"] for each in result(first)[1]["noticeList"]] == ["One"]
    assert result(trader.post("/selectNoticeList", stamp(first)))[0] == "001"
    sandbox.kra("notice", title="Two")
    later = result(trader.post("/selectNoticeList", stamp(first)))[1]["noticeList"]
    assert [each["title"] for each in later] == ["Two"]


@pytest.mark.parametrize(
    ("given", "code"), [({}, "910"), ({"lastReqDt": "yesterday"}, "E31"), ({"lastReqDt": 5}, "910")]
)
def test_last_request(trader: Trader, given: dict[str, Any], code: str) -> None:
    assert result(trader.post("/selectItemList", given))[0] == code


def test_codes_and_classes(sandbox: SandboxDriver, trader: Trader) -> None:
    first = trader.post("codes", EVER)
    sandbox.kra("code", **{"class": "17", "code": "QQ", "name": "Crate"})
    (cls,) = result(trader.post("codes", stamp(first)))[1]["clsList"]
    assert (cls["cdCls"], [each["cd"] for each in cls["dtlList"]]) == ("17", ["QQ"])
    assert result(trader.post("sale", sale(1, itemList=[line(pkgUnitCd="QQ")])))[0] == "000"
    classes = result(trader.post("/selectItemClsList", EVER))[1]["itemClsList"]
    assert len(classes) == 26
    assert {"itemClsCd", "itemClsNm", "itemClsLvl", "taxTyCd", "mjrTgYn", "useYn"} == set(
        classes[0]
    )


def test_branches_and_taxpayers(sandbox: SandboxDriver, trader: Trader) -> None:
    branches = result(trader.post("/selectBhfList", EVER))[1]["bhfList"]
    assert [(each["bhfId"], each["hqYn"]) for each in branches] == [("00", "Y"), ("01", "N")]
    sandbox.kra("taxpayer", tin="A123456789B", name="Wanjiku", status="D")
    (found,) = result(trader.post("/selectCustomer", {"custmTin": "A123456789B"}))[1]["custList"]
    assert (found["taxprNm"], found["taxprSttsCd"]) == ("Wanjiku", "D")
    assert result(trader.post("/selectCustomer", {"custmTin": "A000000000A"}))[0] == "001"
    assert result(trader.post("/selectCustomer", {}))[0] == "910"


def test_items_are_entered_listed_and_updated(trader: Trader) -> None:
    first = trader.post("/selectItemList", EVER)
    assert len(result(first)[1]["itemList"]) == 6
    assert result(trader.post("/saveItem", item())) == ("000", None)
    assert result(trader.post("/saveItem", item(itemNm="Fine salt")))[0] == "000"
    (row,) = result(trader.post("/selectItemList", stamp(first)))[1]["itemList"]
    assert (row["itemNm"], row["tin"], row["regBhfId"], row["rraModYn"]) == (
        "Fine salt", PIN, "00", "N",
    )  # fmt: skip
    assert "cmcKey" not in row


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("910", {"itemNm": None}), ("910", {"dftPrc": "30"}), ("910", {"useYn": "J"}),
        ("913", {"itemTyCd": "9"}), ("913", {"taxTyCd": "X"}), ("913", {"orgnNatCd": "Kenya"}),
        ("913", {"itemClsCd": "0000000000"}), ("910", {"modrNm": None}),
    ],
)  # fmt: skip
def test_items_that_are_refused(trader: Trader, code: str, changes: dict[str, Any]) -> None:
    assert result(trader.post("/saveItem", item(**changes)))[0] == code


def test_units_of_items_are_not_checked(trader: Trader) -> None:
    """A wrong one surfaces at the sale (section 5.2 [1 live])."""
    assert result(trader.post("/saveItem", item(pkgUnitCd="BX", qtyUnitCd="XYZ")))[0] == "000"


@pytest.mark.parametrize(
    ("told", "changes"),
    [
        ("Invalid itemCd Sequence. Expected sequence ending with: 0000007",
         {"itemCd": "KE2NTNO0000009"}),
        ("Invalid itemCd Sequence. Expected sequence ending with: 0000007",
         {"itemCd": "KE2NTNO0000006"}),
        ("Incorrect QtyUnitCd Prefix", {"itemCd": "KE2NTU0000007", "qtyUnitCd": "U"}),
        ("Incorrect QtyUnitCd Prefix", {"itemCd": "KE2NTGRM0000007", "qtyUnitCd": "GRM"}),
        ("Incorrect itemCd Prefix. Expected: KE1NT", {"itemTyCd": "1"}),
    ],
)  # fmt: skip
def test_the_gateway_is_stricter_with_codes(
    gateway: Trader, told: str, changes: dict[str, Any]
) -> None:
    assert text(gateway.post("/saveItem", item(**changes))) == told
    assert result(gateway.post("/saveItem", item()))[0] == "000"
    code = "KE2NTXU0000008"
    assert result(gateway.post("/saveItem", item(itemCd=code, qtyUnitCd="U")))[0] == "000"


def test_the_gateway_sells_nothing_that_was_never_stocked(gateway: Trader) -> None:
    gateway.post("/saveItem", item())
    sold = {"itemList": [line(itemCd="KE2NTNO0000007")]}
    assert "do not exist in your stock" in text(gateway.post("sale", sale(1, **sold)))
    moved = movement()
    moved["itemList"][0]["itemCd"] = "KE2NTNO0000007"
    assert result(gateway.post("/insert/stockIO", moved))[0] == "000"
    assert result(gateway.post("sale", sale(1, **sold)))[0] == "000"


def test_services_need_no_stock(gateway: Trader) -> None:
    gateway.post("/saveItem", item(itemCd="KE3NTNO0000007", itemTyCd="3"))
    sold = {"itemList": [line(itemCd="KE3NTNO0000007")]}
    assert result(gateway.post("sale", sale(1, **sold)))[0] == "000"


def test_movements_count_and_come_before_the_master(trader: Trader) -> None:
    trader.post("/saveItem", item())
    master = {"itemCd": "KE2NTNO0000007", "rsdQty": 12.5, **REGISTRAR}
    assert text(trader.post("/saveStockMaster", master)) == "Stock IO is empty"
    moved = movement()
    moved["itemList"][0]["itemCd"] = "KE2NTNO0000007"
    assert result(trader.post("/insertStockIO", moved))[0] == "000"
    assert result(trader.post("/saveStockMaster", master))[0] == "000"
    assert result(trader.post("/insertStockIO", moved))[0] == "994"
    assert text(trader.post("/insertStockIO", movement(3))) == (
        "Invalid sarNo sequence, expected: 2 but found: 3"
    )
    unit = trader.sandbox.kra_unit()
    assert (unit["stock"]["KE2NTNO0000007"], unit["counters"]["stock"]) == ("12.5", 1)


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("910", {"orgSarNo": None}), ("910", {"totAmt": 0}), ("913", {"sarTyCd": "99"}),
        ("913", {"regTyCd": "X"}), ("910", {"totTaxAmt": 1}), ("910", {"regrNm": None}),
        ("910", {"itemList": [{**line(taxblAmt=2320), "totDcAmt": 0}]}),
        ("910", {"itemList": [{**line(itemCd="KE2NTNO7777777"), "totDcAmt": 0}]}),
    ],
)  # fmt: skip
def test_movements_that_are_refused(trader: Trader, code: str, changes: dict[str, Any]) -> None:
    assert result(trader.post("/insertStockIO", movement(**changes)))[0] == code
    assert result(trader.post("/insertStockIO", movement()))[0] == "000"


def test_goods_from_another_branch(sandbox: SandboxDriver, gateway: Trader) -> None:
    sandbox.kra("move", number=4)
    bare = {**EVER, "tin": ABSENT, "bhfId": ABSENT}
    assert text(gateway.post("/selectStockMoveLists", bare)) == "tin cannot be Null"
    (row,) = result(gateway.post("/selectStockMoveLists", EVER))[1]["stockList"]
    assert (row["custBhfId"], row["sarNo"], len(row["itemList"])) == ("01", 4, 1)


def test_a_purchase_is_fetched_and_confirmed(sandbox: SandboxDriver, trader: Trader) -> None:
    assert result(trader.post("/selectTrnsPurchaseSalesList", EVER))[0] == "001"
    sandbox.kra("purchase")
    (row,) = result(trader.post("/selectTrnsPurchaseSalesList", EVER))[1]["saleList"]
    assert (row["spplrInvcNo"], row["totAmt"], row["cfmDt"][4]) == (1, 1160, "-")
    unknown = purchase(spplrInvcNo=2)
    assert text(trader.post("/insertTrnsPurchase", unknown)) == (
        "The supplier's invoice does not exist"
    )
    assert result(trader.post("/insertTrnsPurchase", purchase()))[0] == "000"
    assert result(trader.post("/insertTrnsPurchase", purchase()))[0] == "994"
    assert result(trader.post("/insertTrnsPurchase", purchase(2)))[0] == "994"
    by_hand = purchase(2, spplrInvcNo=77, regTyCd="M")
    assert result(trader.post("/insertTrnsPurchase", by_hand))[0] == "000"
    assert "expected: 3 but found: 5" in text(trader.post("/insertTrnsPurchase", purchase(5)))


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("913", {"rcptTyCd": "X"}), ("913", {"pchsSttsCd": "9"}), ("910", {"totAmt": 1}),
        ("910", {"pchsDt": None}), ("910", {"taxRtB": 0}),
    ],
)  # fmt: skip
def test_purchases_that_are_refused(
    sandbox: SandboxDriver, trader: Trader, code: str, changes: dict[str, Any]
) -> None:
    sandbox.kra("purchase")
    assert result(trader.post("/insertTrnsPurchase", purchase(**changes)))[0] == code


def test_the_gateway_knows_the_suppliers_invoice_or_refuses(
    sandbox: SandboxDriver, gateway: Trader
) -> None:
    by_hand = purchase(regTyCd="M")
    path = "/sendPurchaseTransactionInfo"
    assert text(gateway.post(path, by_hand)) == "The supplier's invoice does not exist"
    sandbox.kra("purchase")
    assert result(gateway.post(path, by_hand))[0] == "000"


def test_an_import_is_decided(sandbox: SandboxDriver, trader: Trader) -> None:
    told = sandbox.kra("import")
    first = trader.post("/selectImportItemList", EVER)
    (row,) = result(first)[1]["itemList"]
    assert (row["taskCd"], row["imptItemsttsCd"]) == (told["taskCd"], "2")
    decision = {
        **told, "hsCd": row["hsCd"], "itemClsCd": "5059690800", "itemCd": "KE2NTNO0000001",
        "imptItemSttsCd": "3", "remark": None, "modrId": "admin", "modrNm": "Admin",
    }  # fmt: skip
    assert result(trader.post("/updateImportItem", decision | {"itemSeq": 9}))[0] == "910"
    assert result(trader.post("/updateImportItem", decision | {"imptItemSttsCd": "7"}))[0] == "913"
    assert result(trader.post("/updateImportItem", decision))[0] == "000"
    (row,) = result(trader.post("/selectImportItemList", stamp(first)))[1]["itemList"]
    assert row["imptItemsttsCd"] == "3"
    assert "decision" not in row


def test_customers_users_insurances_and_compositions(trader: Trader) -> None:
    customer = {"custNo": "999", "custTin": "A123456789B", "custNm": "W", "useYn": "Y", **REGISTRAR}
    user = {"userId": "u1", "userNm": "U", "pwd": "x", "useYn": "Y", **REGISTRAR}
    insurance = {"isrccCd": "I1", "isrccNm": "Cover", "isrcRt": 20, "useYn": "Y", **REGISTRAR}
    made = {"itemCd": "KE2NTNO0000001", "cpstItemCd": "KE2NTNO0000002", "cpstQty": 0.5}
    for path, body in (
        ("/saveBhfCustomer", customer), ("/saveBhfUser", user),
        ("/saveBhfInsurance", insurance), ("/saveItemComposition", made | REGISTRAR),
    ):  # fmt: skip
        name = next(iter(body))
        assert result(trader.post(path, body | {name: None}))[0] == "910"
        assert result(trader.post(path, body)) == ("000", None)
    assert trader.sandbox.kra_unit()["people"] == {
        "customer": ["999"], "user": ["u1"], "insurance": ["I1"],
    }  # fmt: skip
