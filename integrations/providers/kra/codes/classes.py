"""KRA's classes of codes, and what is sure of them before its lists were fetched (section 10)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

TAX_TYPE = "04"
COUNTRY = "05"
PAYMENT = "07"
QUANTITY_UNIT = "10"
STOCK_MOVEMENT = "12"
PACKAGING_UNIT = "17"
ITEM_TYPE = "24"

# All codes of a class, where three sources or more agree on them.
WHOLE: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        TAX_TYPE: frozenset("ABCDE"),
        PAYMENT: frozenset({"01", "02", "03", "04", "05", "06", "07"}),
        ITEM_TYPE: frozenset("123"),
    }
)
# Of the classes of which only the common codes are known: those that are sure not to be there,
# though a class beside it has them.
_FOREIGN = MappingProxyType({PACKAGING_UNIT: frozenset({"U", "BX"})})


def may_be(class_code: str, code: str) -> bool:
    """Whether KRA's list may have the code, by what the reference is sure of."""
    whole = WHOLE.get(class_code)
    if whole is not None:
        return code in whole
    return code not in _FOREIGN.get(class_code, ())
