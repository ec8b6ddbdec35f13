"""Stock: movements, what is left, and what may be sold (section 5.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from integrations.providers.kra.emulator.refusals import Refusal
from integrations.providers.kra.emulator.visits import Visit

SERVICE = "3"  # class 24


def check_stocked(visit: Visit, lines: Sequence[Mapping[str, Any]]) -> None:
    """Items must exist before they are sold; on the gateway goods must have been stocked."""
    items, stock = visit.taxpayer.items, visit.unit.stock
    demands = visit.is_gateway and visit.world.settings.is_stock_demanded
    absent = [
        code
        for code in dict.fromkeys(str(line["itemCd"]) for line in lines)
        if code not in items
        or (demands and items[code]["itemTyCd"] != SERVICE and code not in stock)
    ]
    if absent:
        # Section 5.3 [1 live]; the beginning of the text is [guess].
        raise Refusal("910", f"Items {', '.join(absent)} do not exist in your stock")
