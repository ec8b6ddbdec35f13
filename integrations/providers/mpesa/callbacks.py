"""The STK callback in our words. Source: Daraja reference, section 6."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from integrations.exceptions import InvalidInput
from integrations.money import parse_amount
from integrations.providers.mpesa.payloads import NAIROBI, clean_text

# A receipt is 10 characters; the tolerance is wider on purpose.
_RECEIPT = re.compile(r"[A-Za-z0-9]{6,40}")
# Never parsed (section 4), only kept within what a column holds.
_ID = re.compile(r"[\x21-\x7e]{1,100}")


@dataclass(frozen=True, slots=True)
class StkCallback:
    """One STK result. `amount`, `receipt` and `paid_at` are set on success only."""

    merchant_request_id: str
    checkout_id: str
    result_code: str
    result_text: str
    amount: Decimal | None = None
    receipt: str = ""
    phone: str = ""
    paid_at: datetime | None = None


def decode_json(body: bytes) -> dict[str, Any]:
    """The body as an object, numbers kept exact; raises InvalidInput for anything else."""
    try:
        # A name in another encoding must not cost the whole callback: Daraja sends it once.
        text = body.decode(json.detect_encoding(body), "replace")
        data = json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, ArithmeticError, RecursionError):
        raise InvalidInput("body", "is not JSON.", code="malformed") from None
    if not isinstance(data, dict):
        raise InvalidInput("body", "is not a JSON object.", code="malformed")
    return data


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def parse_stk(body: bytes) -> StkCallback:
    """The callback of a body; raises InvalidInput naming the part that is missing or wrong.

    Items are read by name, never by position; unknown items are ignored; `Balance` in any of
    its shapes does not matter.
    """
    data = decode_json(body)
    outer = data.get("Body")
    inner = outer.get("stkCallback") if isinstance(outer, dict) else None
    if not isinstance(inner, dict):
        raise InvalidInput("Body.stkCallback", "is missing.", code="not_an_stk_callback")
    items = _items(inner.get("CallbackMetadata"))
    return StkCallback(
        merchant_request_id=_text(inner, "MerchantRequestID", required=False),
        checkout_id=_checkout_id(inner),
        result_code=_text(inner, "ResultCode"),
        result_text=_text(inner, "ResultDesc", required=False, limit=300),
        amount=_amount(items.get("Amount")),
        receipt=_receipt(items.get("MpesaReceiptNumber")),
        phone=clean_text(items.get("PhoneNumber") or "", 64),
        paid_at=_moment(items.get("TransactionDate")),
    )


def _text(data: dict[str, Any], key: str, *, required: bool = True, limit: int = 100) -> str:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        value = ""
    text = clean_text(value, limit)
    if required and not text:
        raise InvalidInput(f"Body.stkCallback.{key}", "is missing.", code="incomplete")
    return text


def _checkout_id(data: dict[str, Any]) -> str:
    text = _text(data, "CheckoutRequestID", limit=200)
    if not _ID.fullmatch(text):
        raise InvalidInput("Body.stkCallback.CheckoutRequestID", "is no id.", code="malformed")
    return text


def _receipt(value: object) -> str:
    text = str(value or "").strip()
    if text and not _RECEIPT.fullmatch(text):
        raise InvalidInput("MpesaReceiptNumber", "is no receipt number.", code="malformed")
    return text


def _items(metadata: object) -> dict[str, Any]:
    found = metadata.get("Item") if isinstance(metadata, dict) else None
    rows = [found] if isinstance(found, dict) else found
    if not isinstance(rows, list):
        return {}
    return {
        str(row["Name"]): row.get("Value")
        for row in rows
        if isinstance(row, dict) and "Name" in row
    }


def _amount(value: object) -> Decimal | None:
    if value is None:
        return None
    return parse_amount(value, "Amount")


def _moment(value: object) -> datetime | None:
    try:
        return datetime.strptime(str(value), "%Y%m%d%H%M%S").replace(tzinfo=NAIROBI)
    except ValueError:
        return None
