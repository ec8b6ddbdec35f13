"""GavaConnect's codes in words. Source: eTIMS reference, section 11."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PRODUCT_MISSING = "no apiproduct match"
TOKEN_WORDS = ("access token", "invalid token", "expired token", "token expired")

# The same number means different things in different products.
_SENTENCES: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("pin_by_pin", "19005"): "KRA knows no taxpayer with this PIN. Check the PIN.",
        ("obligations", "20001"): "KRA could not tell the obligations of this PIN. Check the PIN.",
        ("station", "84002"): "KRA knows no taxpayer with this PIN. Check the PIN.",
        ("vat_exemption", "83002"): "KRA knows no VAT exemption certificate with this number.",
        ("import_certificate", "83002"): "KRA knows no import certificate of this PIN.",
        ("import_certificate_number", "83002"): "KRA knows no import certificate with this number.",
        ("excise_licence", "80002"): "KRA knows no excise licence of this PIN.",
        ("excise_licence_number", "80002"): "KRA knows no excise licence with this number.",
        ("nil_return", "82001"): "KRA could not read the return (82001). Nothing was filed.",
        ("nil_return", "82002"): "KRA refused the data of the return (82002). Check the PIN, the "
        "obligation and the period. Nothing was filed.",
        ("nil_return", "82004"): "KRA did not let this app file the return (82004). Check the "
        "credentials of “NIL return”. Nothing was filed.",
    }
)
_ANY: Mapping[str, str] = MappingProxyType(
    {
        "19005": "KRA says that the PIN is not valid.",
        "70001": "KRA refused the data of the withholding tax (70001). No PRN was made.",
    }
)


def explain_gava(operation: str, code: str, text: str) -> str:
    """What a refusal means, for people; KRA's own text stands behind it."""
    known = _SENTENCES.get((operation, code)) or _ANY.get(code)
    if known:
        return f"{known} KRA's text: {text}" if text else known
    shown = f" ({code})" if code else ""
    return f"KRA refused{shown}: {text}" if text else f"KRA refused{shown} and gave no reason."


def is_documented_refusal(operation: str, code: str) -> bool:
    """Whether the reference says that after this code nothing was done."""
    return (operation, code) in _SENTENCES or code in _ANY


def speaks_of_token(text: str) -> bool:
    """Whether a refusal is about the access token (section 3)."""
    lowered = text.lower()
    return any(each in lowered for each in TOKEN_WORDS)


# About us and the way there, not about what was asked.
_OURS = frozenset({"product_missing", "bad_credentials"})


def is_answer(code: str, *, permanent: bool) -> bool:
    """Whether a refusal tells of what was asked: KRA knows no such certificate, for example.

    Bare HTTP statuses and refused keys tell nothing.
    """
    is_http_status = len(code) == 3 and code.isdigit()
    return permanent and code not in _OURS and not is_http_status
