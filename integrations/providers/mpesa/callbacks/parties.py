"""Who paid or was paid, as M-Pesa tells it: number and name, mostly hidden.

Source: Daraja reference, sections 8, 9 and 11.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass

from integrations.exceptions import InvalidInput
from integrations.phone import kenyan_msisdn
from integrations.providers.mpesa.callbacks.reading import scalar

_PARTY = re.compile(r"\s*(\+?[0-9*][0-9* ]*?)\s*-\s*(.*)", re.DOTALL)
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_MASKED = re.compile(r"(\+?[0-9]*)(\*+)([0-9]*)")
_LENGTH = 12
# So many of the nine national digits must be shown for a masked number to speak for a phone.
_ENOUGH = 4


@dataclass(frozen=True, slots=True)
class Party:
    """A number (phone, till or short code; "" where none was told) and a name."""

    number: str = ""
    name: str = ""


NOBODY = Party()


def split_party(value: object) -> Party:
    """ "2547… - NAME" as number and name; a text without a number is a name."""
    text = scalar(value, 300)
    found = _PARTY.fullmatch(text)
    if found:
        return Party(found.group(1)[:80], " ".join(found.group(2).split())[:120])
    if re.fullmatch(r"\+?[0-9*][0-9* ]*", text):
        return Party(text[:80])
    return Party(name=" ".join(text.split())[:120])


def msisdn_matches(told: object, phone: object) -> bool | None:
    """Whether what M-Pesa told of a number can be this Kenyan mobile.

    Reads plain numbers, masks such as "2547 ***** 001" and "25470****149", and SHA-256 digests
    of the 254, +254 and 07 forms. True for a mask says that all shown digits fit, not that it
    is certain. None where nothing can be said: no number, too few digits shown, or a `phone`
    that is no Kenyan mobile.
    """
    text = re.sub(r"[\s\-]", "", scalar(told, 120))
    try:
        own = kenyan_msisdn(phone)
    except InvalidInput:
        return None
    if _DIGEST.fullmatch(text):
        return _matches_digest(text.lower(), own)
    masked = _MASKED.fullmatch(text)
    if masked:
        return _matches_mask(masked.group(1), len(masked.group(2)), masked.group(3), own)
    try:
        return hmac.compare_digest(kenyan_msisdn(text), own)
    except InvalidInput:
        return None


def _matches_digest(told: str, own: str) -> bool:
    """Every form is compared, each in constant time."""
    forms = (own, f"+{own}", f"0{own[3:]}")
    digests = [hashlib.sha256(form.encode()).hexdigest() for form in forms]
    return sum(hmac.compare_digest(told, digest) for digest in digests) > 0


def _matches_mask(head: str, hidden: int, tail: str, own: str) -> bool | None:
    """Shown digits against the number; how many stars stand for the others is not trusted."""
    head = head.removeprefix("+")
    if head.startswith("0"):
        head = "254" + head[1:]
    if len(head) + len(tail) > _LENGTH or (hidden and len(head) + len(tail) == _LENGTH):
        return None
    if not (own.startswith(head) and own.endswith(tail)):
        return False
    shown = max(len(head) - 3, 0) + min(len(tail), 9)
    return True if shown >= _ENOUGH else None
