"""The lines of what an ERP hands over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import Any

from integrations.exceptions import InvalidInput
from integrations.kra.documents import numbers, texts
from integrations.providers.kra.payloads.invoice import Insurance, Line

_KNOWN = frozenset(each.name for each in fields(Line))
_INSURANCE = frozenset(each.name for each in fields(Insurance))
_ZERO = Decimal(0)


def as_mapping(value: object, field: str) -> Mapping[str, Any]:
    """A dict, or one of our dataclasses as one; raises InvalidInput for anything else."""
    if isinstance(value, Mapping):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    raise InvalidInput(field, f"must be a dict, not {type(value).__name__}.", code="invalid_type")


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
    given = as_mapping(value, field)
    unknown_keys(given, _KNOWN, f"{field}.", warnings)
    description = texts.words(given.get("description"), f"{field}.description", 200, warnings)
    if not description and not is_credit:
        raise InvalidInput(f"{field}.description", "is missing.", code="missing_field")
    if given.get("quantity") is None:
        raise InvalidInput(f"{field}.quantity", "is missing.", code="missing_field")
    if given.get("unit_price") is None and not is_credit:
        raise InvalidInput(f"{field}.unit_price", "is missing.", code="missing_field")
    line = Line(
        description=description,
        quantity=numbers.quantity(given["quantity"], f"{field}.quantity"),
        unit_price=_optional(numbers.price, given, field, "unit_price"),
        tax_rate=_optional(numbers.percent, given, field, "tax_rate"),
        total=_optional(numbers.money, given, field, "total"),
        tax_type=_tax_type(given.get("tax_type"), f"{field}.tax_type"),
        item_code=texts.code(given.get("item_code"), f"{field}.item_code", 20),
        reference=texts.code(given.get("reference"), f"{field}.reference", 100),
        class_code=texts.code(given.get("class_code"), f"{field}.class_code", 10),
        discount_rate=_optional(numbers.percent, given, field, "discount_rate") or _ZERO,
        discount_amount=_optional(numbers.money, given, field, "discount_amount") or _ZERO,
        packaging_unit=texts.code(given.get("packaging_unit"), f"{field}.packaging_unit", 5),
        package_count=_optional(numbers.quantity, given, field, "package_count"),
        quantity_unit=texts.code(given.get("quantity_unit"), f"{field}.quantity_unit", 5),
        barcode=texts.code(given.get("barcode"), f"{field}.barcode", 20),
        insurance=_insurance(given.get("insurance"), f"{field}.insurance", warnings),
        original_line=_original_line(given.get("original_line"), f"{field}.original_line"),
    )
    if line.discount_rate and line.discount_amount:
        raise InvalidInput(
            f"{field}.discount_amount", "give a rate or an amount, not both.", code="two_discounts"
        )
    return line


def _optional(read: Any, given: Mapping[str, Any], field: str, name: str) -> Decimal | None:
    value = given.get(name)
    if value is None:
        return None
    found: Decimal = read(value, f"{field}.{name}")
    return found


def _tax_type(value: object, field: str) -> str:
    kind = texts.code(value, field, 5).upper()
    if kind and kind not in ("A", "B", "C", "D", "E"):
        raise InvalidInput(field, f"{kind} is none of A, B, C, D and E.", code="invalid_tax_type")
    return kind


def _insurance(value: object, field: str, warnings: list[str]) -> Insurance | None:
    if value is None:
        return None
    given = as_mapping(value, field)
    unknown_keys(given, _INSURANCE, f"{field}.", warnings)
    for name in ("code", "rate", "amount"):
        if given.get(name) is None:
            raise InvalidInput(f"{field}.{name}", "is missing.", code="missing_field")
    rate = numbers.percent(given["rate"], f"{field}.rate")
    if rate != rate.to_integral_value():
        raise InvalidInput(f"{field}.rate", "must be a whole percent.", code="invalid_rate")
    return Insurance(
        code=texts.code(given["code"], f"{field}.code", 10),
        name=texts.words(given.get("name"), f"{field}.name", 100, warnings),
        rate=rate,
        amount=numbers.money(given["amount"], f"{field}.amount"),
    )


def _original_line(value: object, field: str) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidInput(field, "must be a line's number, from 1.", code="invalid_type")
    return value
