"""Every event that approvals publish, and what it carries; the reference page is made from this."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from integrations.models import Approval

EVENTS: Mapping[str, str] = MappingProxyType(
    {
        "approval.requested": "Something waits for a second person.",
        "approval.approved": "A second person approved; what was asked for goes ahead.",
        "approval.rejected": "A second person said no, and why.",
        "approval.withdrawn": "Whoever asked took the request back.",
        "approval.expired": "Nobody decided in time; what was asked for is not done.",
    }
)
PAYLOAD: Mapping[str, str] = MappingProxyType(
    {
        "approval_id": "`Approval.public_id`, text.",
        "kind": "What kind of thing it is, such as `payout`.",
        "state": "`open`, `approved`, `rejected`, `withdrawn` or `expired`.",
        "amount": 'Text with two decimals, such as `"1000.00"`.',
        "currency": "`KES`.",
        "summary": "One line for people; phone numbers are masked.",
        "subject_type": "The model of what it is about, such as `integrations.Payment`.",
        "subject_id": "Its public id, where it has one.",
        "requested_by": "Who asked, by name.",
        "decided_by": "Who decided, by name; empty while nobody has, and where it expired.",
        "reason": "Why it was rejected or taken back.",
        "expires_at": "When it expires, ISO 8601.",
    }
)


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
