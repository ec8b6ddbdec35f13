"""Maker-checker: what one person asked for, a second one approves before it is done.

    register(Kind("payout", "Payout", "integrations.approve_payout", send, cancel, describe))
    ...
    with transaction.atomic():
        payment = ...                                   # stored, and waiting
        request_approval("payout", payment, business=..., amount=..., currency="KES", summary=...)
    ...
    decide(approval, user, approve=True)                # calls `send(payment, approval)`

See docs/how-to/approve.md and docs/decisions/0013-maker-checker.md.
"""

from integrations.approvals.approvers import decidable_by, kinds_of, no_approver_words
from integrations.approvals.decide import decide, why_not, withdraw
from integrations.approvals.expiry import expire_overdue
from integrations.approvals.facts import digest_of, facts_of
from integrations.approvals.kinds import Kind, get_kind, kinds, label_of, register, unregister
from integrations.approvals.request import (
    latest_approval_of,
    open_approval_of,
    request_approval,
)

__all__ = [
    "Kind",
    "decidable_by",
    "decide",
    "digest_of",
    "expire_overdue",
    "facts_of",
    "get_kind",
    "kinds",
    "kinds_of",
    "label_of",
    "latest_approval_of",
    "no_approver_words",
    "open_approval_of",
    "register",
    "request_approval",
    "unregister",
    "why_not",
    "withdraw",
]
