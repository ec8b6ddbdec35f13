"""The body of a sale and of a credit note (reference, sections 6.1 to 6.3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from integrations.config import Snapshot
from integrations.providers.kra.payloads.amounts import TAX_TYPES
from integrations.providers.kra.payloads.times import stamp8, stamp14

APPROVED = "02"


def json_number(text: str) -> int | float:
    """An amount as a JSON number.

    Amounts have at most 14 digits: a double carries those, and prints them as they were.
    """
    value = float(text)
    return int(value) if value.is_integer() else value


def registrar(config: Snapshot) -> dict[str, str]:
    """Who enters: the four fields that nearly all writes demand (section 2)."""
    who, name = config.values["registrar_id"], config.values["registrar_name"]
    return {"regrId": who, "regrNm": name, "modrId": who, "modrNm": name}


def sale_body(
    document: Mapping[str, Any], *, config: Snapshot, number: int, original_number: int = 0
) -> dict[str, Any]:
    """The exact body of a prepared document that was given KRA's `number`.

    `original_number` is KRA's number of what a credit note credits, else 0. Identity and key
    (`tin`, `bhfId`, `cmcKey`) are not in it: the client adds them as it sends, and a stored body
    holds no secret. The same document, number and settings give the same body.
    """
    credit = document["kind"] == "credit_note"
    issued = datetime.fromisoformat(document["issued_at"])
    lines = [_line(line, config) for line in document["lines"]]
    return {
        "trdInvcNo": document["trader_number"],
        "invcNo": number,
        "orgInvcNo": original_number if credit else 0,
        "custTin": document["customer"]["pin"] or None,
        "custNm": document["customer"]["name"] or None,
        "salesTyCd": "N",
        "rcptTyCd": "R" if credit else "S",
        "pmtTyCd": document["payment_type"] or None,
        "salesSttsCd": APPROVED,
        "cfmDt": stamp14(issued),
        "salesDt": stamp8(issued),
        "stockRlsDt": None,
        "cnclReqDt": None,
        "cnclDt": None,
        "rfdDt": stamp14(issued) if credit else None,
        "rfdRsnCd": document["reason"] if credit else None,
        "totItemCnt": len(lines),
        **_sums(document),
        "prchrAcptcYn": config.values["purchaser_acceptance"],
        "remark": document["remark"] or None,
        **registrar(config),
        "receipt": _receipt(document, config, stamp14(issued)),
        "itemList": lines,
    }


def _sums(document: Mapping[str, Any]) -> dict[str, int | float]:
    sums, rates = document["totals"], document["rates"]
    return {
        **{f"taxblAmt{kind}": json_number(sums[f"taxable_{kind}"]) for kind in TAX_TYPES},
        **{f"taxRt{kind}": json_number(rates[kind]) for kind in TAX_TYPES},
        **{f"taxAmt{kind}": json_number(sums[f"tax_{kind}"]) for kind in TAX_TYPES},
        "totTaxblAmt": json_number(sums["taxable"]),
        "totTaxAmt": json_number(sums["tax"]),
        "totAmt": json_number(sums["total"]),
    }


def _receipt(document: Mapping[str, Any], config: Snapshot, moment: str) -> dict[str, Any]:
    values = config.values
    body: dict[str, Any] = {
        "custTin": document["customer"]["pin"] or None,
        "custMblNo": document["customer"]["phone"] or None,
        "rcptPbctDt": moment,
        "trdeNm": values["trade_name"] or None,
        "adrs": values["receipt_address"] or None,
        "topMsg": values["top_message"] or None,
        "btmMsg": values["bottom_message"] or None,
        "prchrAcptcYn": values["purchaser_acceptance"],
    }
    if values["transport"] == "vscu":
        # Section 6.2 [2]: VSCU clients send the registrar and a report number here too.
        body |= {"rptNo": 1, **registrar(config)}
    return body


def _supply(line: Mapping[str, Any], config: Snapshot) -> int | float:
    """Quantity by price; after the discount where the settings say so (section 7 [1])."""
    supply = Decimal(line["supply"])
    if config.values["is_supply_discounted"]:
        supply -= Decimal(line["discount"])
    return json_number(str(supply))


def _line(line: Mapping[str, Any], config: Snapshot) -> dict[str, Any]:
    insurance = line["insurance"] or {}
    rate, amount = insurance.get("rate"), insurance.get("amount")
    return {
        "itemSeq": line["position"],
        "itemCd": line["item_code"],
        "itemClsCd": line["class_code"] or None,
        "itemNm": line["name"],
        "bcd": line["barcode"] or None,
        "pkgUnitCd": line["packaging_unit"],
        "pkg": json_number(line["package_count"]),
        "qtyUnitCd": line["quantity_unit"],
        "qty": json_number(line["quantity"]),
        "prc": json_number(line["price"]),
        "splyAmt": _supply(line, config),
        "dcRt": json_number(line["discount_rate"]),
        "dcAmt": json_number(line["discount"]),
        "isrccCd": insurance.get("code"),
        "isrccNm": insurance.get("name"),
        "isrcRt": None if rate is None else json_number(rate),
        "isrcAmt": None if amount is None else json_number(amount),
        "taxTyCd": line["tax_type"],
        "taxblAmt": json_number(line["taxable"]),
        "taxAmt": json_number(line["tax"]),
        "totAmt": json_number(line["total"]),
    }
