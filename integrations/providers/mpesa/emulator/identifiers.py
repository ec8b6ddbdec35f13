"""Identifiers and times in Daraja's forms (reference, sections 2, 3 and 4)."""

from __future__ import annotations

import secrets
import string
from datetime import datetime, timedelta, timezone

# section 4 [3+]: every wire time is East Africa Time, which has no summer time.
EAT = timezone(timedelta(hours=3), "EAT")
_UPPER_ALPHANUMERIC = string.ascii_uppercase + string.digits
_ALPHANUMERIC = string.ascii_letters + string.digits


def new_token() -> str:
    """28 opaque characters (section 2 [3+])."""
    return _random_text(_ALPHANUMERIC, 28)


def new_request_id() -> str:
    """The newer form of requestId: four hex groups, then seven digits (section 3 [3+])."""
    return _hex_groups(7)


def new_merchant_request_id() -> str:
    """The newer form of MerchantRequestID: hex groups, then 4-7 digits (section 4 [derived])."""
    return _hex_groups(4 + secrets.randbelow(4))


def new_checkout_request_id(now: datetime, phone: str, *, shift: int = 0) -> str:
    """`ws_CO_`, time in EAT, milliseconds, the payer's last nine digits (section 4 [derived]).

    `shift` moves the milliseconds where two prompts to one phone share a moment.
    """
    milliseconds = (now.microsecond // 1000 + shift) % 1000
    return f"ws_CO_{now.astimezone(EAT):%d%m%Y%H%M%S}{milliseconds}{phone[-9:]}"


def new_conversation_id(now: datetime) -> str:
    """`AG_`, the day in EAT, 20 hex digits (section 4 [derived])."""
    return f"AG_{now.astimezone(EAT):%Y%m%d}_{secrets.token_hex(10)}"


def new_receipt(now: datetime) -> str:
    """Ten characters that begin with year, month and day letters (section 4 [derived])."""
    local = now.astimezone(EAT)
    letters = string.ascii_uppercase
    year = letters[(letters.index("S") + local.year - 2024) % 26]
    day = str(local.day) if local.day < 10 else letters[local.day - 10]
    return f"{year}{letters[local.month - 1]}{day}{_random_text(_UPPER_ALPHANUMERIC, 7)}"


def wire_time(moment: datetime) -> str:
    """`YYYYMMDDHHmmss` in EAT (section 4 [3+])."""
    return f"{moment.astimezone(EAT):%Y%m%d%H%M%S}"


def _hex_groups(digits: int) -> str:
    groups = "-".join(secrets.token_hex(2) for _ in range(3))
    tail = _random_text(string.digits, digits)
    return f"{groups}-{secrets.token_hex(6)}{tail}"


def _random_text(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))
