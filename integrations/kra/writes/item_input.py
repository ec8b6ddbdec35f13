"""What may be said of an item, checked against KRA's lists before anything is stored."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from integrations.exceptions import InvalidInput
from integrations.kra.lists.lookup import require_class, require_code
from integrations.kra.writes.inputs import amount_of, flag_of, mapping_of, text_of
from integrations.models import KRAItem
from integrations.providers.kra.codes import classes
from integrations.providers.kra.payloads.items import PRICE_LEVELS

# Parts of the code; and what may change later.
FIXED = ("type_code", "origin", "packaging_unit", "quantity_unit")
CHANGEABLE = (
    "name", "class_code", "tax_type", "price", "barcode", "is_insured", "standard_name", "batch",
    "safety_quantity", "group_prices", "additional_info",
)  # fmt: skip
KNOWN = (*FIXED, *CHANGEABLE, "is_used", "reference", "item_code")
_CLASS_OF = {
    "type_code": classes.ITEM_TYPE,
    "origin": classes.COUNTRY,
    "packaging_unit": classes.PACKAGING_UNIT,
    "quantity_unit": classes.QUANTITY_UNIT,
    "tax_type": classes.TAX_TYPE,
}
# The code has 20 characters: 2 + 1 + units + 7.
MOST_OF_UNITS = 10


def read_item(environment: str, data: object, known: KRAItem | None) -> dict[str, Any]:
    """The fields of an item; those that are not given stay as `known` has them.

    Raises InvalidInput that names the field.
    """
    given = mapping_of("", data, KNOWN)

    def value(name: str, default: Any = None) -> Any:
        return given[name] if name in given else getattr(known, name, default)

    codes = {
        name: require_code(environment, class_code, name, value(name, _default(name)))
        for name, class_code in _CLASS_OF.items()
        if name in given or known is None
    }
    units = codes.get("packaging_unit", "") + codes.get("quantity_unit", "")
    if len(units) > MOST_OF_UNITS:
        raise InvalidInput("packaging_unit", "the units are too long for an item code.")
    class_code = value("class_code")
    if "class_code" in given or known is None:
        class_code = require_class(environment, "class_code", class_code)
    return {
        **{name: getattr(known, name) for name in _CLASS_OF if known is not None},
        **codes,
        "class_code": class_code,
        "name": text_of("name", value("name"), 200, required=True),
        "price": amount_of("price", value("price", "0")),
        "barcode": text_of("barcode", value("barcode", ""), 20),
        "standard_name": text_of("standard_name", value("standard_name"), 200),
        "batch": text_of("batch", value("batch"), 10),
        "safety_quantity": _optional_amount("safety_quantity", value("safety_quantity")),
        "group_prices": _group_prices(value("group_prices")),
        "additional_info": text_of("additional_info", value("additional_info"), 7),
        "is_insured": flag_of("is_insured", value("is_insured", False)),
        "is_used": flag_of("is_used", value("is_used", True)),
        "reference": text_of("reference", value("reference", ""), 100),
    }


def _optional_amount(field: str, value: object) -> Decimal | None:
    return None if value is None else amount_of(field, value)


def _group_prices(value: object) -> list[str | None]:
    """The prices of up to five levels as text; None at a level is none."""
    if value is None:
        return []
    if not isinstance(value, list | tuple) or len(value) > PRICE_LEVELS:
        raise InvalidInput("group_prices", f"must be a list of at most {PRICE_LEVELS} prices.")
    prices = [_optional_amount(f"group_prices[{index}]", each) for index, each in enumerate(value)]
    return [None if price is None else f"{price:.2f}" for price in prices]


def _default(name: str) -> str:
    return {"origin": "KE", "type_code": "2"}.get(name, "")
