"""Texts of the gateway that say more than its code. Source: eTIMS reference, 5 to 8.

The gateway refuses with HTTP 400 and a text; most of them name the field. They are compared
without case, only their steady parts, and only as whole words: a refusal that speaks of a
quotation is not about a quota.
"""

from __future__ import annotations

import re
from dataclasses import replace

from integrations.providers.kra.codes.words import Kind, Meaning

_AGAIN = "Correct the document and submit it again."
_SETTINGS = "Check PIN, branch and communication key in the KRA settings."

TOKEN_REFUSED = Meaning(
    "401",
    Kind.CREDENTIALS,
    "KRA's gateway refused the access token twice.",
    "Check the client id and secret, and that they belong to the environment.",
)
_COMPARE = "Compare the branch's book with KRA's before anything else is sent."
_NUMBERS = (
    (r"invalid\s+invcno\s+sequence", "The KRA number of this document is not the next one.",
     _COMPARE),
    (r"invalid\s+sarno\s+sequence", "The KRA number of this stock movement is not the next one.",
     _COMPARE),
    (r"invalid\s+itemcd\s+sequence", "The item code does not end with the next running number.",
     "Give the item a code that ends with it."),
)  # fmt: skip
_EXPECTED = re.compile(r"expected[^:0-9]*:?[^0-9]*?(\d{1,18})", re.I)
_ENDING = re.compile(r"ending\s+with\s*:?\s*\S*?(\d{1,18})\b", re.I)

# What the gateway's own limits say (its "SpikeArrestViolation" and "QuotaViolation" too).
THROTTLED = r"spike\s*arrest(?:\s*violation)?|quota(?:\s*violation|\s+(?:limit|exceeded))"
# Pattern, kind, cause, next step; the first that fits holds.
_TEXTS: tuple[tuple[str, Kind, str, str], ...] = (
    ((r"access token|invalid token|token (?:is )?expired"
     r"|unauthori[sz]ed (?:access|call|client|request)"), Kind.CREDENTIALS,
     TOKEN_REFUSED.cause, TOKEN_REFUSED.next_step),
    (r"invalid api ?key|invalid_client|invalid client (?:id|identifier|credentials)",
     Kind.CREDENTIALS, "KRA's gateway does not know the app's client id or secret.",
     TOKEN_REFUSED.next_step),
    (r"no apiproduct match|api product mismatch", Kind.DEVICE,
     "KRA's gateway does not let this app use the product.",
     "Subscribe the app to it on the developer portal, or enter the product's own key and secret."),
    (r"overlapped data", Kind.DUPLICATE, "KRA has this already.",
     "What KRA has under this number is looked up."),
    (THROTTLED, Kind.BUSY, "KRA's gateway was asked too often.",
     "Calls are slowed down; wait a while."),
    (r"invalid\s+taxblamt[a-e]?", Kind.REFUSED,
     "KRA computes another taxable amount for a line.",
     "Choose the other amount profile in the KRA settings, or correct the line; submit it again."),
    (r"taxrt[a-e]?|tax rate mismatch", Kind.REFUSED, "KRA has another rate for a tax type.",
     "Read the code lists again, or enter the rate in the KRA settings, and submit it again."),
    (r"do(?:es)? not exist in your stock", Kind.REFUSED,
     "KRA has no stock of an item on this document.",
     "Report the goods to KRA's stock first, then submit it again."),
    (r"stock io is empty", Kind.REFUSED, "KRA knows no movement of this item's stock.",
     "Report the stock movement first, then the stock on hand."),
    (r"orginvcno\s+does not exist", Kind.REFUSED,
     "KRA does not know the invoice that this note credits.",
     "Check that the original is signed under this PIN and branch."),
    (r"missing\s+tin|tin\s+cannot be null", Kind.DEVICE,
     "KRA misses the PIN of the call.", _SETTINGS),
    (r"did not return a unique result", Kind.DEVICE,
     "KRA has this device more than once, after repeated initialisations.",
     "Ask KRA's support to remove the duplicates; don't initialise again."),
    (r"missing\s+rfddt", Kind.REFUSED, "KRA misses the date of the credit note.", _AGAIN),
    (r"invalid\s+rfdrsncd", Kind.REFUSED, "KRA does not take the reason of the credit note.",
     "Use a reason of KRA's list, and submit it again."),
    (r"incorrect\s+qtyunitcd\s+prefix", Kind.REFUSED,
     "KRA wants a quantity unit of two letters in the item code.",
     "Use a unit such as NO, and give the item a new code."),
    (r"unable to identify proxy", Kind.DEVICE, "KRA's gateway has no such address.",
     "Check transport, host and paths in the KRA settings."),
    (r"custnm|custtin|customer (?:name|pin)", Kind.REFUSED,
     "KRA refused the customer's name or PIN.",
     "Use exactly those of the original on a credit note, and submit it again."),
)  # fmt: skip


# The gateway sends no result code with a refusal; these are the codes' own texts, also in the
# words of the sister specification.
_STANDARD = (
    (r"no header information", "900"),
    (r"not (?:a )?valid device|invalid device|device not found", "901"),
    (r"device (?:is|was|has been) (?:already )?(?:installed|initiali[sz]ed)", "902"),
    (r"device already (?:installed|initiali[sz]ed)", "902"),
    (r"only vsdc device", "903"),
    (r"only oscu device", "905"),
    (r"not in (?:the|its) code list|error in the code value", "913"),
    (r"declared sales data cannot be received", "921"),
    (r"after receiving the sales data", "922"),
    (r"maximum number of views", "990"),
    (r"error during registration", "991"),
    (r"error during modification", "992"),
    (r"error during deletion", "993"),
    (r"overlapped", "994"),
    (r"no downloaded file", "995"),
    (r"unknown error", "999"),
)


def code_in(text: str) -> str:
    """The result code that a text stands for, "" where it is another one."""
    return next((code for pattern, code in _STANDARD if says(pattern, text)), "")


def says(pattern: str, text: str) -> bool:
    """Whether a text has what a pattern describes, as whole words, in any case."""
    return re.search(rf"\b(?:{pattern})\b", text, re.I) is not None


def by_number(code: str, text: str) -> Meaning | None:
    """What a text about a running number says, or None where it is about something else."""
    for pattern, cause, next_step in _NUMBERS:
        if says(pattern, text):
            return _sequence(code, cause, next_step, text)
    return None


def by_text(code: str, text: str) -> Meaning | None:
    """What another text of the gateway says, or None where nobody documented it."""
    for pattern, kind, cause, next_step in _TEXTS:
        if says(pattern, text):
            told = Meaning(code, kind, cause, next_step, retry_read=kind is Kind.BUSY)
            return replace(told, cause=_quoting(cause, text)) if kind is Kind.REFUSED else told
    return None


def _sequence(code: str, cause: str, next_step: str, text: str) -> Meaning:
    expected = _ENDING.search(text) or _EXPECTED.search(text)
    number = int(expected[1]) if expected else None
    wanted = f" KRA expects {number}." if number is not None else ""
    return Meaning(
        code,
        Kind.SEQUENCE,
        cause + wanted,
        next_step,
        expected=number,
    )


def _quoting(cause: str, text: str) -> str:
    """KRA's own words behind ours: they name the line and the amounts."""
    told = " ".join(text.split()).strip().rstrip(".")[:110]
    return f"{cause[:-1]}: {told}." if told else cause
