"""Invoices and credit notes at random: of one to five lines, some of them wrong."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

from integrations.models import KRAInvoice
from tests.chaos.kra_installation import ITEMS

CUSTOMERS: tuple[dict[str, str], ...] = (
    {},
    {"name": "Mwangi & Sons"},
    {"name": "Njeri", "kra_pin": "A123456789B"},
)
# What is wrong with a line, and what the error must name of it.
FLAWS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"quantity": "-1"}, "quantity"),
    ({"unit_price": "-5.00"}, "unit_price"),
    ({"quantity": "0"}, "quantity"),
    ({"item_code": "KE2NTNO0009999"}, "item_code"),
    ({"tax_rate": "15"}, "tax_rate"),
    # 0.01 off; whatever the tax, it is no figure of this line.
    ({"quantity": "2", "unit_price": "500.00", "discount_rate": "0", "total": "1000.01"}, "total"),
)
# What nobody has: nine digits are wanted.
WRONG_PIN = {"name": "Wanjiru", "kra_pin": "P05123456X"}


class Papers:
    """Makes what an ERP hands in; the same dice make the same papers."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._count = 0

    def sale(self, branch: str) -> dict[str, Any]:
        """An invoice of a branch."""
        dice = self._dice
        lines = [self._line() for _ in range(dice.randint(1, 5))]
        return {
            "invoice_number": self._name("INV", branch),
            "issue_date": "2026-11-23",
            "customer": dice.choice(CUSTOMERS),
            "prices_include_tax": dice.random() < 0.7,
            "items": lines,
        }

    def credit(self, branch: str, original: KRAInvoice) -> dict[str, Any]:
        """A credit note: of all that is left, or of one piece of the first line."""
        note: dict[str, Any] = {
            "invoice_number": self._name("CN", branch),
            "issue_date": "2026-11-23",
            "original_invoice_number": original.trader_number,
            "customer": {"name": original.customer_name, "kra_pin": original.customer_pin},
            "reason": self._dice.choice(["01", "03", "06"]),
        }
        line = original.document["lines"][0]
        if Decimal(line["quantity"]) > 1 and self._dice.random() < 0.6:
            part = {"description": line["name"], "item_code": line["item_code"], "quantity": "1",
                    "original_line": 1}  # fmt: skip
            return {**note, "items": [part]}
        return note

    def flawed(self, branch: str) -> tuple[dict[str, Any], str]:
        """An invoice that must not be taken, and the field that is wrong."""
        paper = self.sale(branch)
        lot = self._dice.randrange(len(FLAWS) + 1)
        if lot == len(FLAWS):
            return {**paper, "customer": WRONG_PIN}, "customer.kra_pin"
        flaw, field = FLAWS[lot]
        position = self._dice.randrange(len(paper["items"]))
        paper["items"][position] |= flaw
        return paper, f"items[{position}].{field}"

    def over_credit(self, branch: str, original: KRAInvoice) -> dict[str, Any]:
        """A credit note of one piece more than the first line had."""
        lines = original.document["lines"]
        line = lines[0]
        # Told KRA as two lines, where one price makes no even total.
        parts = [each for each in lines if each["source"] == line["source"]]
        pieces = sum(Decimal(each["quantity"]) for each in parts) + 1
        part = {"description": line["name"], "item_code": line["item_code"],
                "quantity": str(pieces), "original_line": 1}  # fmt: skip
        return {**self.credit(branch, original), "items": [part]}

    def _line(self) -> dict[str, Any]:
        dice = self._dice
        code, _cls, name, *_rest = dice.choice(ITEMS)
        line = {
            "description": name,
            "item_code": code,
            "quantity": str(dice.choice([1, 2, 3, 7, Decimal("0.5"), Decimal("2.25")])),
            "unit_price": f"{dice.randint(1, 500000) / 100:.2f}",
        }
        if dice.random() < 0.2:
            line["discount_rate"] = str(dice.choice([5, 10, 33]))
        return line

    def _name(self, kind: str, branch: str) -> str:
        self._count += 1
        return f"{kind}-{branch}-{self._count:05d}"
