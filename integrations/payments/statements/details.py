"""What the free text of a statement line tells: charge or payment, who, and for which account.

The texts are M-Pesa's own and not documented; what is not recognised is left empty, and never
decides alone. A payer can write into them (the account), so a word of theirs makes no charge.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from integrations.models import LineKind

_CHARGE = re.compile(r"\b(?:charges?|fees?|tariff|excise|duty)\b", re.IGNORECASE)
# Everything from here on is told by a person: a name, an account.
_OTHERS_WORDS = re.compile(r"\b(?:from|to|by|acc|account)\b| - |:", re.IGNORECASE)
_ACCOUNT = re.compile(r"\bAcc(?:ount)?\b[. :]*(?:No\.?|Number)?[. :]*(.{1,64})$", re.IGNORECASE)
_PARTY = re.compile(
    r"\b(?:from|to)\s+((?:\+?254|0)?[\d*]{3,}[\d* ]*\d(?:\s+-\s+[^.]{1,100}?)?)"
    r"(?=\s+Acc\b|\s+via\b|[.,]|$)",
    re.IGNORECASE,
)
_CONVERSATION = re.compile(
    r"original\s+conversation\s+id\s*(?:is|:)?\s*([\w.-]{6,100}?)\.?(?=\s|$)", re.IGNORECASE
)
_ORIGINAL = re.compile(
    r"original\s+(?:transaction|receipt)(?:\s+(?:id|no\.?|number))?\s*(?:is|:)?\s*([A-Za-z0-9]{8,12})\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Told:
    """What the texts of a line say; each "" where they don't."""

    kind: LineKind
    party: str
    reference: str
    linked: str


def read_details(details: str, *, reason: str = "", party: str = "", account: str = "",
                 linked: str = "") -> Told:  # fmt: skip
    """Columns of their own win over what the details say."""
    return Told(
        kind=_kind(details, reason),
        party=party or _found(_PARTY, details),
        reference=account or _found(_ACCOUNT, details),
        linked=linked or _found(_CONVERSATION, details) or _found(_ORIGINAL, details),
    )


def _kind(details: str, reason: str) -> LineKind:
    own_words = _OTHERS_WORDS.split(details, maxsplit=1)[0]
    is_charge = _CHARGE.search(reason) or _CHARGE.search(own_words)
    return LineKind.CHARGE if is_charge else LineKind.PAYMENT


def _found(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match.group(1).strip() if match else ""
