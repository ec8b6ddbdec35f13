"""Deciding: once, by a second person, about exactly what was shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Model
from django.db.models.functions import Now
from django.utils import timezone

from integrations.access import Scope, scope_of
from integrations.approvals.event_types import describe
from integrations.approvals.facts import GONE, changed_names, digest_of, facts_of
from integrations.approvals.kinds import get_kind
from integrations.events import publish
from integrations.exceptions import ApprovalRefused, ConfigurationError, InvalidInput
from integrations.models import Approval, ApprovalState, AuditEntry, acting_as, name_actor
from integrations.work.clock import database_now

MAX_REASON = 300
MIN_REASON = 3
OWN = "You asked for this yourself: another person has to approve it."
# What people who may not decide are told; the permission is the same for a whole kind.
NOT_ALLOWED = "You may not decide about this: it takes the permission {permission}."
NO_BUSINESS = "You have no access to this business."


def decide(approval: Approval, user: Any, *, approve: bool, reason: str = "") -> Approval:
    """Approve or reject, and do at once what the kind says; the approval as it then stands.

    One transaction: the row locked, the handler, the audit entry and the event, or none of them.
    Nothing is sent to a provider in it.

    Raises ApprovalRefused, with code `approval_decided` where somebody was faster (and names
    them), `approval_own` for the maker, also where the maker's API token asked,
    `approval_forbidden` without the kind's permission or access to the business,
    `approval_expired`, and `approval_changed` where the subject is not any more what was shown.
    Raises InvalidInput where a rejection has no reason, and whatever the handler raises.
    """
    words = _check_reason(reason, is_needed=not approve)
    with transaction.atomic():
        row = lock(approval)
        refusal = _refusal(row, user, approve=approve)
        if refusal:
            raise refusal
        subject = locked_subject(row)
        if approve:
            _require_unchanged(row, subject)
        state = ApprovalState.APPROVED if approve else ApprovalState.REJECTED
        close(row, subject, state, user=user, reason=words)
    return row


def withdraw(approval: Approval, user: Any, *, reason: str = "") -> Approval:
    """Take a request back: by whoever made it, or by the host's own program (`user` None).

    Raises ApprovalRefused with code `approval_decided` or `approval_not_yours`.
    """
    words = _check_reason(reason, is_needed=False)
    with transaction.atomic():
        row = lock(approval)
        _require_open(row)
        if user is not None and user.pk != row.requested_by_id:
            text = f"Only {row.requested_by_name}, who asked for it, can take it back."
            raise ApprovalRefused(text, code="approval_not_yours")
        close(row, locked_subject(row), ApprovalState.WITHDRAWN, user=user, reason=words)
    return row


def why_not(
    approval: Approval, user: Any, *, scope: Scope | None = None, now: datetime | None = None
) -> str:
    """Why `user` can't approve this as it stands, in words; "" where nothing is in the way.

    A list of many gives the user's `scope` and the database's `now`, each asked for once.
    """
    try:
        refusal = _refusal(approval, user, approve=True, scope=scope, now=now)
    except ConfigurationError as error:  # a kind that is not registered any more
        return error.message
    return refusal.message if refusal else ""


def lock(approval: Approval) -> Approval:
    """The row as it stands now, locked until the transaction ends."""
    return Approval.objects.select_for_update().get(pk=approval.pk)


def close(
    row: Approval, subject: Model | None, state: ApprovalState, *, user: Any, reason: str
) -> None:
    """Give a locked, open row its end: state, handler, trail, event. Runs in a transaction."""
    name = name_actor(user) if user else ""
    # Conditional as well: not every database locks rows.
    open_rows = Approval.objects.filter(pk=row.pk, state=ApprovalState.OPEN)
    moved = open_rows.update(
        state=state, reason=reason, decided_by=user.pk if user else None, decided_by_name=name,
        decided_at=Now(),
    )  # fmt: skip
    row.refresh_from_db()
    if not moved:
        raise _decided(row)
    kind = get_kind(row.kind)
    with acting_as(user):
        if subject is not None:
            handle = kind.on_approved if state == ApprovalState.APPROVED else kind.on_rejected
            handle(subject, row)
        AuditEntry.objects.record(
            f"approval.{state}", target=row, business=row.business,
            detail=f"{row.summary} Facts {row.digest}. {reason}".strip()[:500],
        )  # fmt: skip
    publish(f"approval.{state}", describe(row), row.business)


def _refusal(
    row: Approval, user: Any, *, approve: bool, scope: Scope | None = None,
    now: datetime | None = None,
) -> ApprovalRefused | None:  # fmt: skip
    """Rights first: whoever may not see an approval is not told who decided it."""
    permission = get_kind(row.kind).permission
    if not user.has_perm(permission):
        text = NOT_ALLOWED.format(permission=permission)
        return ApprovalRefused(text, code="approval_forbidden")
    if not (scope or scope_of(user)).allows(row.business):
        return ApprovalRefused(NO_BUSINESS, code="approval_forbidden")
    if not row.is_open:
        return _decided(row)
    if user.pk == row.requested_by_id:
        return ApprovalRefused(OWN, code="approval_own")
    if approve and row.expires_at <= (now or database_now()):
        text = f"It has expired, at {_told(row.expires_at)}. It has to be asked for anew."
        return ApprovalRefused(text, code="approval_expired")
    return None


def _require_open(row: Approval) -> None:
    if not row.is_open:
        raise _decided(row)


def _decided(row: Approval) -> ApprovalRefused:
    who = f" by {row.decided_by_name}" if row.decided_by_name else ""
    when = f" at {_told(row.decided_at)}" if row.decided_at else ""
    text = f"It is decided already: {row.get_state_display().lower()}{who}{when}."
    return ApprovalRefused(text, code="approval_decided")


def _told(moment: Any) -> str:
    return f"{timezone.localtime(moment):%d %b %Y, %H:%M}"


def locked_subject(row: Approval) -> Model | None:
    """What it is about, as it stands, and nobody changes it meanwhile; None where it is gone."""
    model = row.content_type.model_class()
    if model is None:
        return None
    rows = model._base_manager.select_for_update()
    return rows.filter(pk=row.object_id).first()


def _require_unchanged(row: Approval, subject: Model | None) -> None:
    """What was shown must be what is done: by the digest, and the digest by what is shown."""
    facts = facts_of(get_kind(row.kind), subject) if subject is not None else []
    if digest_of(facts) == row.digest == digest_of(row.facts):
        return
    changed = ", ".join(changed_names(row.facts, facts)) if subject is not None else GONE
    raise ApprovalRefused(
        f"It is not any more what was asked for ({changed or 'what is shown was altered'}). "
        "Reject it, and have it asked for anew.",
        code="approval_changed",
    )


def _check_reason(reason: str, *, is_needed: bool) -> str:
    text = " ".join(str(reason or "").replace("\x00", "").split())
    if not text and not is_needed:
        return ""
    if not MIN_REASON <= len(text) <= MAX_REASON or not text.isprintable():
        limits = f"in {MIN_REASON} to {MAX_REASON} printable characters"
        why = "say why it is rejected" if is_needed else "must be written"
        raise InvalidInput("reason", f"{why}, {limits}.")
    return text
