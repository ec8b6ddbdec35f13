"""The documented helper: a host's billing document as the simple dict that KRA takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from integrations.exceptions import InvalidInput
from integrations.money import parse_amount

# By these names hosts keep the same thing; the first that says something is taken.
_NUMBER = ("invoice_number", "document_number", "number", "reference")
_DATE = ("issue_date", "invoice_date", "document_date", "date", "created_at")
_CUSTOMER = ("customer", "client", "contact")
_NAME = ("name", "business_name", "company_name", "full_name", "get_full_name")
_PIN = ("kra_pin", "pin", "tax_pin", "tax_number")
_LINES = ("items", "lines", "line_items")
_TOTALS = {
    "subtotal": ("subtotal", "sub_total", "net_amount"),
    "tax_amount": ("tax_amount", "total_tax", "tax_total", "vat_amount"),
    "total": ("total", "total_amount", "grand_total"),
}
_LINE = {
    "quantity": ("quantity", "qty"),
    "unit_price": ("unit_price", "price"),
    "tax_rate": ("tax_rate", "vat_rate"),
    "total": ("total", "total_price", "total_amount", "line_total"),
}
_DESCRIPTION = ("description", "name", "title", "product_name")


def build_kra_invoice_payload_from_billing_document(document: Any) -> dict[str, Any]:
    """A billing document of any shape as the documented dict, for `KRAService.submit_invoice`.

    `document` is an object or a dict with a number, a date, a customer, the three totals and
    lines, under one of the names that hosts use; related managers and methods without arguments
    are called. Amounts are Decimal and not floats, as in the original; what is not there is None.
    A currency other than KES and its `exchange_rate` are handed on. Nothing else is checked here.

    Raises InvalidInput naming what has no number, no lines, or an amount that is none.
    """
    number = _first(document, _NUMBER)
    if number is None:
        raise InvalidInput("invoice_number", "is missing.", code="invalid_document")
    customer, totals = _first(document, _CUSTOMER), _first(document, ("totals",))
    payload = {
        "invoice_number": str(number),
        "issue_date": _first(document, _DATE),
        "customer": {
            "name": _text(_first(document, ("customer_name",)) or _first(customer, _NAME)),
            "kra_pin": _text(_first(document, ("customer_pin",)) or _first(customer, _PIN)),
        },
        "totals": {
            name: _amount(_first(totals or document, names), f"totals.{name}")
            for name, names in _TOTALS.items()
        },
        "items": [_line(line, f"items[{index}]") for index, line in enumerate(_lines(document))],
    }
    currency = _text(_first(document, ("currency", "currency_code")))
    if currency and currency != "KES":
        payload |= {"currency": currency, "exchange_rate": _first(document, ("exchange_rate",))}
    return payload


def _line(line: Any, field: str) -> dict[str, Any]:
    description = _first(line, _DESCRIPTION)
    if description is None:
        description = _first(_first(line, ("product", "item")), _DESCRIPTION)
    return {
        "description": _text(description),
        **{name: _amount(_first(line, names), f"{field}.{name}") for name, names in _LINE.items()},
    }


def _lines(document: Any) -> Iterable[Any]:
    found = _first(document, _LINES)
    if found is None:
        raise InvalidInput("items", "is missing.", code="invalid_document")
    every: Iterable[Any] = found.all() if hasattr(found, "all") else found
    return every


def _first(thing: Any, names: tuple[str, ...]) -> Any:
    """What the first of the names holds that is there and not None."""
    for name in names:
        if isinstance(thing, Mapping):
            value = thing.get(name)
        else:
            value = getattr(thing, name, None)
            # A related manager is callable too, and is not meant to be called.
            if callable(value) and not hasattr(value, "all"):
                value = value()
        if value is not None:
            return value
    return None


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _amount(value: Any, field: str) -> Decimal | None:
    if value is None:
        return None
    # A float of the host is what it prints, as in the original.
    return parse_amount(repr(value) if isinstance(value, float) else value, field)
