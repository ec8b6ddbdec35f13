"""Rows of the pull product: what happened on a short code. Source: Daraja reference, section 16."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from integrations.exceptions import InvalidInput
from integrations.money import parse_money
from integrations.providers.mpesa.callbacks.reading import read_moment, read_receipt, scalar


@dataclass(frozen=True, slots=True)
class PulledRow:
    """One transaction. `kind` is M-Pesa's text; `msisdn` may be masked or a digest."""

    receipt: str
    at: datetime | None
    amount: Decimal
    kind: str = ""
    bill_ref: str = ""
    msisdn: str = ""
    organization: str = ""
    sender: str = ""


def parse_pulled(response: object) -> tuple[tuple[PulledRow, ...], int, tuple[str, ...]]:
    """The rows of `Response`, how many there were, and what is wrong with those left out.

    `Response` is a list inside a list, or either of them missing. One bad row does not cost
    the others.
    """
    rows, wrong, count = [], [], 0
    for raw in _flat(response):
        count += 1
        try:
            rows.append(_row(raw))
        except InvalidInput as error:
            wrong.append(f"row {count}: {error.message}"[:200])
    return tuple(rows), count, tuple(wrong)


def _flat(value: object, depth: int = 0) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield {str(key).replace(" ", "").lower(): inner for key, inner in value.items()}
    elif isinstance(value, list) and depth < 3:
        for inner in value:
            yield from _flat(inner, depth + 1)


def _row(raw: dict[str, Any]) -> PulledRow:
    receipt = read_receipt(raw.get("transactionid"), "transactionId")
    if not receipt:
        raise InvalidInput("transactionId", "is missing.", code="incomplete")
    return PulledRow(
        receipt=receipt,
        at=read_moment(raw.get("trxdate")),
        amount=parse_money(raw.get("amount"), field="amount").amount,
        kind=scalar(raw.get("transactiontype"), 80),
        bill_ref=scalar(raw.get("billreference"), 64),
        msisdn=scalar(raw.get("msisdn"), 80),
        organization=scalar(raw.get("organizationname"), 120),
        sender=scalar(raw.get("sender"), 120),
    )
