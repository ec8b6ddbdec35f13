"""The body of a withholding-tax PRN. Source: eTIMS reference, section 11.1.

The fields of VAT are [2], those of income tax and rent [1]: the setting `gavaconnect_facts`
renames any of them (“withholding_vat.withholderPin = withholderPIN”).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from types import MappingProxyType
from typing import Any

CENT = Decimal("0.01")
OBLIGATIONS: Mapping[str, str] = MappingProxyType(
    {
        "withholding_vat": "WHTVAT",
        "withholding_income": "WHTIT",
        "withholding_rental": "WHTRENT",
    }
)


@dataclass(frozen=True, slots=True)
class WithheldLine:
    """One payment from which tax was withheld; amounts in KES, the rate in percent.

    `details` are the texts that only some kinds have, by KRA's names.
    """

    withholdee_pin: str
    payment_date: datetime
    gross_amount: Decimal
    tax_rate: Decimal
    tax_amount: Decimal
    invoice_number: str = ""
    invoice_date: datetime | None = None
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Withholding:
    """What was withheld in a period, for one PRN. Times are Nairobi's wall time."""

    kind: str
    withholder_pin: str
    unique_number: str
    period_from: datetime
    period_to: datetime
    lines: Sequence[WithheldLine]

    @property
    def gross(self) -> Decimal:
        """The sum of what was paid."""
        return sum((line.gross_amount for line in self.lines), Decimal())

    @property
    def tax(self) -> Decimal:
        """The sum of what was withheld."""
        return sum((line.tax_amount for line in self.lines), Decimal())


def tax_of(gross: Decimal, rate: Decimal) -> Decimal:
    """The tax on an amount, to the cent: gross * rate / 100."""
    return (gross * rate / 100).quantize(CENT, ROUND_HALF_UP)


def withholding_body(withholding: Withholding) -> dict[str, Any]:
    """The exact body, amounts as texts of their digits; `wire_value` makes numbers of them."""
    return {
        "transactionHeader": {
            "withholderPin": withholding.withholder_pin,
            "transactionUniqueNo": withholding.unique_number,
            "noOfTransactions": len(withholding.lines),
            "taxObligation": OBLIGATIONS[withholding.kind],
            "taxPeriodFrom": stamp(withholding.period_from),
            "taxPeriodTo": stamp(withholding.period_to),
            "totalGrossAmount": withholding.gross,
            "totalTaxAmount": withholding.tax,
        },
        "transactionDetails": [_detail(withholding.kind, line) for line in withholding.lines],
    }


def _detail(kind: str, line: WithheldLine) -> dict[str, Any]:
    is_rent = kind == "withholding_rental"
    detail: dict[str, Any] = {"landlordPin" if is_rent else "withholdeePin": line.withholdee_pin}
    if line.invoice_number:
        detail["invoiceNo"] = line.invoice_number
    if line.invoice_date is not None:
        detail["invoiceDate"] = stamp(line.invoice_date)
    return {
        **detail,
        **line.details,
        "paymentDate": stamp(line.payment_date),
        "grossAmount": line.gross_amount,
        "taxRate": line.tax_rate,
        "taxAmount": line.tax_amount,
    }


def stamp(moment: datetime) -> str:
    """A moment as these products want it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S")
