"""The items of the catalogue that lines name: found in one query for all lines."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from django.db import connections

from integrations.config import Snapshot
from integrations.exceptions import ConfigurationError, InvalidInput
from integrations.models import KRAItem
from integrations.models.kra_choices import UnknownItem
from integrations.providers.kra.payloads.invoice import Line


class Item(NamedTuple):
    """What an invoice needs of an item, by the columns' names."""

    item_code: str
    reference: str
    name: str
    class_code: str
    packaging_unit: str
    quantity_unit: str
    tax_type: str
    barcode: str
    is_used: bool
    is_excluded: bool


# Written out: building it anew of querysets takes as long as all amounts of the invoice.
_PART = (
    f"SELECT {', '.join(Item._fields)} FROM {KRAItem._meta.db_table} "  # noqa: S608 - no input
    # Not empty: the index of references has only those.
    "WHERE environment = %s AND tin = %s AND {column} <> '' AND {column} IN ({marks})"
)


class Sold(NamedTuple):
    """What is sold by one line: codes as KRA has them. `rate` is a percent.

    `keys` are what a credit note may name the line by later.
    """

    item_code: str
    class_code: str
    name: str
    barcode: str
    packaging_unit: str
    quantity_unit: str
    tax_type: str
    rate: Decimal
    keys: tuple[str, ...]
    is_excluded: bool = False


class Catalogue:
    """The items that some lines may name: by code, by the ERP's reference, by description."""

    def __init__(self, lines: Sequence[Line], config: Snapshot) -> None:
        values = config.values
        self._refuses = values["unknown_items"] != UnknownItem.DEFAULT
        self._default = "" if self._refuses else str(values["default_item_code"] or "")
        self._by_code: dict[str, Item] = {}
        self._by_reference: dict[str, Item] = {}
        self._by_name: dict[str, list[Item]] = {}
        for item in _rows(lines, config.environment, str(values["kra_pin"]), self._default):
            self._by_code[item.item_code] = item
            self._by_reference[item.reference] = item
            self._by_name.setdefault(item.name, []).append(item)

    def find(self, line: Line, index: int, warnings: list[str]) -> Item | None:
        """The item, or None for the settings' default one where that is not in the catalogue.

        Raises InvalidInput naming line and field for an item that is unknown or out of use.
        """
        field, key, item = self._named(line, index)
        if item is None:
            return self._instead(f"items[{index}].{field}", key, warnings)
        if not item.is_used:
            raise InvalidInput(
                f"items[{index}].{field}", f"{key!r} is out of use.", code="unknown_item"
            )
        return item

    def _named(self, line: Line, index: int) -> tuple[str, str, Item | None]:
        if line.item_code:
            return "item_code", line.item_code, self._by_code.get(line.item_code)
        if line.reference:
            return "reference", line.reference, self._by_reference.get(line.reference)
        name = line.description
        if found := self._by_reference.get(name):
            return "description", name, found
        named = self._by_name.get(name, [])
        if len(named) > 1:
            raise InvalidInput(
                f"items[{index}].description",
                f"{name[:60]!r} is the name of {len(named)} items: give item_code or reference.",
                code="unknown_item",
            )
        return "description", name, named[0] if named else None

    def _instead(self, field: str, key: str, warnings: list[str]) -> Item | None:
        if self._refuses:
            raise InvalidInput(
                field, f"{key[:60]!r} is not in the catalogue of items.", code="unknown_item"
            )
        if not self._default:
            raise ConfigurationError(
                "KRA's default item is not set, yet unknown items are to be sold as it."
            )
        warnings.append(f"{field}: {key[:60]!r} is sold as the default item.")
        return self._by_code.get(self._default)


def _rows(lines: Sequence[Line], environment: str, tin: str, default: str) -> list[Item]:
    """The items that may be meant, in one query: each part of it has an index of its own."""
    codes = {line.item_code for line in lines if line.item_code}
    references = {line.reference for line in lines if not line.item_code and line.reference}
    names = {line.description for line in lines if not line.item_code and not line.reference}
    if default:
        codes.add(default)
    # The ERP's key may have been handed over as the description.
    references |= names
    wanted = {"item_code": codes, "reference": references - {""}, "name": names}
    parts, values = [], list[str]()
    for column, keys in wanted.items():
        if keys:
            parts.append(_PART.format(column=column, marks=", ".join(["%s"] * len(keys))))
            values += [environment, tin, *sorted(keys)]
    if not parts:
        return []
    connection = connections[KRAItem.objects.db]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ".join(parts), values)
        return [Item(*row[:-2], *map(bool, row[-2:])) for row in cursor.fetchall()]
