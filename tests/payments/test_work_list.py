"""The registry of what waits for people."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.exceptions import ConfigurationError
from integrations.models import Payment
from integrations.payments import work_list


def test_a_payment_that_needs_a_person_is_a_line(db: None) -> None:
    Payment.objects.create(provider="mpesa", product="stk_push", environment="sandbox", amount=5)
    flagged = Payment.objects.create(
        provider="mpesa", product="stk_push", environment="sandbox", amount=10, business="duka",
        account_reference="INV-1", attention="Compare.",
    )  # fmt: skip
    [row] = work_list.ATTENTION.rows()
    line = work_list.ATTENTION.line(row)
    assert (line.pk, line.business, line.amount, line.currency) == (flagged.pk, "duka", 10, "KES")
    assert (line.reference, line.reason) == ("INV-1", "Compare.")


def test_a_name_means_one_source() -> None:
    work_list.register(work_list.ATTENTION)
    with pytest.raises(ConfigurationError, match="named payments"):
        work_list.register(replace(work_list.ATTENTION, title="Another"))
