"""The lines of what an ERP hands over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from integrations.exceptions import InvalidInput
from integrations.kra.documents import numbers, texts
from integrations.providers.kra.payloads.amounts import TAX_TYPES
from integrations.providers.kra.payloads.invoice import Insurance, Line

_INSURANCE = frozenset(each.name for each in fields(Insurance))
_Read = Callable[[object, str], object]


def as_mapping(value: object, field: str) -> Mapping[str, Any]:
    """A dict, or one of our dataclasses as one; raises InvalidInput for anything else."""
    if isinstance(value, Mapping):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {
            each.name: said
            for each in fields(value)
            if (said := getattr(value, each.name)) is not each.default
        }
    raise InvalidInput(
        field, f"must be a dict, not {type(value).__name__}.", code="invalid_document"
    )


def unknown_keys(
    given: Mapping[str, Any], known: frozenset[str], prefix: str, warnings: list[str]
) -> None:
    """Warn about keys that nothing is done with: one may be misspelt."""
    warnings.extend(
        f"{prefix}{str(name)[:40]}: is not known and was left out."
        for name in given
        if name not in known
    )


def read_line(value: object, field: str, warnings: list[str], *, is_credit: bool) -> Line:
    """One line, every field checked by itself; raises InvalidInput naming line and field."""
    found: dict[str, Any] = {"description": ""}
    for name, said in as_mapping(value, field).items():
        if said is None:
            continue
        if name == "description":
            found[name] = texts.words(said, f"{field}.{name}", 200, warnings)
        elif name == "insurance":
            found[name] = _insurance(said, f"{field}.{name}", warnings)
        elif read := _READERS.get(name):
            found[name] = read(said, f"{field}.{name}")
        else:
            warnings.append(f"{field}.{str(name)[:40]}: is not known and was left out.")
    for name in ("quantity",) if is_credit else ("description", "quantity", "unit_price"):
        if found.get(name) in (None, ""):
            raise InvalidInput(f"{field}.{name}", "is missing.", code="invalid_document")
    if found.get("discount_rate") and found.get("discount_amount"):
        raise InvalidInput(
            f"{field}.discount_amount",
            "give a rate or an amount, not both.",
            code="invalid_document",
        )
    return Line(**found)


def _code(limit: int) -> _Read:
    return lambda value, field: texts.code(value, field, limit)


def _tax_type(value: object, field: str) -> str:
    kind = texts.code(value, field, 5).upper()
    if kind and kind not in TAX_TYPES:
        raise InvalidInput(field, f"{kind} is none of A, B, C, D and E.", code="invalid_document")
    return kind


def _original_line(value: object, field: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidInput(field, "must be a line's number, from 1.", code="invalid_document")
    return value


# Lengths: reference, section 6.3. Codes are never cut.
_READERS: Mapping[str, _Read] = MappingProxyType(
    {
        "quantity": numbers.quantity,
        "unit_price": numbers.price,
        "tax_rate": numbers.percent,
        "total": numbers.money,
        "tax_type": _tax_type,
        "item_code": _code(20),
        "reference": _code(100),
        "class_code": _code(10),
        "discount_rate": numbers.percent,
        "discount_amount": numbers.money,
        "packaging_unit": _code(5),
        "package_count": numbers.quantity,
        "quantity_unit": _code(5),
        "barcode": _code(20),
        "original_line": _original_line,
    }
)


def _insurance(value: object, field: str, warnings: list[str]) -> Insurance:
    given = as_mapping(value, field)
    unknown_keys(given, _INSURANCE, f"{field}.", warnings)
    for name in ("code", "rate", "amount"):
        if given.get(name) is None:
            raise InvalidInput(f"{field}.{name}", "is missing.", code="invalid_document")
    rate: Decimal = numbers.percent(given["rate"], f"{field}.rate")
    if rate != rate.to_integral_value():
        raise InvalidInput(f"{field}.rate", "must be a whole percent.", code="invalid_document")
    return Insurance(
        code=texts.code(given["code"], f"{field}.code", 10),
        name=texts.words(given.get("name"), f"{field}.name", 100, warnings),
        rate=rate,
        amount=numbers.money(given["amount"], f"{field}.amount"),
    )
