"""The STK callback in our words. Source: Daraja reference, section 6."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from integrations.exceptions import InvalidInput
from integrations.providers.mpesa.callbacks.reading import (
    decode_json,
    read_amount,
    read_moment,
    read_receipt,
    scalar,
)
from integrations.providers.mpesa.payloads import clean_text

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
        amount=read_amount(items.get("Amount"), "Amount"),
        receipt=read_receipt(items.get("MpesaReceiptNumber"), "MpesaReceiptNumber"),
        phone=clean_text(items.get("PhoneNumber") or "", 64),
        paid_at=read_moment(items.get("TransactionDate")),
    )


def _text(data: dict[str, Any], key: str, *, required: bool = True, limit: int = 100) -> str:
    text = scalar(data.get(key), limit)
    if required and not text:
        raise InvalidInput(f"Body.stkCallback.{key}", "is missing.", code="incomplete")
    return text


def _checkout_id(data: dict[str, Any]) -> str:
    text = _text(data, "CheckoutRequestID", limit=200)
    if not _ID.fullmatch(text):
        raise InvalidInput("Body.stkCallback.CheckoutRequestID", "is no id.", code="malformed")
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
