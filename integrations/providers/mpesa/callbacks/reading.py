"""What all parsers share: JSON, texts fit for the database, amounts, times, receipts."""

from __future__ import annotations

import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Any

from integrations.exceptions import InvalidInput
from integrations.money import parse_amount
from integrations.providers.mpesa.payloads import NAIROBI, clean_text
from integrations.providers.mpesa.payloads.common import RECEIPT

# Both forms of section 18, and those of the pull rows (section 16): all in East Africa Time
# unless they name another zone.
_FORMS = ("%Y%m%d%H%M%S", "%d.%m.%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S")
_YEARS = range(2000, 2100)
_BASIC_AMOUNT = re.compile(r"BasicAmount\s*=\s*(-?[0-9]{1,12}(?:\.[0-9]{1,4})?)")
_CENTS = re.compile(r"MinimumAmount\s*=\s*(-?[0-9]{1,14})(?![0-9.])")


def decode_json(body: bytes) -> dict[str, Any]:
    """The body as an object, numbers kept exact; raises InvalidInput for anything else."""
    data = decode_any(body)
    if not isinstance(data, dict):
        raise InvalidInput("body", "is not a JSON object.", code="malformed")
    return data


def decode_any(body: bytes) -> Any:
    """The body as any JSON value, numbers kept exact; raises InvalidInput where it is none."""
    try:
        # A name in another encoding must not cost the whole callback: Daraja sends it once.
        text = body.decode(json.detect_encoding(body), "replace")
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, ArithmeticError, RecursionError):
        raise InvalidInput("body", "is not JSON.", code="malformed") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def scalar(value: object, limit: int) -> str:
    """A text or number as cleaned text, "" for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return ""
    try:
        return clean_text(value, limit)
    except ValueError:  # an integer of thousands of digits
        return ""


def read_amount(value: object, name: str) -> Decimal | None:
    """An amount, None where there is none; raises InvalidInput naming the field."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return parse_amount(value, name)


def read_balance(value: object) -> Decimal | None:
    """What an account holds, in any of its shapes; None where it can't be read.

    A number, text, `name|KES|current|…` or
    `{Amount={CurrencyCode=KES, MinimumAmount=618683, BasicAmount=6186.83}}`, whose MinimumAmount
    is in cents (section 10).
    """
    text = scalar(value, 400)
    basic = _BASIC_AMOUNT.search(text)
    cents = _CENTS.search(text)
    if basic:
        text = basic.group(1)
    elif cents:
        return Decimal(cents.group(1)) / 100
    elif "|" in text:
        parts = text.split("|")
        text = parts[2] if len(parts) > 2 else ""
    try:
        return read_amount(text, "balance")
    except InvalidInput:
        return None


def read_moment(value: object) -> datetime | None:
    """An aware instant, None where the text is none of the documented forms."""
    text = scalar(value, 40)
    for form in _FORMS:
        try:
            moment = datetime.strptime(text, form).replace(tzinfo=NAIROBI)
        except ValueError:
            continue
        return moment if moment.year in _YEARS else None
    return _iso_moment(text)


def _iso_moment(text: str) -> datetime | None:
    if "T" not in text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=NAIROBI)
    return moment if moment.year in _YEARS else None


def read_receipt(value: object, name: str) -> str:
    """A receipt number in capitals, as M-Pesa writes it and as it is compared, "" where there is
    none; raises InvalidInput naming the field."""
    if value is None:
        return ""
    text = str(value).strip()[:200] if isinstance(value, str | int) else "?"
    if text and not RECEIPT.fullmatch(text):
        raise InvalidInput(name, "is no receipt number.", code="malformed")
    return text.upper()
