"""The ERP's own sums are checked to the cent, and tell whether prices include the tax."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput
from integrations.kra.documents import prepare, read_invoice
from integrations.models import KRAItem
from tests.kra.documents.conftest import line, simple

# Ten lines of 9.99 carry 13.80 by lines; on the total it would be 13.78 (section 7).
TEN = tuple(line("Sugar", 1, "9.99", total="9.99") for _ in range(10))


def total_of(config: Snapshot, *lines: dict[str, Any], **more: Any) -> tuple[Decimal, Decimal]:
    data = {**simple(*lines), "prices_include_tax": None, **more}
    prepared = prepare(read_invoice(data), config)
    return prepared.total, prepared.tax


def refused(config: Snapshot, *lines: dict[str, Any], **more: Any) -> tuple[str, str]:
    with pytest.raises(InvalidInput) as caught:
        total_of(config, *lines, **more)
    return caught.value.field, caught.value.code


def sums(subtotal: object, tax: object, total: object) -> dict[str, Any]:
    return {"totals": {"subtotal": subtotal, "tax_amount": tax, "total": total}}


@pytest.mark.parametrize("line_total", [None, 2000, 2320])
def test_totals_tell_that_prices_are_without_tax(
    config: Snapshot, items: list[KRAItem], line_total: object
) -> None:
    without = line("Sugar", 2, 1000.0, total=line_total)
    assert total_of(config, without, **sums(2000, 320, 2320)) == (2320, 320)


@pytest.mark.parametrize("line_total", [None, 2320])
def test_totals_tell_that_prices_are_with_tax(
    config: Snapshot, items: list[KRAItem], line_total: object
) -> None:
    within = line("Sugar", 2, 1160.0, total=line_total)
    assert total_of(config, within, **sums(2000, 320, 2320)) == (2320, 320)


def test_the_tax_is_that_of_the_lines(config: Snapshot, items: list[KRAItem]) -> None:
    assert total_of(config, *TEN, **sums("86.10", "13.80", "99.90")) == (
        Decimal("99.90"),
        Decimal("13.80"),
    )
    on_the_total = sums("86.12", "13.78", "99.90")
    assert refused(config, *TEN, **on_the_total) == ("totals.tax_amount", "wrong_amount")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (sums("86.10", "13.80", "99.91"), "totals.total"),
        (sums("86.10", "13.80", "99.89"), "totals.total"),
        (sums("86.10", "13.81", "99.90"), "totals.tax_amount"),
        (sums("86.11", "13.80", "99.90"), "totals.subtotal"),
    ],
)
def test_a_cent_off_in_the_totals(
    config: Snapshot, items: list[KRAItem], given: dict[str, Any], field: str
) -> None:
    assert refused(config, *TEN, **given) == (field, "wrong_amount")


@pytest.mark.parametrize(("includes", "right"), [(True, "449.95"), (False, "521.94")])
def test_a_cent_off_in_a_line(
    config: Snapshot, items: list[KRAItem], includes: bool, right: str
) -> None:
    good = line("Bread", 1, 10, total=10)
    for wrong in (Decimal(right) - Decimal("0.01"), Decimal(right) + Decimal("0.01")):
        bad = line("Sugar", 5, "99.99", discount_rate=10, total=wrong)
        told = refused(config, good, bad, prices_include_tax=includes)
        assert told == ("items[1].total", "wrong_amount")
    bad["total"] = right
    assert total_of(config, good, bad, prices_include_tax=includes)[0] == Decimal(right) + 10


def test_line_totals_are_all_with_tax_or_all_without(
    config: Snapshot, items: list[KRAItem]
) -> None:
    lines = (line("Sugar", 1, 100, total=100), line("Sugar", 1, 100, total=116))
    assert refused(config, *lines, prices_include_tax=False)[1] == "wrong_amount"


def test_a_discount_above_the_line(config: Snapshot, items: list[KRAItem]) -> None:
    bad = line("Sugar", 1, 10, discount_amount="10.01")
    assert refused(config, line("Sugar", 1, 1), bad, prices_include_tax=True) == (
        "items[1].discount_amount",
        "invalid_amount",
    )


def test_a_discount_of_all_of_it(config: Snapshot, items: list[KRAItem]) -> None:
    free = line("Sugar", 1, 10, discount_rate=100)
    assert total_of(config, free, prices_include_tax=True) == (0, 0)


def test_too_large_a_total(config: Snapshot, items: list[KRAItem]) -> None:
    lines = [line("Sugar", 900_000_000, 100_000) for _ in range(2)]
    assert refused(config, *lines, prices_include_tax=True) == ("totals.total", "invalid_amount")
