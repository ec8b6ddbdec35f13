"""Tax rates, and the code lists that were fetched from KRA."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType

from django.db.models import TextField
from django.db.models.functions import Cast

from integrations.config import Snapshot
from integrations.config.memo import StampedMemo
from integrations.exceptions import ConfigurationError
from integrations.models import KRACode
from integrations.models.kra_rules import read_rates
from integrations.providers.kra.codes.classes import (
    PACKAGING_UNIT,
    PAYMENT,
    QUANTITY_UNIT,
    TAX_TYPE,
    may_be,
)

# Reference, section 7.1: what holds until class 04 was fetched.
FALLBACK = MappingProxyType(
    {
        "A": Decimal(0),
        "B": Decimal(16),
        "C": Decimal(0),
        "D": Decimal(0),
        "E": Decimal(8),
    }
)
_RATE = re.compile(r"\s*(\d{1,3}(?:\.\d+)?)\s*%?\s*")


# Rates by tax type, codes by class.
_Fetched = tuple[Mapping[str, Decimal], Mapping[str, frozenset[str]]]
_known: StampedMemo[_Fetched] = StampedMemo()


@dataclass(frozen=True, slots=True)
class CodeLists:
    """The codes in use by class; a class that was not fetched is not there."""

    rates: Mapping[str, Decimal]
    codes: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def knows(self, class_code: str, code: str) -> bool:
        """Whether KRA's list has the code; where it was never fetched, whether it may have."""
        known = self.codes.get(class_code)
        return may_be(class_code, code) if known is None else code in known


def tax_rates(config: Snapshot) -> dict[str, Decimal]:
    """Percent of the tax types A to E: the setting's, else KRA's own, else the reference's.

    Raises ConfigurationError where the setting can't be read.
    """
    return dict(code_lists(config, ()).rates)


def code_lists(
    config: Snapshot, classes: tuple[str, ...] = (PAYMENT, QUANTITY_UNIT, PACKAGING_UNIT)
) -> CodeLists:
    """Rates and codes of the environment, as this process knows them."""
    classes = (TAX_TYPE, *classes)
    told, codes = _known.get(
        (config.environment, classes), lambda: _fetched(config.environment, classes)
    )
    rates = {**FALLBACK, **told, **_own(str(config.values["tax_rates"] or ""))}
    return CodeLists(rates, codes)


def _fetched(environment: str, classes: tuple[str, ...]) -> _Fetched:
    """KRA's rates, and its codes by class, as far as they were fetched; one query."""
    rates: dict[str, Decimal] = {}
    codes: dict[str, set[str]] = {}
    # As text: only the few of the rates are worth decoding.
    rows = (
        KRACode.objects.filter(environment=environment, class_code__in=classes, is_used=True)
        .order_by()
        .values_list("class_code", "code", Cast("extra", TextField()))
    )
    for class_code, code, extra in rows:
        if class_code != TAX_TYPE:
            codes.setdefault(class_code, set()).add(code)
        elif code in FALLBACK:
            rates[code] = _rate_in(extra, FALLBACK[code])
    return rates, {name: frozenset(known) for name, known in codes.items()}


def _rate_in(extra: str, otherwise: Decimal) -> Decimal:
    """The rate in `userDfnCd1`, the first of the extras (section 5.1)."""
    told = json.loads(extra or "[]")
    found = _RATE.fullmatch(str(told[0])) if told else None
    return Decimal(found[1]) if found else otherwise


def _own(text: str) -> dict[str, Decimal]:
    try:
        return read_rates(text)
    except ValueError as error:
        raise ConfigurationError(f"KRA's tax rates can't be read. {error}") from None
