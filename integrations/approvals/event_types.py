"""Every event that approvals publish, and what it carries: the catalogue is made from this."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from integrations.events.catalogue import EventType
from integrations.events.keys import Key, amount, choice, declare, moment, text
from integrations.models import Approval, ApprovalState

EVENTS: Mapping[str, str] = MappingProxyType(
    {
        "approval.requested": "Something waits for a second person.",
        "approval.approved": "A second person approved; what was asked for goes ahead.",
        "approval.rejected": "A second person said no, and why.",
        "approval.withdrawn": "Whoever asked took the request back.",
        "approval.expired": "Nobody decided in time; what was asked for is not done.",
    }
)
PAYLOAD: Mapping[str, Key] = MappingProxyType(
    {
        "approval_id": text("`Approval.public_id`, text.", "7c2f9a1e-4b3d-4e6f-a8c5-9d0e1f2a3b64"),
        "kind": text("What kind of thing it is, such as `payout`.", "payout"),
        "state": choice("Where the request stands.", ApprovalState.values, "open"),
        "amount": amount('Text with two decimals, such as `"1000.00"`.', "1000.00"),
        "currency": text("`KES`.", "KES"),
        "summary": text(
            "One line for people; phone numbers are masked.", "Pay KES 1,000.00 to 2547***678"
        ),
        "subject_type": text(
            "The model of what it is about, such as `integrations.Payment`.",
            "integrations.Payment",
        ),
        "subject_id": text(
            "Its public id, where it has one.", "0d4f6a52-7f0e-4d6b-9a56-5f1f3f1c2a10"
        ),
        "requested_by": text("Who asked, by name.", "wanjiku"),
        "decided_by": text(
            "Who decided, by name; empty while nobody has, and where it expired.", "otieno"
        ),
        "reason": text("Why it was rejected or taken back."),
        "expires_at": moment("When it expires, ISO 8601."),
    }
)
_EXAMPLES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "approval.requested": {"state": "open", "decided_by": ""},
        "approval.approved": {"state": "approved"},
        "approval.rejected": {"state": "rejected", "reason": "This supplier is paid by cheque."},
        "approval.withdrawn": {
            "state": "withdrawn", "decided_by": "wanjiku", "reason": "Typed twice.",
        },
        "approval.expired": {"state": "expired", "decided_by": ""},
    }
)  # fmt: skip


def event_types() -> list[EventType]:
    """All of them as the catalogue has them."""
    return declare("Approvals", EVENTS, PAYLOAD, examples=_EXAMPLES)


def describe(approval: Approval) -> dict[str, Any]:
    """The approval as events tell it; the subject's facts stay in the row."""
    subject = approval.subject
    return {
        "approval_id": str(approval.public_id),
        "kind": approval.kind,
        "state": str(approval.state),
        "amount": f"{approval.amount:.2f}",
        "currency": approval.currency,
        "summary": approval.summary,
        "subject_type": subject._meta.label if subject is not None else "",
        "subject_id": str(getattr(subject, "public_id", approval.object_id)),
        "requested_by": approval.requested_by_name,
        "decided_by": approval.decided_by_name,
        "reason": approval.reason,
        "expires_at": approval.expires_at.isoformat(),
    }
