"""Customers, users, insurances; other taxpayers and branches; notices (sections 5.1 and 5.5)."""

from __future__ import annotations

from integrations.providers.kra.emulator.code_table import MADE
from integrations.providers.kra.emulator.entries import commit
from integrations.providers.kra.emulator.fields import REGISTRAR, Field, check, fields
from integrations.providers.kra.emulator.lists import last_request, newer
from integrations.providers.kra.emulator.refusals import missing
from integrations.providers.kra.emulator.visits import Found, Visit

CUSTOMER = (
    *fields(
        """
        custNo C9 M; custTin C11 M; custNm C60 M; adrs C300; telNo C20; email C50; faxNo C20;
        useYn F1 M; remark C1000
        """
    ),
    *REGISTRAR,
)
USER = (
    *fields(
        """
        userId C20 M; userNm C60 M; pwd C255 M; adrs C200; cntc C20; authCd C100; remark C2000;
        useYn F1 M
        """
    ),
    *REGISTRAR,
)
INSURANCE = (*fields("isrccCd C10 M; isrccNm C100 M; isrcRt N3 M; useYn F1 M"), *REGISTRAR)
_ADDRESS = {"prvncNm": "NAIROBI", "dstrtNm": "WESTLANDS", "sctrNm": "PARKLANDS",
            "locDesc": "Westlands Towers"}  # fmt: skip


def save_customer(visit: Visit) -> None:
    """`saveBhfCustomer`."""
    _save(visit, "customer", CUSTOMER, "custNo")


def save_user(visit: Visit) -> None:
    """`saveBhfUser`."""
    _save(visit, "user", USER, "userId")


def save_insurance(visit: Visit) -> None:
    """`saveBhfInsurance`."""
    _save(visit, "insurance", INSURANCE, "isrccCd")


def find_customer(visit: Visit) -> Found:
    """`selectCustomer`: a taxpayer by PIN."""
    pin = visit.body.get("custmTin")
    if not pin:
        raise missing("custmTin")
    taxpayer = visit.world.taxpayers.get(str(pin))
    if taxpayer is None:
        return Found("custList", [])
    row = {"tin": taxpayer.tin, "taxprNm": taxpayer.name, "taxprSttsCd": taxpayer.status}
    return Found("custList", [row | _ADDRESS])


def branch_list(visit: Visit) -> Found:
    """`selectBhfList`: the branches of the PIN."""
    if last_request(visit) >= MADE:
        return Found("bhfList", [])
    rows = [
        {
            "tin": unit.tin, "bhfId": unit.bhf_id, "bhfNm": unit.name, "bhfSttsCd": "01",
            **_ADDRESS, "mgrNm": "Manager", "mgrTelNo": "0712000001",
            "mgrEmail": "manager@example.co.ke", "hqYn": "Y" if unit.bhf_id == "00" else "N",
        }
        for unit in visit.world.units.values()
        if unit.tin == visit.unit.tin
    ]  # fmt: skip
    return Found("bhfList", rows)


def notices(visit: Visit) -> Found:
    """`selectNoticeList`."""
    return Found("noticeList", newer(visit.world.notices, last_request(visit)))


def _save(visit: Visit, kind: str, wanted: tuple[Field, ...], key: str) -> None:
    check(visit.body, wanted)
    commit(
        visit.world, "person", **visit.where, list=kind, key=str(visit.body[key]), body=visit.text
    )
