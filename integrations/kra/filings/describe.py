"""A filing for answers."""

from __future__ import annotations

from typing import Any

from integrations.models import KRAFiling


def describe_filing(filing: KRAFiling, *, is_new: bool = True) -> dict[str, Any]:
    """How a filing stands, amounts as text."""
    return {
        "filing_id": str(filing.public_id),
        "kind": filing.kind,
        "state": filing.state,
        "kra_pin": filing.kra_pin,
        "period": filing.period,
        "acknowledgement": filing.acknowledgement,
        "prn": filing.payment_number,
        "amount": None if filing.amount is None else str(filing.amount),
        "code": filing.result_code,
        "message": filing.message,
        "repeated": not is_new,
    }
