"""How numbers, times and signatures are written on receipts."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from decimal import Decimal

from integrations.providers.kra.payloads.times import NAIROBI

# Controls, direction marks, halves of pairs, private and unassigned places.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def money(amount: Decimal) -> str:
    """ "1,234.50"; below zero with a minus."""
    return f"{amount:,.2f}"


def quantity(amount: Decimal) -> str:
    """Without needless zeros: "2", "0.5"."""
    text = f"{amount:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def rate(percent: Decimal) -> str:
    """ "16%", "7.5%"."""
    return f"{quantity(percent)}%"


def day(moment: datetime) -> str:
    """The day in Nairobi, as ISO writes it."""
    return f"{moment.astimezone(NAIROBI):%Y-%m-%d}"


def clock(moment: datetime) -> str:
    """The time in Nairobi."""
    return f"{moment.astimezone(NAIROBI):%H:%M:%S}"


def dashed(text: str) -> str:
    """With a dash after every fourth character (reference, section 9)."""
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def printable(text: str) -> str:
    """One line of text with letters and accents joined, and nothing that steers a printer."""
    joined = unicodedata.normalize("NFC", text)
    kept = (
        " " if each.isspace() else each
        for each in joined
        if each.isspace() or unicodedata.category(each) not in _UNPRINTABLE
    )
    return " ".join("".join(kept).split())
