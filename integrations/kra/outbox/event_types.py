"""Every event that invoices and their branches publish, and what it carries."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from integrations.events.catalogue import EventType
from integrations.events.keys import Key, amount, choice, declare, text
from integrations.models import Environment, InvoiceKind, InvoiceState

EVENTS: Mapping[str, str] = MappingProxyType(
    {
        "invoice.signed": "KRA has signed an invoice or a credit note: its receipt can be printed.",
        "invoice.rejected": "KRA refused a document for what it says; correct it and hand it in "
        "again under the same number. Told also of a credit note whose invoice was rejected.",
        "invoice.in_doubt": "KRA's answer did not arrive: it is being found out whether it has "
        "the document. Told once for a doubt, and again where whoever sends it anew is lost too; "
        "`invoice.signed` or `invoice.rejected` follows, by VSCU perhaps only when a person has "
        "typed the signature in.",
    }
)
BRANCH_EVENTS: Mapping[str, str] = MappingProxyType(
    {
        "kra.branch_stalled": "Invoices of a branch do not reach KRA: the branch is held, or they "
        "have waited too long. Told once, until it has recovered.",
        "kra.branch_recovered": "Invoices of a branch that was stalled reach KRA again.",
    }
)


def _maybe_count(meaning: str, example: int) -> Key:
    return Key(meaning, example, {"type": ["integer", "null"], "minimum": 0})


def _maybe_moment(meaning: str) -> Key:
    example = "2026-01-31T09:30:00+00:00"
    return Key(meaning, example, {"type": ["string", "null"], "format": "date-time"})


_ENVIRONMENT = choice("`sandbox` or `production`.", Environment.values, "production")
_PIN = text("The taxpayer's PIN.", "P051234567X")
_BRANCH = text("KRA's two digits of the branch.", "00")
PAYLOAD: Mapping[str, Key] = MappingProxyType(
    {
        "invoice_id": text("`KRAInvoice.public_id`, text.", "7c0f3a9e-5d1b-4f0c-8a77-2f6f0c1d9b42"),
        "kind": choice("What it is.", InvoiceKind.values, "sale"),
        "trader_number": text("The ERP's own number.", "INV-2026-000123"),
        "number": _maybe_count("KRA's number; null where it has none.", 57),
        "environment": _ENVIRONMENT,
        "pin": _PIN,
        "branch": _BRANCH,
        "state": choice("Where it stands.", InvoiceState.values, "signed"),
        "previous_state": choice("Where it stood.", ["", *InvoiceState.values], "sending"),
        "total": amount("What the buyer pays, in KES, text with two decimals.", "1160.00"),
        "tax": amount("The tax in it, in KES.", "160.00"),
        "currency": text("`KES`.", "KES"),
        "original_id": text("Of a credit note: the invoice that it credits, text; else empty."),
        "receipt_number": _maybe_count("KRA's receipt number; null until it is signed.", 41),
        "total_receipt_number": _maybe_count("Of all receipts of the control unit.", 57),
        "control_unit_id": text("The control unit that signed it.", "KRACU0100000001"),
        "internal_data": text("Printed on the receipt.", "V2LRUJDS3SYMYB7IL5OFR5LLLE"),
        "signature": text("Printed on the receipt.", "JQ2NVXCAUC3DP5OZ"),
        "signed_at": _maybe_moment("When the control unit signed it (ISO 8601); else null."),
        "result_code": text("KRA's result code, or ours.", "000"),
        "message": text("Cause and next step in words; empty where all is well.", ""),
    }
)
BRANCH_PAYLOAD: Mapping[str, Key] = MappingProxyType(
    {
        "environment": _ENVIRONMENT,
        "pin": _PIN,
        "branch": _BRANCH,
        "cause": choice(
            "`held`, `waiting`, or `recovered`.", ["held", "waiting", "recovered"], "waiting"
        ),
        "message": text(
            "In words.",
            "Invoices of P051234567X branch 00 have waited for KRA for 20 hours: 12 wait.",
        ),
        "waiting_since": _maybe_moment("Since when the first one waits (ISO 8601); else null."),
        "last_contact_at": _maybe_moment("KRA's last answer (ISO 8601); null where there is none."),
    }
)
_NOT_SIGNED: Mapping[str, object] = MappingProxyType(
    {
        "receipt_number": None, "total_receipt_number": None, "control_unit_id": "",
        "internal_data": "", "signature": "", "signed_at": None,
    }
)  # fmt: skip
_EXAMPLES: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "invoice.rejected": {
            **_NOT_SIGNED, "state": "rejected", "number": None, "result_code": "913",
            "message": "A value is not in KRA's code list: [<itemList><pkgUnitCd>].",
        },
        "invoice.in_doubt": {
            **_NOT_SIGNED, "state": "in_doubt", "result_code": "timeout",
            "message": "KRA's answer did not arrive: whether it has the document is being found "
            "out.",
        },
        "kra.branch_recovered": {
            "cause": "recovered", "waiting_since": None,
            "message": "P051234567X branch 00 (production): invoices reach KRA again.",
        },
    }
)  # fmt: skip


def event_types() -> list[EventType]:
    """All of them as the catalogue has them."""
    return [
        *declare("KRA invoices", EVENTS, PAYLOAD, examples=_EXAMPLES),
        *declare("KRA branches", BRANCH_EVENTS, BRANCH_PAYLOAD, examples=_EXAMPLES),
    ]
