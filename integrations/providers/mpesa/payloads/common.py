"""What the payloads of all products share: times, texts, and checks that name the field."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput
from integrations.money import parse_money

NAIROBI = ZoneInfo("Africa/Nairobi")
REMARKS_LENGTH = (2, 100)
OCCASION_LENGTH = 100
# A receipt has 10 characters (section 4); the tolerance is wider on purpose.
RECEIPT = re.compile(r"[A-Za-z0-9]{6,40}")


class IdentifierType(StrEnum):
    """What kind of number a party is (sections 10, 11 and 13)."""

    PHONE = "1"
    TILL = "2"
    SHORT_CODE = "4"
    # Reversals name the organisation by this one; the older clients' 4 is not sent.
    REVERSAL = "11"


def timestamp_at(moment: datetime) -> str:
    """YYYYMMDDHHmmss in East Africa Time."""
    return moment.astimezone(NAIROBI).strftime("%Y%m%d%H%M%S")


def clean_text(value: object, limit: int) -> str:
    """A provider's text as both databases can store it: no NUL, no lone surrogates, cut."""
    text = str(value).replace("\x00", "").encode("utf-8", "replace").decode()
    return text.strip()[:limit]


def whole_kes(amount: object) -> int:
    """A positive amount without cents, as M-Pesa carries it; raises InvalidInput."""
    return parse_money(amount).whole_units()


def check_range(whole: int, minimum: int, maximum: int) -> int:
    """The amount, or InvalidInput where it is outside this row's limits."""
    if not minimum <= whole <= maximum:
        raise InvalidInput(
            "amount",
            f"KES {whole:,} is outside the limits KES {minimum:,} to {maximum:,}.",
            code="amount_out_of_range",
        )
    return whole


def check_remarks(value: object) -> str:
    """Remarks of 2 to 100 printable characters (sections 9 and 13); raises InvalidInput."""
    shortest, longest = REMARKS_LENGTH
    return _check_text("remarks", value, shortest, longest, code="invalid_remarks")


def check_occasion(value: object) -> str:
    """An occasion of 1 to 100 printable characters, or "" for none; raises InvalidInput."""
    if value is None or value == "":
        return ""
    return _check_text("occasion", value, 1, OCCASION_LENGTH, code="invalid_occasion")


def _check_text(field: str, value: object, shortest: int, longest: int, *, code: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(field, "must be text.", code=code)
    text = value.strip()
    if not shortest <= len(text) <= longest:
        raise InvalidInput(
            field,
            f"has {len(text)} characters; M-Pesa takes {shortest} to {longest}.",
            code=code,
        )
    if not text.isprintable():
        raise InvalidInput(field, "has control characters or line breaks.", code=code)
    return text


def check_receipt(value: object, field: str = "receipt") -> str:
    """A receipt number in capitals, as M-Pesa writes it; raises InvalidInput."""
    text = value.strip() if isinstance(value, str) else ""
    if not RECEIPT.fullmatch(text):
        raise InvalidInput(
            field,
            "is no M-Pesa receipt number: letters and digits such as UAE4X7K2QP.",
            code="invalid_receipt",
        )
    return text.upper()


def party_type(config: Snapshot, number: str) -> IdentifierType:
    """How one of the business's own numbers is named: as its till, else as a short code."""
    is_till = bool(number) and number == str(config.values["till_number"] or "")
    return IdentifierType.TILL if is_till else IdentifierType.SHORT_CODE
