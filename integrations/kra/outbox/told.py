"""A document as `KRAService` and the API tell it."""

from __future__ import annotations

from typing import Any

from integrations.kra.receipts import qr_text
from integrations.models import InvoiceState, KRAInvoice

# Reference, section 12.
STATUS = {
    InvoiceState.QUEUED: "pending",
    InvoiceState.SENDING: "pending",
    InvoiceState.IN_DOUBT: "in doubt",
    InvoiceState.REGISTERED: "duplicate",
    InvoiceState.SIGNED: "signed",
    InvoiceState.REJECTED: "rejected",
    InvoiceState.NOT_REQUIRED: "not required",
}
_WAITING = (InvoiceState.QUEUED, InvoiceState.SENDING)
WAITS = "It is stored and is sent when its turn comes. The receipt is provisional until then."


def tell(invoice: KRAInvoice) -> dict[str, Any]:
    """The document for programs. No secrets; `is_provisional` until KRA has signed it.

    `status` is a word for people (reference, section 12), `state` ours. Times are ISO 8601.
    """
    original, unit = invoice.original, invoice.branch
    is_signed = invoice.state == InvoiceState.SIGNED
    return {
        "invoice_id": str(invoice.public_id),
        "invoice_number": invoice.trader_number,
        "kind": str(invoice.kind),
        "state": str(invoice.state),
        "status": STATUS[InvoiceState(invoice.state)],
        "is_provisional": not is_signed and invoice.state != InvoiceState.NOT_REQUIRED,
        "message": _message(invoice),
        "attention": invoice.attention,
        "number": invoice.number,
        "pin": unit.tin,
        "branch": unit.bhf_id,
        "environment": invoice.environment,
        "total": f"{invoice.total:.2f}",
        "tax": f"{invoice.tax:.2f}",
        "taxable": f"{invoice.taxable:.2f}",
        "currency": "KES",
        "original_id": str(original.public_id) if original is not None else "",
        "receipt_number": invoice.receipt_number,
        "total_receipt_number": invoice.total_receipt_number,
        "control_unit_id": invoice.control_unit_id,
        "internal_data": invoice.internal_data,
        "signature": invoice.signature,
        "signed_at": invoice.signed_at.isoformat() if invoice.signed_at else None,
        "qr": qr_text(invoice) if is_signed else "",
        "code": invoice.result_code,
        "warnings": list(invoice.document.get("warnings", ())),
    }


def reason_of(invoice: KRAInvoice) -> str:
    """Why it is not signed, in words: what a person has to see to, what KRA said, or why its
    branch is held. "" where nothing stands in its way."""
    told = invoice.attention or invoice.message
    if told or invoice.state not in _WAITING:
        return told
    held = invoice.branch.held_reason
    return f"The branch is held: {held}" if held else ""


def _message(invoice: KRAInvoice) -> str:
    if invoice.message or invoice.state not in _WAITING:
        return invoice.message
    held = invoice.branch.held_reason
    return f"{WAITS} The branch is held: {held}"[:300] if held else WAITS
