"""Sales and credit notes: the rules, the number, the signature (section 6)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from integrations.providers.kra.emulator.amounts import check_amounts
from integrations.providers.kra.emulator.credits import check_credit
from integrations.providers.kra.emulator.entries import commit
from integrations.providers.kra.emulator.fields import check, number
from integrations.providers.kra.emulator.line_rules import (
    check_codes,
    check_line_codes,
    check_lines,
)
from integrations.providers.kra.emulator.refusals import (
    Refusal,
    Unreachable,
    malformed,
    missing,
)
from integrations.providers.kra.emulator.routes import VSCU
from integrations.providers.kra.emulator.sale_fields import HEADER, LINE, RECEIPT
from integrations.providers.kra.emulator.signing import sign
from integrations.providers.kra.emulator.stock import check_stocked
from integrations.providers.kra.emulator.units import Sale
from integrations.providers.kra.emulator.visits import Found, Visit
from integrations.providers.kra.emulator.wire import detail_time, wire_time

_HEADER_TABLES = (("rcptTyCd", "37"), ("salesSttsCd", "11"), ("pmtTyCd", "07"), ("salesTyCd", "14"))


def save_sale(visit: Visit) -> dict[str, Any]:
    """Take a sale or credit note: the counter moves only now (section 6.5 [1 live])."""
    if visit.door == VSCU and not visit.world.may_sign(visit.unit):
        raise Unreachable
    _check_fields(visit.body)
    _check_number(visit)
    check_codes(visit.world, visit.body, _HEADER_TABLES)
    check_line_codes(visit.world, visit.body["itemList"])
    if visit.door == VSCU:
        _check_vscu(visit.body)
    check_stocked(visit, visit.body["itemList"])
    check_credit(visit)
    check_amounts(visit.body, visit.world.settings)
    if visit.body["trdInvcNo"] in visit.world.unwanted:
        raise Refusal("910", "Refused")
    signature, internal = sign(visit.unit, visit.body)
    sale: Sale = commit(
        visit.world, "sale", **visit.where, door=visit.door, body=visit.text, signature=signature,
        internal_data=internal,
    )  # fmt: skip
    return _signed(visit, sale)


def find_invoice(visit: Visit) -> Found:
    """`selectInvoiceDetails`: what was taken under a number (section 5.1 [1 live])."""
    wanted = visit.body.get("invcNo")
    if wanted is None:
        raise missing("invcNo")
    if isinstance(wanted, bool) or not isinstance(wanted, int):
        raise malformed("invcNo", "is not a whole number")
    sale = visit.unit.sales.get(wanted)
    return Found("salesList", [] if sale is None else [_details(sale, visit)])


def confirm_sale(visit: Visit) -> None:
    """`saveInvoice`, the second call that one source wants of the VSCU (section 5 [1])."""
    given = visit.body.get("invcNo")
    if given is None:
        raise missing("invcNo")
    if given not in visit.unit.sales:
        raise Refusal("922")
    if given in visit.unit.confirmed:
        raise Refusal("921")
    commit(visit.world, "confirmed", **visit.where, number=given)


def _check_fields(body: Mapping[str, Any]) -> None:
    check(body, HEADER)
    receipt = body.get("receipt")
    if receipt is None:
        raise missing("receipt")
    if not isinstance(receipt, dict):
        raise malformed("receipt", "is not an object")
    check(receipt, RECEIPT, "<receipt>")
    check_lines(body, LINE)
    if body["salesDt"] != body["cfmDt"][:8]:
        raise malformed("salesDt", "is not the day of cfmDt")
    for name in ("invcNo", "orgInvcNo"):
        if not isinstance(body[name], int):
            raise malformed(name, "is not a whole number")  # section 6.5 [2 live]


def _check_number(visit: Visit) -> None:
    unit, settings, given = visit.unit, visit.world.settings, visit.body["invcNo"]
    expected = unit.last_invoice + 1
    # Section 6.5, the gateway's words.
    told = f"Invalid invcNo sequence, expected: {expected} but found: {given}"
    if given in unit.sales:
        code = settings.vscu_duplicate_code if visit.door == VSCU else settings.duplicate_code
        raise Refusal(code, gateway=told if settings.gateway_duplicate == "sequence" else "")
    if given != expected:
        raise Refusal(settings.gap_code, told)


def _check_vscu(body: Mapping[str, Any]) -> None:
    for line in body["itemList"]:
        discount = number(line, "dcRt")
        if discount != int(discount):
            # Section 6.3 [1].
            raise malformed("<itemList><dcRt>", "is not a whole percent")
        if number(line, "qty") >= 10**9:
            raise malformed("<itemList><qty>", "has more than 11 digits")  # section 2 [1]


def _signed(visit: Visit, sale: Sale) -> dict[str, Any]:
    stamp = wire_time(visit.now)
    if visit.door == VSCU:
        # Section 6.4 [2].
        return {
            "rcptNo": sale.receipt_number, "totRcptNo": sale.total_number,
            "intrlData": sale.internal_data, "rcptSign": sale.signature,
            "sdcId": visit.unit.sdc_id, "mrcNo": visit.unit.mrc_no, "vsdcRcptPbctDate": stamp,
        }  # fmt: skip
    # Section 6.4 [3+].
    return {
        "curRcptNo": sale.receipt_number, "totRcptNo": sale.total_number,
        "intrlData": sale.internal_data, "rcptSign": sale.signature, "sdcDateTime": stamp,
    }  # fmt: skip


def _details(sale: Sale, visit: Visit) -> dict[str, Any]:
    kept = {
        name: value
        for name, value in sale.body.items()
        if name not in ("cmcKey", "receipt", "regrId", "regrNm", "modrId", "modrNm")
    }
    receipt = {
        "curRcptNo": sale.receipt_number, "rcptSign": sale.signature,
        "intrlData": sale.internal_data,
        "sdcDateTime": detail_time(datetime.fromisoformat(sale.signed)),
    }  # fmt: skip
    if visit.world.settings.found_form == "receipt":
        kept = {"custTin": sale.body.get("custTin")}
    return kept | {"receipt": receipt}
