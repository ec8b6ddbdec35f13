"""What each line sells: its item, units and tax type, checked against KRA's lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput
from integrations.kra.documents.catalogue import Catalogue, Item, Sold
from integrations.kra.documents.rates import CodeLists
from integrations.providers.kra.codes.classes import PACKAGING_UNIT, QUANTITY_UNIT
from integrations.providers.kra.payloads.invoice import Line


def find_items(
    lines: Sequence[Line], config: Snapshot, lists: CodeLists, warnings: list[str]
) -> list[Sold]:
    """What each line sells, by item code, by the ERP's reference, else by its description.

    One query for all lines. Raises InvalidInput naming line and field.
    """
    catalogue, default = Catalogue(lines, config), _default(config)
    return [
        _sold(line, catalogue.find(line, index, warnings) or default, index, lists, warnings)
        for index, line in enumerate(lines)
    ]


def _default(config: Snapshot) -> Item:
    """The settings' default item, for where the catalogue has none of its code."""
    values = config.values
    return Item(
        item_code=str(values["default_item_code"] or ""),
        reference="",
        name="",
        class_code=str(values["default_item_class"] or ""),
        packaging_unit=str(values["default_packaging_unit"]),
        quantity_unit=str(values["default_quantity_unit"]),
        tax_type="",
        barcode="",
        is_used=True,
        is_excluded=False,
    )


def _sold(line: Line, item: Item, index: int, lists: CodeLists, warnings: list[str]) -> Sold:
    package = line.packaging_unit or item.packaging_unit
    unit = line.quantity_unit or item.quantity_unit
    if not lists.knows(PACKAGING_UNIT, package):
        _unknown_unit(f"items[{index}].packaging_unit", package, PACKAGING_UNIT)
    if not lists.knows(QUANTITY_UNIT, unit):
        _unknown_unit(f"items[{index}].quantity_unit", unit, QUANTITY_UNIT)
    tax_type = _tax_type(line, item.tax_type, lists.rates, index, warnings)
    told = (line.item_code, line.reference, line.description)
    keys = dict.fromkeys((*told, item.item_code, item.reference, item.name))
    return Sold(
        item_code=item.item_code,
        class_code=line.class_code or item.class_code,
        name=line.description or item.name,
        barcode=line.barcode or item.barcode,
        packaging_unit=package,
        quantity_unit=unit,
        tax_type=tax_type,
        rate=lists.rates[tax_type],
        keys=tuple(key for key in keys if key),
        is_excluded=item.is_excluded,
    )


def _unknown_unit(field: str, code: str, class_code: str) -> None:
    raise InvalidInput(
        field, f"{code!r} is not in KRA's list (class {class_code}).", code="unknown_code"
    )


def _tax_type(
    line: Line, own: str, rates: Mapping[str, Decimal], index: int, warnings: list[str]
) -> str:
    """The tax type by the line, else by the item, else by the only one of the line's rate."""
    rate = line.tax_rate
    kind = line.tax_type or own or _type_of_rate(rate, rates, index)
    if kind not in rates:
        raise InvalidInput(
            f"items[{index}].tax_type", f"{kind!r} is none of A to E.", code="invalid_document"
        )
    if own and kind != own:
        warnings.append(f"items[{index}].tax_type: {kind} is sold; the item is of type {own}.")
    if rate is not None and rate != rates[kind]:
        raise InvalidInput(
            f"items[{index}].tax_rate",
            f"{rate} is not the rate of tax type {kind}, which is {rates[kind]} percent.",
            code="wrong_tax_rate",
        )
    return kind


def _type_of_rate(rate: Decimal | None, rates: Mapping[str, Decimal], index: int) -> str:
    if rate is None:
        raise InvalidInput(
            f"items[{index}].tax_type",
            "is missing, and so is tax_rate: the item tells neither.",
            code="invalid_document",
        )
    fitting = [kind for kind, percent in rates.items() if percent == rate]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise InvalidInput(
            f"items[{index}].tax_rate",
            f"{rate} percent is the rate of no tax type.",
            code="wrong_tax_rate",
        )
    raise InvalidInput(
        f"items[{index}].tax_type",
        f"must be given: {rate} percent may be {', '.join(fitting)}.",
        code="invalid_document",
    )
