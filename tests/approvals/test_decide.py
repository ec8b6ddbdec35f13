"""Deciding: by a second person, once, about what was shown, or not at all."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from integrations import approvals
from integrations.approvals.facts import changed_names, digest_of
from integrations.exceptions import ApprovalRefused, InvalidInput
from integrations.models import Approval, ApprovalState, AuditEntry, DomainEvent, Payment
from integrations.models import PaymentState as S
from tests.approvals.conftest import Handlers, ask, person, waiting_payment

pytestmark = pytest.mark.django_db


@pytest.fixture
def maker() -> User:
    return person("mary", "b1", "b2")


@pytest.fixture
def checker() -> User:
    return person("ann", "b1")


@pytest.fixture
def payment() -> Payment:
    return waiting_payment("b1")


@pytest.fixture
def approval(handlers: Handlers, payment: Payment, maker: User) -> Approval:
    return ask(payment, maker)


def is_untouched(approval: Approval, payment: Payment) -> bool:
    approval.refresh_from_db()
    payment.refresh_from_db()
    told = AuditEntry.objects.filter(action__startswith="approval.").count()
    events = DomainEvent.objects.count()
    state = (approval.state, approval.decided_by, approval.decided_at, payment.state)
    return (*state, told, events) == (ApprovalState.OPEN, None, None, S.AWAITING_APPROVAL, 1, 1)


def test_a_second_person_approves_and_it_goes_ahead(
    approval: Approval, payment: Payment, checker: User, handlers: Handlers
) -> None:
    decided = approvals.decide(approval, checker, approve=True)
    payment.refresh_from_db()
    assert handlers.told == [("approved", payment.pk, "approved")]
    assert payment.state == S.CREATED
    assert (decided.state, decided.decided_by) == (ApprovalState.APPROVED, checker)
    assert decided.decided_at is not None
    entry = AuditEntry.objects.get(action="approval.approved")
    assert (entry.actor, entry.business, entry.object_id) == (checker, "b1", str(approval.pk))
    event = DomainEvent.objects.get(event_type="approval.approved")
    assert (event.business, event.payload["decided_by"]) == ("b1", "ann")


def test_a_second_person_rejects_with_a_reason(
    approval: Approval, payment: Payment, checker: User
) -> None:
    approvals.decide(approval, checker, approve=False, reason=" Paid \n in cash ")
    payment.refresh_from_db()
    approval.refresh_from_db()
    assert payment.state == S.CANCELLED
    assert (approval.state, approval.reason) == (ApprovalState.REJECTED, "Paid in cash")
    assert "Paid in cash" in AuditEntry.objects.get(action="approval.rejected").detail
    assert DomainEvent.objects.get(event_type="approval.rejected").payload["reason"]


@pytest.mark.parametrize("reason", ["", "  ", "no", "x" * 301, "hid\u200bden"])
def test_a_rejection_needs_a_reason_that_can_be_read(
    approval: Approval, payment: Payment, checker: User, reason: str
) -> None:
    with pytest.raises(InvalidInput, match="reason"):
        approvals.decide(approval, checker, approve=False, reason=reason)
    assert is_untouched(approval, payment)


@pytest.mark.parametrize("approve", [True, False])
def test_the_maker_can_not_decide(
    approval: Approval, payment: Payment, maker: User, approve: bool
) -> None:
    with pytest.raises(ApprovalRefused) as refused:
        approvals.decide(approval, maker, approve=approve, reason="Because I can")
    assert refused.value.code == "approval_own"
    assert is_untouched(approval, payment)
    assert "another person" in approvals.why_not(approval, maker)


def test_not_even_a_super_user_approves_its_own(handlers: Handlers) -> None:
    root = User.objects.create_superuser("root")
    with pytest.raises(ApprovalRefused) as refused:
        approvals.decide(ask(waiting_payment(), root), root, approve=True)
    assert refused.value.code == "approval_own"


def strangers() -> dict[str, Any]:
    return {
        "of another business": person("bob", "b2"),
        "without the permission": person("eve", "b1", approver=False),
        "switched off": person("old", "b1", is_active=False),
        "not logged in": AnonymousUser(),
    }


@pytest.mark.parametrize("is_decided", [False, True], ids=["open", "decided"])
def test_nobody_without_rights_decides_or_learns_who_did(
    approval: Approval, payment: Payment, checker: User, is_decided: bool
) -> None:
    if is_decided:
        approvals.decide(approval, checker, approve=True)
    for name, user in strangers().items():
        with pytest.raises(ApprovalRefused) as refused:
            approvals.decide(approval, user, approve=True)
        assert refused.value.code == "approval_forbidden", name
        assert "ann" not in refused.value.message
    assert is_decided or is_untouched(approval, payment)


@pytest.mark.parametrize("approve", [True, False])
def test_what_is_decided_stays_and_the_second_hears_by_whom(
    approval: Approval, payment: Payment, checker: User, approve: bool, handlers: Handlers
) -> None:
    approvals.decide(approval, checker, approve=True)
    with pytest.raises(ApprovalRefused) as refused:
        approvals.decide(approval, person("joe", "b1"), approve=approve, reason="Too late")
    assert refused.value.code == "approval_decided"
    assert "approved by ann" in refused.value.message
    assert len(handlers.told) == 1


def test_a_handler_that_fails_undoes_the_decision(
    approval: Approval, payment: Payment, checker: User, handlers: Handlers
) -> None:
    handlers.fault = RuntimeError("no")
    with pytest.raises(RuntimeError):
        approvals.decide(approval, checker, approve=True)
    assert is_untouched(approval, payment)
    handlers.fault = None
    assert approvals.decide(approval, checker, approve=True).state == ApprovalState.APPROVED


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"amount": Decimal(15000)}, "Amount"),
        ({"phone": "254722000000"}, "Receiver"),
        ({"account_reference": "SAL-12"}, "Reference"),
    ],
    ids=["amount", "phone", "reference"],
)
def test_what_changed_since_can_only_be_rejected(
    approval: Approval, payment: Payment, checker: User, change: dict[str, Any], name: str
) -> None:
    Payment.objects.filter(pk=payment.pk).update(**change)
    with pytest.raises(ApprovalRefused) as refused:
        approvals.decide(approval, checker, approve=True)
    assert refused.value.code == "approval_changed"
    assert f"({name})" in refused.value.message
    assert is_untouched(approval, payment)
    approvals.decide(approval, checker, approve=False, reason="Changed meanwhile")


def test_shown_facts_that_were_altered_are_found_by_the_digest(
    approval: Approval, payment: Payment, checker: User
) -> None:
    approval.facts[1][1] = "254722000000"
    Approval.objects.filter(pk=approval.pk).update(facts=approval.facts)
    with pytest.raises(ApprovalRefused) as refused:
        approvals.decide(approval, checker, approve=True)
    assert refused.value.code == "approval_changed"
    assert is_untouched(approval, payment)


def test_facts_that_were_altered_to_fit_are_found_by_the_digest(
    approval: Approval, payment: Payment, checker: User
) -> None:
    Payment.objects.filter(pk=payment.pk).update(phone="254722000000")
    payment.refresh_from_db()
    approval.facts[1][1] = payment.phone
    Approval.objects.filter(pk=approval.pk).update(facts=approval.facts)
    with pytest.raises(ApprovalRefused) as refused:
        approvals.decide(approval, checker, approve=True)
    assert refused.value.code == "approval_changed"
    assert "altered" in refused.value.message


def test_what_is_gone_can_only_be_rejected(
    approval: Approval, payment: Payment, checker: User, handlers: Handlers
) -> None:
    Payment.objects.filter(pk=payment.pk).delete()
    with pytest.raises(ApprovalRefused, match="does not exist any more"):
        approvals.decide(approval, checker, approve=True)
    approvals.decide(approval, checker, approve=False, reason="It is gone")
    assert handlers.told == []


def over(approval: Approval) -> None:
    past = timezone.now() - timedelta(minutes=1)
    Approval.objects.filter(pk=approval.pk).update(expires_at=past)


def test_what_expired_can_not_be_approved(
    approval: Approval, payment: Payment, checker: User
) -> None:
    over(approval)
    with pytest.raises(ApprovalRefused) as refused:
        approvals.decide(approval, checker, approve=True)
    assert refused.value.code == "approval_expired"
    assert is_untouched(approval, payment)


def test_the_job_ends_what_nobody_decided(
    approval: Approval, payment: Payment, handlers: Handlers
) -> None:
    other = ask(waiting_payment("b1"), None)
    assert approvals.expire_overdue() == 0
    over(approval)
    assert approvals.expire_overdue() == 1
    assert approvals.expire_overdue() == 0
    approval.refresh_from_db()
    payment.refresh_from_db()
    other.refresh_from_db()
    assert (approval.state, approval.decided_by) == (ApprovalState.EXPIRED, None)
    assert payment.state == S.CANCELLED
    assert other.is_open
    assert handlers.told == [("rejected", payment.pk, "expired")]
    event = DomainEvent.objects.get(event_type="approval.expired")
    assert event.payload["decided_by"] == ""


def test_one_handler_that_fails_does_not_hold_up_the_others(
    approval: Approval, payment: Payment, handlers: Handlers
) -> None:
    approvals.register(
        approvals.Kind("other", "Other", "x.y", lambda *_: None, lambda *_: None, lambda _: {})
    )
    other = waiting_payment()
    second = approvals.request_approval(
        "other", other, business="", amount=Decimal(1), currency="KES", summary="x"
    )
    handlers.fault = RuntimeError("no")
    over(approval)
    over(second)
    try:
        assert approvals.expire_overdue() == 1
    finally:
        approvals.unregister("other")
    second.refresh_from_db()
    assert second.state == ApprovalState.EXPIRED
    approval.refresh_from_db()
    assert approval.is_open


def test_the_job_is_registered() -> None:
    from integrations.work import periodic_jobs

    assert "expire-approvals" in [job.name for job in periodic_jobs()]


def test_the_maker_takes_it_back(
    approval: Approval, payment: Payment, maker: User, handlers: Handlers
) -> None:
    withdrawn = approvals.withdraw(approval, maker, reason="Typed wrong")
    payment.refresh_from_db()
    assert (withdrawn.state, payment.state) == (ApprovalState.WITHDRAWN, S.CANCELLED)
    assert handlers.told == [("rejected", payment.pk, "withdrawn")]
    with pytest.raises(ApprovalRefused) as refused:
        approvals.withdraw(approval, maker)
    assert refused.value.code == "approval_decided"


def test_nobody_else_takes_it_back(approval: Approval, payment: Payment, checker: User) -> None:
    with pytest.raises(ApprovalRefused) as refused:
        approvals.withdraw(approval, checker)
    assert refused.value.code == "approval_not_yours"
    assert is_untouched(approval, payment)


def test_the_hosts_program_takes_it_back(approval: Approval) -> None:
    assert approvals.withdraw(approval, None).state == ApprovalState.WITHDRAWN


texts = st.text(max_size=8)
pairs = st.lists(st.tuples(texts, texts), max_size=4, unique_by=lambda pair: pair[0])


@given(pairs, pairs)
def test_digests_are_equal_for_equal_facts_only(
    one: list[tuple[str, str]], two: list[tuple[str, str]]
) -> None:
    assert (digest_of(one) == digest_of(two)) == (one == two)
    assert bool(changed_names(one, two)) == (dict(one) != dict(two))
