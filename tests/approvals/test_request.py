"""Asking for approval: in the caller's transaction, once, with the facts as they are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from integrations import approvals
from integrations.approvals.facts import digest_of
from integrations.exceptions import ApprovalRefused, ConfigurationError
from integrations.models import (
    Approval,
    ApprovalState,
    AuditEntry,
    BusinessGrant,
    DomainEvent,
    act_as,
    acting,
)
from integrations.work.clock import database_now
from tests.approvals.conftest import KIND, Handlers, ask, person, waiting_payment

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("handlers")]


def test_a_request_keeps_what_was_asked_for_and_by_whom() -> None:
    maker = person("mary")
    payment = waiting_payment()
    approval = ask(payment, maker)
    approval.refresh_from_db()
    assert approval.subject == payment
    assert (approval.state, approval.kind, approval.business) == (ApprovalState.OPEN, KIND, "")
    assert (approval.requested_by, approval.requested_by_name) == (maker, "mary")
    assert approval.facts == [
        ["Amount", "KES 1,500.00"], ["Receiver", "254712345678"], ["Reference", "SAL-11"],
    ]  # fmt: skip
    assert approval.digest == digest_of(approval.facts)
    entry = AuditEntry.objects.get(action="approval.requested")
    assert entry.actor == maker
    assert approval.digest in entry.detail
    event = DomainEvent.objects.get(event_type="approval.requested")
    assert event.payload["approval_id"] == str(approval.public_id)
    assert event.payload["subject_id"] == str(payment.public_id)
    assert "254712345678" not in str(event.payload)


def test_it_expires_after_the_hours_of_the_setting(settings: Any) -> None:
    settings.INTEGRATIONS_APPROVAL_HOURS = 2
    approval = ask(waiting_payment(), None)
    left = approval.expires_at - database_now()
    assert timedelta(minutes=119) < left <= timedelta(hours=2)


def test_a_request_that_is_rolled_back_was_never_made() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        ask(waiting_payment(), person("mary"))
        raise ZeroDivisionError
    assert not Approval.objects.exists()
    assert not DomainEvent.objects.exists()
    assert not AuditEntry.objects.filter(action="approval.requested").exists()


def test_one_subject_waits_once() -> None:
    payment = waiting_payment()
    first = ask(payment, person("mary"))
    with transaction.atomic(), pytest.raises(ApprovalRefused) as refused:
        ask(payment, None)
    assert refused.value.code == "approval_open"
    assert approvals.open_approval_of(payment) == first
    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.create(
            kind=KIND, subject=payment, amount=1, currency="KES", summary="x", digest="0" * 64,
            expires_at=database_now(), requested_by_name="system",
        )  # fmt: skip
    # Nothing is broken for the caller's transaction, and another subject may wait.
    ask(waiting_payment(), None)


def test_a_subject_may_be_asked_for_again_once_it_was_decided(handlers: Handlers) -> None:
    payment = waiting_payment()
    approvals.decide(ask(payment, None), person("ann"), approve=False, reason="Wrong day")
    assert ask(payment, None).is_open


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        approvals.request_approval(
            "nothing", waiting_payment(), business="", amount=1, currency="KES", summary=""
        )


def test_two_kinds_of_one_name_are_refused(handlers: Handlers) -> None:
    kind = approvals.get_kind(KIND)
    approvals.register(kind)
    with pytest.raises(ConfigurationError):
        approvals.register(
            approvals.Kind(KIND, "x", "x", handlers.on_approved, handlers.on_rejected, lambda _: {})
        )


def test_the_maker_is_whoever_acts_also_through_a_token() -> None:
    maker = person("mary")
    with acting(None):
        act_as(maker, through="API token ERP (bit_abcd…)")
        approval = ask(waiting_payment(), None)
    assert approval.requested_by == maker
    assert approval.requested_by_name == "mary (API token ERP (bit_abcd…))"


def test_a_program_of_the_host_is_nobody() -> None:
    approval = ask(waiting_payment(), None)
    assert (approval.requested_by, approval.requested_by_name) == (None, "system")


def test_the_maker_hears_where_nobody_else_could_approve() -> None:
    maker = person("mary", "b1")
    person("ann", "b2")
    person("eve", "b1", approver=False)
    person("bob", "b1", is_active=False)
    warning = ask(waiting_payment("b1"), maker).warning
    assert "Nobody but you may approve this" in warning
    assert "Can approve payouts and reversals of others" in warning


@pytest.mark.parametrize("who", ["granted", "superuser"])
def test_the_maker_hears_nothing_where_somebody_could(who: str) -> None:
    maker = person("mary", "b1")
    if who == "granted":
        person("ann", "b1")
    else:
        User.objects.create_superuser("root")
    assert ask(waiting_payment("b1"), maker).warning == ""


def test_a_request_of_nobody_without_approvers_says_so() -> None:
    BusinessGrant.objects.create(user=User.objects.create_user("x"), business="b2")
    assert ask(waiting_payment("b1"), None).warning.startswith("Nobody may approve this")


def test_an_account_that_is_gone_leaves_its_name() -> None:
    maker = person("mary")
    approval = ask(waiting_payment(), maker)
    maker.delete()
    approval.refresh_from_db()
    assert (approval.requested_by, approval.requested_by_name) == (None, "mary")
