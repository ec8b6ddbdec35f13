"""A customer's own payment, to be validated or confirmed. Source: Daraja reference, section 8."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from integrations.exceptions import InvalidInput
from integrations.money import parse_money
from integrations.providers.mpesa.callbacks.reading import (
    decode_json,
    read_balance,
    read_moment,
    read_receipt,
    scalar,
)


@dataclass(frozen=True, slots=True)
class C2BTransaction:
    """One payment as M-Pesa tells it, in both callbacks alike.

    `bill_ref` is what the payer typed: any text at all. `msisdn` is a masked number or a digest
    of it, seldom a number: compare it with `msisdn_matches`. `balance` is that of the account
    afterwards, None in a validation. `kind` is M-Pesa's own text ("Pay Bill", "Buy Goods"…).
    """

    kind: str
    receipt: str
    at: datetime | None
    amount: Decimal
    short_code: str
    bill_ref: str = ""
    msisdn: str = ""
    name: str = ""
    invoice: str = ""
    third_party_id: str = ""
    balance: Decimal | None = None


def parse_c2b(body: bytes) -> C2BTransaction:
    """The transaction of a body; raises InvalidInput naming the part that is missing or wrong."""
    data = decode_json(body)
    receipt = read_receipt(data.get("TransID"), "TransID")
    short_code = scalar(data.get("BusinessShortCode"), 20)
    for name, text in (("TransID", receipt), ("BusinessShortCode", short_code)):
        if not text:
            raise InvalidInput(name, "is missing.", code="incomplete")
    return C2BTransaction(
        kind=scalar(data.get("TransactionType"), 40),
        receipt=receipt,
        at=read_moment(data.get("TransTime")),
        amount=parse_money(data.get("TransAmount"), field="TransAmount").amount,
        short_code=short_code,
        bill_ref=scalar(data.get("BillRefNumber"), 64),
        msisdn=scalar(data.get("MSISDN"), 80),
        name=_name(data),
        invoice=scalar(data.get("InvoiceNumber"), 64),
        third_party_id=scalar(data.get("ThirdPartyTransID"), 64),
        balance=read_balance(data.get("OrgAccountBalance")),
    )


def _name(data: dict[str, Any]) -> str:
    parts = [scalar(data.get(part), 120) for part in ("FirstName", "MiddleName", "LastName")]
    return " ".join(" ".join(parts).split())[:120]
