"""JSON whose numbers keep their digits, the digest of a body, and KRA's forms of time."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

# Section 2 [3+]: Nairobi wall time, no summer time.
NAIROBI = timezone(timedelta(hours=3), "EAT")
# A private-use character that no text of the wire has; around digits it marks a bare number.
_MARK = "\ue000"
_MARKED = re.compile(r'"\\ue000(-?[0-9]+(?:\.[0-9]+)?)\\ue000"')


def read(body: bytes | str) -> Any:
    """Parsed JSON with Decimal for every fraction; raises ValueError."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def dump(body: Any) -> bytes:
    """The body as JSON; Decimals are numbers with their digits."""
    return _MARKED.sub(r"\1", json.dumps(body, default=_number)).encode()


def digest(body: Mapping[str, Any]) -> str:
    """SHA-256 of the body without its key: names sorted, numbers without needless zeros."""
    return hashlib.sha256(canonical(body).encode()).hexdigest()


def canonical(body: Mapping[str, Any]) -> str:
    """One text for bodies that say the same; `cmcKey` is left out."""
    kept = {name: value for name, value in body.items() if name != "cmcKey"}
    return json.dumps(_plain(kept), sort_keys=True, separators=(",", ":"))


def wire_time(moment: datetime) -> str:
    """`yyyyMMddHHmmss` (section 2 [3+])."""
    return f"{moment.astimezone(NAIROBI):%Y%m%d%H%M%S}"


def read_time(stamp: str) -> datetime:
    """The moment of 14 digits; raises ValueError."""
    return datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=NAIROBI)


def feed_time(moment: datetime) -> str:
    """`yyyy-MM-dd HH:mm:ss`, as the purchase feed has it (section 2 [2])."""
    return f"{moment.astimezone(NAIROBI):%Y-%m-%d %H:%M:%S}"


def detail_time(moment: datetime) -> str:
    """`yyyy-MM-dd HH:mm:ss.ffffff`, as `selectInvoiceDetails` has it (section 2 [1])."""
    return f"{moment.astimezone(NAIROBI):%Y-%m-%d %H:%M:%S.%f}"


def money(value: Decimal) -> str:
    """Two decimals, for texts."""
    return f"{value:.2f}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        text = format(Decimal(value), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    return value


def _number(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{_MARK}{value:f}{_MARK}"
    raise TypeError(type(value).__name__)


def _refuse(name: str) -> None:
    raise ValueError(name)
