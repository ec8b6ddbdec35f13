"""What is kept of KRA's codes follows every change of them, however it was written."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from integrations.config import get_snapshot
from integrations.kra.documents import tax_rates
from integrations.models import KRACode

CHANGES: dict[str, Callable[[KRACode], object]] = {
    "save": lambda code: (setattr(code, "extra", ["14"]), code.save()),
    "update": lambda code: KRACode.objects.filter(pk=code.pk).update(extra=["14"]),
    "delete": lambda code: code.delete(),
    "bulk delete": lambda code: KRACode.objects.all().delete(),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", CHANGES)
def test_the_next_look_sees_a_change(how: str) -> None:
    code = KRACode(environment="sandbox", class_code="04", code="B", extra=["18"])
    KRACode.objects.bulk_create([code])
    config = get_snapshot("kra")
    assert tax_rates(config)["B"] == Decimal(18)
    CHANGES[how](code)
    assert tax_rates(config)["B"] == Decimal(16 if "delete" in how else 14)


@pytest.mark.django_db(transaction=True)
def test_nothing_is_asked_twice(django_assert_num_queries: Callable[[int], object]) -> None:
    config = get_snapshot("kra")
    tax_rates(config)
    with django_assert_num_queries(0):  # type: ignore[attr-defined]
        tax_rates(config)
