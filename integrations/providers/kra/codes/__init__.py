"""KRA's answers in words: what happened, what to do next, and what it means for a request.

Source: eTIMS reference, section 8.
"""

from __future__ import annotations

from dataclasses import replace

from integrations.config import Snapshot
from integrations.providers.kra.codes.results import RESULTS, SUCCESS, VSCU_899
from integrations.providers.kra.codes.texts import TOKEN_REFUSED, by_number, by_text, code_in
from integrations.providers.kra.codes.words import Kind, Meaning

__all__ = ["RESULTS", "SUCCESS", "TOKEN_REFUSED", "Kind", "Meaning", "explain", "is_numbering_code"]

VSCU = "vscu"
# Their text says more than they do.
_VAGUE = frozenset({"910", "912"})
# HTTP statuses by which the gateway refuses whatever the document says.
_SET_UP = frozenset({"401", "403", "404", "405"})
_DUPLICATES = {"duplicate_codes": "994 921", "vscu_duplicate_codes": "994 921 899"}


def explain(settings: Snapshot | str, code: object, text: str = "") -> Meaning:
    """What a result code with its text means. `settings` is the row's, or a transport's name.

    A code that nobody documented is a refusal where KRA gave one, else unknown. The text goes
    before the code where it is one of those that the reference names.
    """
    shown = str(code if code is not None else "").strip()[:40]
    if shown in SUCCESS:
        return RESULTS["000"]
    transport, duplicates = _ways(settings)
    known = by_number(shown, text)
    if known is None and (shown not in RESULTS or shown in _VAGUE):
        known = by_text(shown, text)
    if known is not None:
        return known
    if shown and shown not in RESULTS:
        shown = code_in(text) or shown
    if shown in duplicates:
        return _duplicate(shown, transport)
    row = RESULTS.get(shown)
    if row is None:
        return _undocumented(shown, text)
    if row.kind is Kind.DUPLICATE:  # taken off the list in the settings
        return replace(row, kind=Kind.UNKNOWN, next_step="It is looked up first.")
    return _with_words(row, text)


def is_numbering_code(meaning: Meaning) -> bool:
    """Whether the answer is about the number alone, not about what the document says."""
    return meaning.kind in (Kind.DUPLICATE, Kind.SEQUENCE)


def _ways(settings: Snapshot | str) -> tuple[str, frozenset[str]]:
    transport = settings if isinstance(settings, str) else str(settings.values["transport"])
    name = "vscu_duplicate_codes" if transport == VSCU else "duplicate_codes"
    listed = _DUPLICATES[name] if isinstance(settings, str) else str(settings.values[name])
    return transport, frozenset(listed.replace(",", " ").split())


def _duplicate(code: str, transport: str) -> Meaning:
    if transport == VSCU and code == "899":
        return VSCU_899
    row = RESULTS.get(code)
    if row is not None and row.kind is Kind.DUPLICATE:
        return row
    return replace(RESULTS["994"], code=code)


def _with_words(row: Meaning, text: str) -> Meaning:
    """The table's row; where KRA names the field, its own words with it."""
    told = " ".join(text.split()).strip().rstrip(".")[:110]
    if row.code in ("910", "913") and told:
        return replace(row, cause=f"{row.cause[:-1]}: {told}.")
    return row


def _undocumented(code: str, text: str) -> Meaning:
    told = " ".join(text.split()).strip().rstrip(".")[:120]
    if code == "429":
        return replace(RESULTS["990"], code=code)
    if code in _SET_UP:
        return replace(RESULTS["912" if code in ("404", "405") else "901"], code=code)
    if not code:
        return Meaning("", Kind.UNKNOWN, "KRA gave no usable answer.", "It is looked up first.")
    said = f": {told}." if told else f" with code {code}, which is not documented."
    return Meaning(
        code, Kind.REFUSED, f"KRA refused{said}", "Correct what it names and submit it again."
    )
