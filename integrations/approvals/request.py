"""Asking for approval, in the transaction that stores what is asked for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import IntegrityError, transaction
from django.db.models import Model, QuerySet

from integrations.approvals.approvers import no_approver_words
from integrations.approvals.event_types import describe
from integrations.approvals.facts import digest_of, facts_of
from integrations.approvals.kinds import get_kind
from integrations.conf import hub_settings
from integrations.events import publish
from integrations.exceptions import ApprovalRefused
from integrations.models import (
    Approval,
    ApprovalState,
    AuditEntry,
    acting_as,
    current_actor,
    name_actor,
)
from integrations.work import later


def request_approval(
    kind: str,
    subject: Model,
    *,
    business: str,
    amount: Decimal,
    currency: str,
    summary: str,
    requested_by: Any = None,
) -> Approval:
    """Store a request for approval of `subject`, which is stored already and does not move yet.

    Joins the caller's transaction: rolled back means never asked. `requested_by` is the maker,
    who can't approve it; left out, it is whoever acts now (the user of an API token too), or
    nobody where a program of the host does. `summary` is one line for people and for events:
    phone numbers in it are masked. `approval.warning` tells the maker where nobody else could
    approve. It expires after INTEGRATIONS_APPROVAL_HOURS.

    Raises ConfigurationError for an unknown kind, and ApprovalRefused (code `approval_open`)
    where the subject waits for approval already.
    """
    found = get_kind(kind)
    maker = requested_by or current_actor()
    facts = facts_of(found, subject)
    with transaction.atomic():
        approval = _store(
            Approval(
                kind=kind, business=business, subject=subject, amount=amount, currency=currency,
                summary=summary[:300], facts=facts, digest=digest_of(facts),
                requested_by=maker, requested_by_name=name_actor(maker) if maker else "system",
                expires_at=later(hub_settings.approval_hours * 3600),
            )
        )  # fmt: skip
        with acting_as(maker):
            AuditEntry.objects.record(
                "approval.requested", target=approval, business=business,
                detail=f"{approval.summary} Facts {approval.digest}."[:500],
            )  # fmt: skip
        publish("approval.requested", describe(approval), business)
    approval.warning = no_approver_words(approval)
    return approval


def _store(approval: Approval) -> Approval:
    try:
        with transaction.atomic():
            approval.save(force_insert=True)
    except IntegrityError as error:
        if open_approval_of(approval.subject) is None:
            raise
        raise ApprovalRefused("It waits for approval already.", code="approval_open") from error
    approval.refresh_from_db(fields=["created_at", "expires_at"])
    return approval


def open_approval_of(subject: Model | None) -> Approval | None:
    """The request that waits for a decision about `subject`, or None."""
    return _rows_of(subject).filter(state=ApprovalState.OPEN).first()


def latest_approval_of(subject: Model | None) -> Approval | None:
    """The newest request about `subject`, whatever became of it, or None."""
    return _rows_of(subject).order_by("-pk").first()


def _rows_of(subject: Model | None) -> QuerySet[Approval]:
    if subject is None:
        return Approval.objects.none()
    kind = ContentType.objects.get_for_model(subject)
    return Approval.objects.filter(content_type=kind, object_id=str(subject.pk))
