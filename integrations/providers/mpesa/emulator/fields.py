"""How fields are read, and the rules of STK push and STK query (sections 1, 4, 5 and 21)."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from integrations.providers.emulation import Request
from integrations.providers.mpesa.emulator.identifiers import EAT

MAXIMUM_AMOUNT = 250_000  # KES per transaction (section 1 [3+])
# section 8 [3+]: words that must not be in a URL; for STK not enforced consistently.
FORBIDDEN_WORDS = ("mpesa", "m-pesa", "safaricom", "exe", "exec", "cmd", "sql", "query")

_SHORTCODE = re.compile(r"[0-9]{5,7}")
_MSISDN = re.compile(r"254[71][0-9]{8}")
_WHOLE = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Rules:
    """What the rules depend on: the emulator's time and its settings."""

    now: datetime
    tolerance: float | None  # seconds a Timestamp may be away from now; None: any
    is_strict: bool


class FieldError(Exception):
    """A field is missing or malformed; the text is the field's name."""


class PayloadError(Exception):
    """The body is no JSON object at all."""


Check = Callable[[str, Rules], bool]


def read_fields(
    request: Request,
    names: tuple[str, ...],
    rules: Rules,
    *,
    optional: frozenset[str],
    checks: Mapping[str, Check] | None = None,
) -> dict[str, str]:
    """The named fields as text, checked in order; raises FieldError or PayloadError.

    `checks` are those of the operation; without any, those of STK.
    """
    checks = _CHECKS if checks is None else checks
    if "application/json" not in request.headers.get("content-type", "").lower():
        raise FieldError(names[0])  # section 1 [1 portal]: the misleading error of a wrong type
    body = _parse(request.body)
    fields: dict[str, str] = {}
    for name in names:
        if name in optional and body.get(name) in (None, ""):
            continue
        text = _scalar(body, name)
        if not checks[name](text, rules):
            raise FieldError(name)
        fields[name] = text
    return fields


def read_phone(body: bytes, name: str = "PhoneNumber") -> str:
    """The phone that a body names, or nothing: for the matching of faults before any check."""
    try:
        return str(_parse(body).get(name, ""))
    except PayloadError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _parse(body: bytes) -> Mapping[str, Any]:
    try:
        parsed = json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise PayloadError from None
    if not isinstance(parsed, dict):
        raise PayloadError
    return parsed


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _scalar(body: Mapping[str, Any], name: str) -> str:
    # section 4 [2]: numbers and strings work alike.
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise FieldError(name)
    text = str(value)
    if not text:
        raise FieldError(name)
    return text


def is_shortcode(text: str, _rules: Rules) -> bool:
    """Whether it is 5 to 7 digits."""
    return _SHORTCODE.fullmatch(text) is not None  # section 4 [3+]: 5-7 digits


def _is_timestamp(text: str, rules: Rules) -> bool:
    # section 4 [3+]: YYYYMMDDHHmmss in EAT.
    if re.fullmatch(r"[0-9]{14}", text) is None:
        return False
    try:
        moment = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=EAT)
    except ValueError:
        return False
    if rules.tolerance is None:
        return True
    return abs(moment - rules.now) <= timedelta(seconds=rules.tolerance)


def _is_transaction_type(text: str, _rules: Rules) -> bool:
    return text in {"CustomerPayBillOnline", "CustomerBuyGoodsOnline"}  # section 4 [3+]


def _is_amount(text: str, _rules: Rules) -> bool:
    # section 4 [3+]: whole KES from 1 to 250,000; decimals are rejected.
    return _WHOLE.fullmatch(text) is not None and 1 <= int(text) <= MAXIMUM_AMOUNT


def is_msisdn(text: str, _rules: Rules) -> bool:
    """Whether it is a Kenyan mobile number in the wire's form."""
    return _MSISDN.fullmatch(text) is not None  # section 1 [3+]


def is_callback_url(text: str, rules: Rules) -> bool:
    """Whether Daraja would call this address."""
    # section 4 [3+]: public HTTPS, no spaces. Plain HTTP to this machine is the sandbox's own.
    if any(character.isspace() for character in text):
        return False
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return False
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))):
        return False
    if not rules.is_strict:
        return True
    # section 4 [obs]: capitals in the host are suspected; section 8: forbidden words.
    has_capitals = parts.netloc != parts.netloc.lower()
    return not has_capitals and not any(word in text.lower() for word in FORBIDDEN_WORDS)


def limit(length: int) -> Check:
    """A check that refuses longer texts, in strict mode alone."""
    # section 21: length limits only in strict mode.
    return lambda text, rules: not rules.is_strict or len(text) <= length


def is_present(_text: str, _rules: Rules) -> bool:
    """Whether it is there at all, which was judged before."""
    return True


_CHECKS: dict[str, Check] = {
    "BusinessShortCode": is_shortcode,
    "Password": is_present,
    "Timestamp": _is_timestamp,
    "TransactionType": _is_transaction_type,
    "Amount": _is_amount,
    "PartyA": is_msisdn,
    "PartyB": is_shortcode,
    "PhoneNumber": is_msisdn,
    "CallBackURL": is_callback_url,
    "AccountReference": limit(12),
    "TransactionDesc": limit(13),
    "CheckoutRequestID": is_present,
}
