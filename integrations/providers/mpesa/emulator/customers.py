"""The customers: a name for every phone, and the ways a phone is shown or hidden."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

_FIRST = ("JANE", "PETER", "MARY", "JOHN", "AMINA", "KEVIN", "GRACE", "BRIAN", "FAITH", "ALI")
_LAST = ("WANJIKU", "OTIENO", "MWANGI", "ACHIENG", "HASSAN", "KIPTOO", "NJERI", "MUTUA", "KAMAU")

# section 8 [3+]: masked in two ways, or hashed.
MSISDN_FORMS: dict[str, Callable[[str], str]] = {
    "masked": lambda phone: f"{phone[:4]} ***** {phone[-3:]}",
    "masked_tight": lambda phone: f"{phone[:5]}****{phone[-3:]}",
    "hashed": lambda phone: hashlib.sha256(phone.encode()).hexdigest(),
    "plain": str,
}


def name_of(phone: str) -> tuple[str, str]:
    """First and last name; the same for a phone at every time."""
    number = int(hashlib.sha256(phone.encode()).hexdigest()[:8], 16)
    return _FIRST[number % len(_FIRST)], _LAST[number // 16 % len(_LAST)]


def full_name(phone: str) -> str:
    """First and last name in one text."""
    return " ".join(name_of(phone))
