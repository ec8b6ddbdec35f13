"""Kenya shillings as whole cents, in and out of the texts that the wire carries."""

from __future__ import annotations

import re

_AMOUNT = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,2}))?")


def cents_of(text: str) -> int | None:
    """The cents of an amount such as 150, 150.5 or 150.00; None where it is none."""
    match = _AMOUNT.fullmatch(text)
    if match is None:
        return None
    return int(match[1]) * 100 + int((match[2] or "0").ljust(2, "0"))


def kes(cents: int) -> str:
    """Cents as shillings with two decimals: -1500 is "-15.00"."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"
