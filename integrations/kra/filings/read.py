"""Any filing from one mapping, for forms and the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput
from integrations.kra.checks.inputs import read_choice, refuse_others
from integrations.kra.filings.returns import Wanted, read_nil_return, read_turnover_tax
from integrations.kra.filings.withholding import WITHHOLDING, read_withholding
from integrations.models import FilingKind

_RETURNS: Mapping[FilingKind, tuple[Callable[..., Wanted], tuple[str, ...]]] = {
    FilingKind.NIL_RETURN: (read_nil_return, ("obligation", "month", "year")),
    FilingKind.TURNOVER_TAX: (read_turnover_tax, ("turnover", "month", "year")),
}


def read_filing(config: Snapshot, kind: object, given: Mapping[str, Any]) -> Wanted:
    """What is to be filed, checked; raises InvalidInput naming line and field."""
    chosen = FilingKind(read_choice(kind, "kind", FilingKind.values))
    if chosen in WITHHOLDING:
        return read_withholding(chosen, config, given)
    read, needed = _RETURNS[chosen]
    refuse_others(given, {*needed, "kra_pin"})
    for name in needed:
        if given.get(name) in (None, ""):
            raise InvalidInput(name, "is needed.")
    return read(config, **given)
