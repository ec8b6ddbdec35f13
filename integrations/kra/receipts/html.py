"""Receipts as a page: on a screen, on a roll of 80 mm and on A4, by its own style sheet."""

from __future__ import annotations

from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

from integrations.kra.receipts import words
from integrations.kra.receipts.data import Receipt
from integrations.kra.receipts.qr import qr_svg

TEMPLATE = "integrations/kra_receipt.html"


def html_of(receipt: Receipt) -> SafeString:
    """The whole page. Nothing of it is loaded from anywhere: it prints without a network."""
    return render_to_string(TEMPLATE, context_of(receipt))


def context_of(receipt: Receipt) -> dict[str, Any]:
    """What the template needs: the receipt, and its numbers as people read them."""
    unit = receipt.control_unit
    return {
        "receipt": receipt,
        "issued": (words.day(receipt.issued_at), words.clock(receipt.issued_at)),
        "lines": [
            {
                "number": line.number, "name": line.name, "code": line.code,
                "quantity": f"{words.quantity(line.quantity)} {line.unit}".strip(),
                "price": words.money(line.price), "tax_type": line.tax_type or "*",
                "discount": words.money(-line.discount) if line.discount else "",
                "total": words.money(line.total),
            }
            for line in receipt.lines
        ],
        "taxes": [
            (f"{row.tax_type} {row.name}", words.rate(row.rate), words.money(row.taxable),
             words.money(row.tax))
            for row in receipt.taxes
        ],
        "discount": words.money(-receipt.discount) if receipt.discount else "",
        "excluded": words.money(receipt.excluded) if receipt.excluded else "",
        "taxable": words.money(receipt.taxable),
        "tax": words.money(receipt.tax),
        "total": words.money(receipt.total),
        "foreign": _foreign(receipt),
        "unit": unit and {
            "signed": unit.signed_at and (words.day(unit.signed_at), words.clock(unit.signed_at)),
            "internal_data": words.dashed(unit.internal_data),
            "signature": words.dashed(unit.signature),
        },
        # Made from the code's modules alone.
        "qr": mark_safe(qr_svg(receipt.qr)) if receipt.qr else "",  # noqa: S308
    }  # fmt: skip


def _foreign(receipt: Receipt) -> dict[str, str] | None:
    if receipt.foreign is None:
        return None
    return {
        "currency": receipt.foreign.currency,
        "total": words.money(receipt.foreign.total),
        "rate": words.quantity(receipt.foreign.rate),
    }
