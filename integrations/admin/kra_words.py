"""Words and badges of tax documents and control units."""

from __future__ import annotations

import json
from typing import NamedTuple

from django.utils import timezone

from integrations.admin.badges import Badge
from integrations.models import DeviceState, InvoiceKind, InvoiceState, KRABranch, KRAInvoice

S = InvoiceState
INVOICE_TONES: dict[str, str] = {
    S.QUEUED: "busy",
    S.SENDING: "busy",
    S.IN_DOUBT: "warn",
    S.REGISTERED: "warn",
    S.SIGNED: "good",
    S.REJECTED: "bad",
    S.NOT_REQUIRED: "calm",
}
DEVICE_TONES: dict[str, str] = {
    DeviceState.NONE: "warn",
    DeviceState.SENDING: "busy",
    DeviceState.READY: "good",
    DeviceState.REFUSED: "bad",
    DeviceState.UNKNOWN: "warn",
}
# What each state means to whoever looks at one document.
MEANINGS: dict[str, str] = {
    S.QUEUED: "It is sent when its turn comes, after everything before it at its branch.",
    S.SENDING: "It is being sent now.",
    S.IN_DOUBT: "KRA's answer was lost. Its number is kept, and KRA is asked what became of it; "
    "nothing behind it is sent meanwhile.",
    S.REGISTERED: "KRA has it. Its signature is asked for again by itself.",
    S.SIGNED: "KRA has signed it. It can only be credited now.",
    S.REJECTED: "KRA has not taken it, and its number went to the next one. Correct it in the ERP "
    "and hand it in again under the same number.",
    S.NOT_REQUIRED: "Everything on it is excluded from eTIMS: KRA is not told.",
}
# A document has a dozen events; a branch that was away for days must not make a page unreadable.
EVENTS_SHOWN = 200


class Moment(NamedTuple):
    """One line of a document's history."""

    at: str
    kind: str
    move: str
    text: str
    details: str


def invoice_badge(state: str) -> Badge:
    """A document's state."""
    label = dict(S.choices).get(S(state)) if state in S.values else state
    return Badge(str(label), INVOICE_TONES.get(state, "calm"))


def kind_badge(kind: str) -> Badge:
    """Invoice or credit note."""
    is_credit = kind == InvoiceKind.CREDIT_NOTE
    return Badge(str(InvoiceKind(kind).label), "busy" if is_credit else "calm")


def device_badge(state: str) -> Badge:
    """How far a control unit is."""
    return Badge(str(DeviceState(state).label), DEVICE_TONES.get(state, "calm"))


def held_badge(branch: KRABranch) -> Badge:
    """Whether anything is sent."""
    return Badge("Held", "bad") if branch.held_reason else Badge("Sending", "good")


def moments_of(invoice: KRAInvoice) -> list[Moment]:
    """What happened to the document, oldest first."""
    return [
        Moment(
            at=f"{timezone.localtime(event.at):%d %b %Y, %H:%M:%S.%f}"[:-4],
            kind=event.kind.replace("_", " "),
            move=" → ".join(_label(state) for state in (event.from_state, event.to_state) if state),
            text=event.text,
            details=json.dumps(event.data, ensure_ascii=False) if event.data else "",
        )
        for event in invoice.events.all()[:EVENTS_SHOWN]
    ]


def _label(state: str) -> str:
    return str(S(state).label) if state in S.values else state


def signed_amount(invoice: KRAInvoice) -> str:
    """The total as receipts print it: credit notes below zero."""
    sign = -1 if invoice.kind == InvoiceKind.CREDIT_NOTE else 1
    return f"KES {invoice.total * sign:,.2f}"
