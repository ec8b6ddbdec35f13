"""From a stored document to its receipt: what was told to KRA, and what KRA answered."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from integrations.kra.receipts.data import (
    Buyer,
    ControlUnit,
    Foreign,
    Receipt,
    ReceiptLine,
    TaxRow,
    Trader,
)
from integrations.kra.receipts.qr import qr_text
from integrations.kra.receipts.settings import receipt_settings
from integrations.models import Environment, InvoiceKind, InvoiceState, KRAInvoice
from integrations.models.kra_choices import AmountProfile
from integrations.providers.kra.payloads.amounts import round2

ZERO = Decimal(0)
# Code tables 07 and 32, and the tax types of class 04 (reference, sections 7.1 and 10).
PAYMENTS = {
    "01": "Cash", "02": "Credit", "03": "Cash and credit", "04": "Bank cheque", "05": "Card",
    "06": "Mobile money", "07": "Other",
}  # fmt: skip
REASONS = {
    "01": "Missing quantity", "02": "Missing item", "03": "Damaged", "04": "Wasted",
    "05": "Raw material shortage", "06": "Refund", "07": "Wrong PIN", "08": "Wrong name",
    "09": "Wrong price", "10": "Wrong quantity", "11": "Wrong item", "12": "Wrong tax type",
    "13": "Other",
}  # fmt: skip
TAX_NAMES = {"A": "Exempt", "B": "VAT", "C": "Zero rated", "D": "Non-VAT", "E": "VAT"}
COPY = "COPY"
PROVISIONAL = "PROVISIONAL: not a tax receipt; reprint when signed"
REJECTED = "REJECTED by KRA: not a tax receipt"
NOT_REQUIRED = "Not for eTIMS: KRA is not told of this"
TRAINING = "TRAINING: not a tax receipt"
SANDBOX = "SANDBOX: a test, not a tax receipt"


def receipt_of(invoice: KRAInvoice, *, copy: bool = False, training: bool = False) -> Receipt:
    """The receipt of a document, provisional until it is signed.

    `copy` marks it as a reprint; `training` makes an example of it (TS). Counts nothing: whoever
    hands receipts out takes `integrations.kra.receipts.hand_out`. Raises
    ConfigurationUnavailable when the settings can't be read.
    """
    document: Mapping[str, Any] = invoice.document
    settings = receipt_settings(invoice)
    is_signed = invoice.state == InvoiceState.SIGNED and not training
    is_credit = invoice.kind == InvoiceKind.CREDIT_NOTE
    sign = Decimal(-1 if is_credit else 1)
    sums = document["totals"]
    original = invoice.original
    excluded = _excluded(document, sign)
    return Receipt(
        title="CREDIT NOTE" if is_credit else "TAX INVOICE",
        label=_label(invoice, copy=copy, training=training),
        notices=_notices(invoice, copy=copy and is_signed, training=training),
        is_signed=is_signed,
        is_copy=copy and is_signed,
        trader=_trader(invoice, settings),
        buyer=Buyer(invoice.customer_name, invoice.customer_pin),
        trader_number=invoice.trader_number,
        number=invoice.number,
        issued_at=invoice.issued_at,
        lines=(*_lines(document, sign), *excluded),
        taxes=_taxes(document, sign),
        discount=sum((_money(line["discount"], sign) for line in document["lines"]), ZERO),
        excluded=sum((line.total for line in excluded), ZERO),
        taxable=_money(sums["taxable"], sign),
        tax=_money(sums["tax"], sign),
        total=invoice.total * sign + sum((line.total for line in excluded), ZERO),
        payment=PAYMENTS.get(document.get("payment_type") or "", "Other"),
        control_unit=_control_unit(invoice) if is_signed else None,
        qr=qr_text(invoice, settings) if is_signed else "",
        original_control_number=control_number(original) if original else "",
        original_trader_number=original.trader_number if original else "",
        reason=_reason(invoice),
        foreign=_foreign(invoice, sign),
        top_message=_printed(invoice, settings, "topMsg", "top_message"),
        bottom_message=_printed(invoice, settings, "btmMsg", "bottom_message"),
        is_net=invoice.profile == AmountProfile.ALL_NET,
    )


def control_number(invoice: KRAInvoice) -> str:
    """The control unit's number of an invoice, `{sdcId}/{receiptNo}`; "" until it is signed."""
    if invoice.receipt_number is None or not invoice.control_unit_id:
        return ""
    return f"{invoice.control_unit_id}/{invoice.receipt_number}"


