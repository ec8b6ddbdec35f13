"""Which item of the catalogue each line sells, and what KRA knows it by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Q

from integrations.config import Snapshot
from integrations.exceptions import ConfigurationError, InvalidInput
from integrations.kra.documents.rates import PACKAGING, QUANTITY, CodeLists
from integrations.models import KRAItem
from integrations.providers.kra.payloads.invoice import Line


@dataclass(frozen=True, slots=True)
class Sold:
    """What is sold by one line: codes as KRA has them. `rate` is a percent."""

    item_code: str
    class_code: str
    name: str
    barcode: str
    packaging_unit: str
    quantity_unit: str
    tax_type: str
    rate: Decimal
    # By what a credit note may name the line later.
    keys: tuple[str, ...]
    is_excluded: bool = False


def find_items(
    lines: Sequence[Line], config: Snapshot, lists: CodeLists, warnings: list[str]
) -> list[Sold]:
    """What each line sells, by item code, by the ERP's reference, else by its description.

    One query for all lines. Raises InvalidInput naming line and field.
    """
    finder = _Finder(lines, config)
    return [
        _sold(line, finder.find(line, index, warnings), index, config, lists, warnings)
        for index, line in enumerate(lines)
    ]


class _Finder:
    def __init__(self, lines: Sequence[Line], config: Snapshot) -> None:
        self._config = config
        self._default_code = str(config.values["default_item_code"] or "")
        codes = {line.item_code for line in lines} | {self._default_code}
        references = {line.reference for line in lines}
        names = {line.description for line in lines if not line.item_code and not line.reference}
        wanted = Q(item_code__in=codes - {""})
        # The ERP's key may have been handed over as the description.
        if keys := (references | names) - {""}:
            wanted |= Q(reference__in=keys)
        if names:
            wanted |= Q(name__in=names)
        self._by_code: dict[str, KRAItem] = {}
        self._by_reference: dict[str, KRAItem] = {}
        self._by_name: dict[str, list[KRAItem]] = {}
        for item in KRAItem.objects.filter(
            wanted, environment=config.environment, tin=config.values["kra_pin"]
        ):
            self._by_code[item.item_code] = item
            self._by_reference[item.reference] = item
            self._by_name.setdefault(item.name, []).append(item)

    def find(self, line: Line, index: int, warnings: list[str]) -> KRAItem | None:
        """The item, or None for the settings' default one."""
        field, key, item = self._known(line, index)
        if item is not None:
            if not item.is_used:
                raise InvalidInput(
                    f"items[{index}].{field}", f"{key!r} is out of use.", code="unknown_item"
                )
            return item
        if self._config.values["unknown_items"] != "default":
            raise InvalidInput(
                f"items[{index}].{field}",
                f"{key[:60]!r} is not in the catalogue of items.",
                code="unknown_item",
            )
        if not self._default_code:
            raise ConfigurationError(
                "KRA's default item is not set, yet unknown items are to be sold as it.",
                code="no_default_item",
            )
        warnings.append(f"items[{index}].{field}: {key[:60]!r} is sold as the default item.")
        return self._by_code.get(self._default_code)

    def _known(self, line: Line, index: int) -> tuple[str, str, KRAItem | None]:
        if line.item_code:
            return "item_code", line.item_code, self._by_code.get(line.item_code)
        if line.reference:
            return "reference", line.reference, self._by_reference.get(line.reference)
        name = line.description
        found = self._by_reference.get(name) if name else None
        if found is not None:
            return "description", name, found
        named = self._by_name.get(name, [])
        if len(named) > 1:
            raise InvalidInput(
                f"items[{index}].description",
                f"{name[:60]!r} is the name of {len(named)} items: give item_code or reference.",
                code="unknown_item",
            )
        return "description", name, named[0] if named else None


def _sold(
    line: Line,
    item: KRAItem | None,
    index: int,
    config: Snapshot,
    lists: CodeLists,
    warnings: list[str],
) -> Sold:
    values = config.values
    if item is None:
        code, class_code = values["default_item_code"], values["default_item_class"]
        package, unit = values["default_packaging_unit"], values["default_quantity_unit"]
        name = barcode = own_type = ""
    else:
        code, class_code, name = item.item_code, item.class_code, item.name
        package, unit, barcode = item.packaging_unit, item.quantity_unit, item.barcode
        own_type = item.tax_type
    tax_type = _tax_type(line, own_type, lists, index, warnings)
    return Sold(
        item_code=code,
        class_code=line.class_code or class_code,
        name=line.description or name,
        barcode=line.barcode or barcode,
        packaging_unit=_unit(
            line.packaging_unit or package, PACKAGING, lists, f"items[{index}].packaging_unit"
        ),
        quantity_unit=_unit(
            line.quantity_unit or unit, QUANTITY, lists, f"items[{index}].quantity_unit"
        ),
        tax_type=tax_type,
        rate=lists.rates[tax_type],
        keys=_keys(line, item),
        is_excluded=item is not None and item.is_excluded,
    )


def _keys(line: Line, item: KRAItem | None) -> tuple[str, ...]:
    """By what a credit note may name the line later."""
    own = (item.item_code, item.reference, item.name) if item else ()
    told = (line.item_code, line.reference, line.description)
    return tuple(key for key in dict.fromkeys((*told, *own)) if key)


def _unit(code: str, class_code: str, lists: CodeLists, field: str) -> str:
    if not lists.knows(class_code, code):
        raise InvalidInput(
            field, f"{code!r} is not in KRA's list (class {class_code}).", code="unknown_unit"
        )
    return code


def _tax_type(line: Line, own_type: str, lists: CodeLists, index: int, warnings: list[str]) -> str:
    rates, rate, field = lists.rates, line.tax_rate, f"items[{index}].tax_type"
    kind = line.tax_type or own_type
    if line.tax_type and own_type and line.tax_type != own_type:
        warnings.append(f"{field}: {kind} is sold, but the item is of type {own_type}.")
    if not kind:
        kind = _type_of_rate(rate, rates, field)
    if kind not in rates:
        raise InvalidInput(field, f"{kind!r} is none of A, B, C, D and E.", code="invalid_tax_type")
    if rate is not None and rate != rates[kind]:
        raise InvalidInput(
            f"items[{index}].tax_rate",
            f"{rate} is not the rate of tax type {kind}, which is {rates[kind]} percent.",
            code="wrong_tax_rate",
        )
    return kind


def _type_of_rate(rate: Decimal | None, rates: Mapping[str, Decimal], field: str) -> str:
    if rate is None:
        raise InvalidInput(
            field, "is missing, and so is tax_rate: the item tells neither.", code="missing_field"
        )
    fitting = [kind for kind, percent in rates.items() if percent == rate]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise InvalidInput(
            field.replace("tax_type", "tax_rate"),
            f"{rate} percent is the rate of no tax type.",
            code="wrong_tax_rate",
        )
    raise InvalidInput(
        field,
        f"must be given: {rate} percent may be {', '.join(fitting)}.",
        code="missing_field",
    )
