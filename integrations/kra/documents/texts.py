"""Texts of a document: codes are refused where they don't fit, words for people are cut."""

from __future__ import annotations

from integrations.exceptions import InvalidInput


def code(value: object, field: str, limit: int) -> str:
    """A number, code or key of at most `limit` characters, or "" for none; raises InvalidInput.

    Never cut: what is left would name something else.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInput(
            field, f"must be text, not {type(value).__name__}.", code="invalid_document"
        )
    text = value.strip()
    if len(text) > limit:
        raise InvalidInput(
            field, f"has {len(text)} characters; KRA takes {limit}.", code="invalid_document"
        )
    if not text.isprintable():
        raise InvalidInput(field, "has control characters or line breaks.", code="invalid_document")
    _storable(text, field)
    return text


def words(value: object, field: str, limit: int, warnings: list[str]) -> str:
    """A name or description, line breaks as spaces, cut at `limit` with a warning."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInput(
            field, f"must be text, not {type(value).__name__}.", code="invalid_document"
        )
    text = " ".join(value.split())
    if not text.isprintable():
        text = "".join(letter for letter in text if letter.isprintable())
    _storable(text, field)
    if len(text) > limit:
        warnings.append(f"{field}: cut at {limit} characters, which is what KRA takes.")
        text = text[:limit].rstrip()
    return text


def _storable(text: str, field: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(field, "is not valid text.", code="invalid_document") from None