def _label(invoice: KRAInvoice, *, copy: bool, training: bool) -> str:
    """Transaction type (class 14) and kind, as section 9 writes them."""
    if invoice.state == InvoiceState.NOT_REQUIRED:
        return ""
    kind = "C" if invoice.kind == InvoiceKind.CREDIT_NOTE else "S"
    if training:
        return f"T{kind}"
    if invoice.state != InvoiceState.SIGNED:
        return f"P{kind}"
    return f"{'C' if copy else 'N'}{kind}"


def _notices(invoice: KRAInvoice, *, copy: bool, training: bool) -> tuple[str, ...]:
    found = [COPY] if copy else []
    if training:
        found.append(TRAINING)
    elif invoice.state == InvoiceState.REJECTED:
        found.append(REJECTED)
    elif invoice.state == InvoiceState.NOT_REQUIRED:
        found.append(NOT_REQUIRED)
    elif invoice.state != InvoiceState.SIGNED:
        found.append(PROVISIONAL)
    if invoice.environment != Environment.PRODUCTION:
        found.append(SANDBOX)
    return tuple(found)


def _trader(invoice: KRAInvoice, settings: Mapping[str, Any]) -> Trader:
    branch = invoice.branch
    legal_name = branch.taxpayer_name
    name = _printed(invoice, settings, "trdeNm", "trade_name") or legal_name or branch.tin
    return Trader(
        name=name,
        legal_name=legal_name or name,
        pin=branch.tin,
        branch=branch.bhf_id,
        branch_name=branch.branch_name,
        address=_printed(invoice, settings, "adrs", "receipt_address"),
    )


def _printed(invoice: KRAInvoice, settings: Mapping[str, Any], sent: str, name: str) -> str:
    """What was sent to KRA as printed; what the settings say where nothing was sent yet."""
    told = (invoice.body or {}).get("receipt")
    return str((told[sent] if told and sent in told else settings[name]) or "")


def _lines(document: Mapping[str, Any], sign: Decimal) -> tuple[ReceiptLine, ...]:
    return tuple(
        ReceiptLine(
            number=int(line["position"]),
            name=line["name"],
            code=line["item_code"],
            quantity=Decimal(line["quantity"]),
            unit=line["quantity_unit"],
            price=Decimal(line["price"]),
            discount=_money(line["discount"], sign),
            total=_money(line["total"], sign),
            tax_type=line["tax_type"],
        )
        for line in document["lines"]
    )


def _excluded(document: Mapping[str, Any], sign: Decimal) -> tuple[ReceiptLine, ...]:
    """Lines that the buyer pays and KRA is not told of, in KES like the others."""
    return tuple(
        ReceiptLine(
            number=line["position"],
            name=line["name"],
            code=line["item_code"],
            quantity=Decimal(line["quantity"]),
            unit="",
            price=round2(Decimal(line["total"]) / Decimal(line["quantity"])),
            discount=ZERO,
            total=_money(line["total"], sign),
            tax_type="",
        )
        for line in document["excluded"]
    )


def _taxes(document: Mapping[str, Any], sign: Decimal) -> tuple[TaxRow, ...]:
    """All five types: the layout shows those without amounts too."""
    sums, rates = document["totals"], document["rates"]
    return tuple(
        TaxRow(
            tax_type=kind,
            name=name,
            rate=Decimal(rates[kind]),
            taxable=_money(sums[f"taxable_{kind}"], sign),
            tax=_money(sums[f"tax_{kind}"], sign),
        )
        for kind, name in TAX_NAMES.items()
    )


def _control_unit(invoice: KRAInvoice) -> ControlUnit:
    return ControlUnit(
        unit_id=invoice.control_unit_id,
        receipt_number=invoice.receipt_number,
        total_receipt_number=invoice.total_receipt_number,
        invoice_number=control_number(invoice),
        signed_at=invoice.signed_at,
        internal_data=invoice.internal_data,
        signature=invoice.signature,
        mrc_no=invoice.mrc_no,
    )


def _reason(invoice: KRAInvoice) -> str:
    if invoice.kind != InvoiceKind.CREDIT_NOTE or not invoice.reason:
        return ""
    return f"{invoice.reason} {REASONS.get(invoice.reason, '')}".strip()


def _foreign(invoice: KRAInvoice, sign: Decimal) -> Foreign | None:
    """What the buyer was asked for, where that was not in KES."""
    if invoice.currency == "KES":
        return None
    document = invoice.document
    paid = (line["paid"] for line in (*document["lines"], *document["excluded"]))
    total = sum((Decimal(each) for each in paid), ZERO)
    return Foreign(invoice.currency, invoice.exchange_rate, total * sign)


def _money(text: Any, sign: Decimal) -> Decimal:
    """Of a credit note with a minus; nothing is 0.00 there too, never -0.00."""
    return Decimal(text) * sign + ZERO
