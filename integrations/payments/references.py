"""References as people type them: what is kept of them, and how two of them are compared."""

from __future__ import annotations

import unicodedata
from itertools import accumulate

LENGTH = 64
# Of an unseen kind, or able to turn the text beside them around: controls, bidi marks,
# surrogates, line and paragraph separators.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def clean_reference(typed: object, limit: int = LENGTH) -> str:
    """What a payer typed, as it is stored and shown: visible characters only, cut to `limit`.

    Markup and formulas stay as typed; whoever shows the text escapes it.
    """
    # Nothing beyond this can be in the result; a sender may send very much more.
    text = str(typed or "")[: limit * 16]
    spaced = (" " if mark.isspace() else mark for mark in text)
    seen = "".join(mark for mark in spaced if unicodedata.category(mark) not in _UNSEEN)
    return " ".join(seen.split())[:limit].strip()


def reference_key(text: object) -> str:
    """The reference as it is compared: case, spaces and dashes do not count.

    "inv-001", "INV 001" and "Inv001" are one reference. "" for a text of nothing else.
    """
    return "".join(_parts(text))[:LENGTH]


def reference_parts(text: object) -> tuple[str, ...]:
    """The reference between its spaces and dashes: "1-23" and "12 3" have one key, but not the
    same parts."""
    return tuple(_parts(text))


def may_be_same(typed: object, reference: object) -> bool:
    """Whether two references of one key may be the same: spaces and dashes may be left out, as
    people do, but not stand elsewhere, which is another invoice."""
    ends = [set(accumulate(map(len, _parts(text)))) for text in (typed, reference)]
    return ends[0] <= ends[1] or ends[1] <= ends[0]


def _parts(text: object) -> list[str]:
    folded = unicodedata.normalize("NFKC", clean_reference(text, LENGTH)).casefold()
    spaced = (
        " " if mark.isspace() or unicodedata.category(mark) == "Pd" else mark for mark in folded
    )
    return "".join(spaced).split()
