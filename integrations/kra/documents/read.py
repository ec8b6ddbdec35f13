"""What an ERP hands over, as a typed Invoice: shapes, types and lengths; nothing is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from decimal import Decimal
from typing import Any

from integrations.exceptions import InvalidInput
from integrations.kra.documents import numbers, texts
from integrations.kra.documents.dates import read_date
from integrations.kra.documents.pins import check_pin
from integrations.kra.documents.read_lines import as_mapping, read_line, unknown_keys
from integrations.providers.kra.payloads.invoice import CheckedInvoice, Customer, Invoice, Totals

MOST_LINES = 999
_KNOWN = frozenset(each.name for each in fields(Invoice)) - {"warnings"}
_CUSTOMER = frozenset(each.name for each in fields(Customer))
_TOTALS = frozenset(each.name for each in fields(Totals))


def read_invoice(data: Mapping[str, Any] | Invoice) -> Invoice:
    """An invoice or credit note from the documented dict, a full dict, or an Invoice, checked.

    The documented dict is `invoice_number, issue_date, customer{name, kra_pin},
    totals{subtotal, tax_amount, total}, items[{description, quantity, unit_price, tax_rate,
    total}]`; a full one has the fields of `Invoice`, `Line`, `Customer` and `Totals` by name.
    Amounts are Decimal, int or text; floats only where they are exact (see `numbers.exact`).
    Unknown keys are left out, and told in `warnings`.

    Raises InvalidInput, whose `field` names the line: `items[2].quantity` is of the third.
    """
    if isinstance(data, CheckedInvoice):
        return data
    warnings: list[str] = []
    given = _given(data)
    unknown_keys(given, _KNOWN, "", warnings)
    number = texts.code(given.get("invoice_number"), "invoice_number", 50)
    if not number:
        raise InvalidInput("invoice_number", "is missing.", code="invalid_document")
    if given.get("issue_date") is None:
        raise InvalidInput("issue_date", "is missing.", code="invalid_document")
    original = texts.code(given.get("original_invoice_number"), "original_invoice_number", 50)
    totals = _totals(given.get("totals"), warnings)
    includes = _includes(given.get("prices_include_tax"))
    if not original and includes is None and (totals is None or totals.total is None):
        raise InvalidInput(
            "totals",
            "is missing. Without the total, prices_include_tax has to say what the prices are.",
            code="invalid_document",
        )
    currency, rate = _currency(given, is_credit=bool(original))
    return CheckedInvoice(
        invoice_number=number,
        issue_date=read_date(given["issue_date"], "issue_date"),
        items=_items(given.get("items"), warnings, is_credit=bool(original)),
        customer=_customer(given.get("customer"), warnings),
        totals=totals,
        prices_include_tax=includes,
        currency=currency,
        exchange_rate=rate,
        payment_type=texts.code(given.get("payment_type"), "payment_type", 5),
        remark=texts.words(given.get("remark"), "remark", 400, warnings),
        original_invoice_number=original,
        reason=texts.code(given.get("reason"), "reason", 5),
        warnings=tuple(warnings),
    )


def _given(data: Mapping[str, Any] | Invoice) -> Mapping[str, Any]:
    if isinstance(data, Invoice):
        known = as_mapping(data, "invoice")
        return {name: value for name, value in known.items() if name != "warnings"}
    if isinstance(data, Mapping):
        return data
    raise InvalidInput(
        "invoice",
        f"must be a dict or an Invoice, not {type(data).__name__}.",
        code="invalid_document",
    )


def _items(value: object, warnings: list[str], *, is_credit: bool) -> tuple[Any, ...]:
    if value is None and is_credit:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        reason = "is missing." if value is None else "must be a list."
        raise InvalidInput("items", reason, code="invalid_document")
    if not value and not is_credit:
        raise InvalidInput(
            "items", "is empty: an invoice has at least a line.", code="invalid_document"
        )
    if len(value) > MOST_LINES:
        raise InvalidInput(
            "items", f"has {len(value)} lines; KRA takes {MOST_LINES}.", code="invalid_document"
        )
    return tuple(
        read_line(each, f"items[{index}]", warnings, is_credit=is_credit)
        for index, each in enumerate(value)
    )


def _customer(value: object, warnings: list[str]) -> Customer:
    if value is None:
        return Customer()
    given = as_mapping(value, "customer")
    unknown_keys(given, _CUSTOMER, "customer.", warnings)
    pin = given.get("kra_pin")
    if pin is None or (isinstance(pin, str) and not pin.strip()):
        pin = ""
    else:
        checked = check_pin(pin, "customer.kra_pin")
        pin = checked.pin
        if checked.warning:
            warnings.append(f"customer.kra_pin: {checked.warning}")
    return Customer(
        name=texts.words(given.get("name"), "customer.name", 60, warnings),
        kra_pin=pin,
        phone=texts.code(given.get("phone"), "customer.phone", 20),
    )


def _totals(value: object, warnings: list[str]) -> Totals | None:
    if value is None:
        return None
    given = as_mapping(value, "totals")
    unknown_keys(given, _TOTALS, "totals.", warnings)
    sums = {
        name: None if given.get(name) is None else numbers.money(given[name], f"totals.{name}")
        for name in ("subtotal", "tax_amount", "total")
    }
    return Totals(**sums)


def _includes(value: object) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise InvalidInput("prices_include_tax", "must be true or false.", code="invalid_document")
    return value


def _currency(given: Mapping[str, Any], *, is_credit: bool) -> tuple[str, Decimal | None]:
    text = given.get("currency")
    currency = texts.code("KES" if text is None else text, "currency", 3).upper()
    if len(currency) != 3 or not (currency.isascii() and currency.isalpha()):
        raise InvalidInput("currency", "must be a code such as KES.", code="invalid_currency")
    if given.get("exchange_rate") is None:
        if currency != "KES" and not is_credit:
            raise InvalidInput(
                "exchange_rate", f"is missing: KES for 1 {currency}.", code="invalid_document"
            )
        return currency, None
    rate = numbers.exact(given["exchange_rate"], "exchange_rate", decimals=8)
    if rate <= 0 or numbers.is_finer(rate, 8) or rate >= 10**9:
        raise InvalidInput(
            "exchange_rate", "must be above zero, of at most 8 decimals.", code="invalid_document"
        )
    if currency == "KES" and rate != 1:
        raise InvalidInput(
            "exchange_rate", "must be 1, or left out, for KES.", code="invalid_document"
        )
    return currency, rate
