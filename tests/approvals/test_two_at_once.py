"""Two people decide in the same moment: one wins, the other hears who."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections

from integrations import approvals
from integrations.exceptions import ApprovalRefused
from integrations.models import Approval, ApprovalState, AuditEntry, DomainEvent
from tests.approvals.conftest import Handlers, ask, person, waiting_payment

PEOPLE = 4


def decide_at(barrier: Barrier, approval: Approval, user: User, approve: bool) -> Any:
    try:
        barrier.wait(timeout=5)
        return approvals.decide(approval, user, approve=approve, reason="Looked at it")
    except ApprovalRefused as error:
        return error
    finally:
        connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_of_several_at_once_one_decides(handlers: Handlers) -> None:
    payment = waiting_payment()
    approval = ask(payment, person("mary"))
    people = [person(f"checker{number}") for number in range(PEOPLE)]
    barrier = Barrier(PEOPLE)
    with ThreadPoolExecutor(PEOPLE) as pool:
        tries = [
            pool.submit(decide_at, barrier, approval, user, bool(number % 2))
            for number, user in enumerate(people)
        ]
        answers = [each.result() for each in tries]
    [won] = [each for each in answers if isinstance(each, Approval)]
    lost = [each for each in answers if isinstance(each, ApprovalRefused)]
    assert len(lost) == PEOPLE - 1
    assert {error.code for error in lost} == {"approval_decided"}
    assert all(won.decided_by_name in error.message for error in lost)
    assert len(handlers.told) == 1
    approval.refresh_from_db()
    assert approval.state == won.state
    ends = [ApprovalState.APPROVED, ApprovalState.REJECTED]
    actions = [f"approval.{state}" for state in ends]
    assert AuditEntry.objects.filter(action__in=actions).count() == 1
    assert DomainEvent.objects.filter(event_type__in=actions).count() == 1
