"""However claims, finishes and expiries interleave, a row is in one hand at a time."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from integrations import work
from tests.work.app.models import Job
from tests.work.conftest import in_own_connection, run_out

pytestmark = pytest.mark.django_db(transaction=True)

QUEUE = work.Queue(name="races", model=Job, handle=lambda _row: None, lease_seconds=60)


def test_threads_claim_disjoint_rows() -> None:
    Job.objects.bulk_create(Job() for _ in range(120))
    start = threading.Barrier(6)

    def claim_all(_number: int) -> list[int]:
        connection.ensure_connection()
        found: list[int] = []
        for limit in itertools.chain([1, 2], itertools.repeat(3)):
            if limit < 3:
                start.wait()  # the first claims of all come at once
            rows = work.claim_rows(QUEUE, limit=limit).rows
            if not rows:
                return found
            found += [row.pk for row in rows]
        raise AssertionError

    with ThreadPoolExecutor(6) as pool:
        hands = list(pool.map(lambda n: in_own_connection(lambda: claim_all(n)), range(6)))
    claimed = [pk for hand in hands for pk in hand]
    assert len(claimed) == len(set(claimed)) == 120
    assert all(hands), "every thread took part"
    assert set(Job.objects.values_list("attempts", flat=True)) == {1}


class Interleaving(RuleBasedStateMachine):
    """Several workers in any order of steps, against a model of who holds what."""

    claims: Bundle[Job] = Bundle("claims")

    @initialize()
    def empty(self) -> None:
        Job.objects.all().delete()
        self.holders: dict[int, str] = {}  # live leases: row -> token
        self.expired: dict[int, str] = {}  # ran out, but nobody took the row yet

    @rule(count=st.integers(1, 3))
    def add(self, count: int) -> None:
        Job.objects.bulk_create(Job() for _ in range(count))

    @rule(target=claims, limit=st.integers(1, 3))
    def claim(self, limit: int) -> Any:
        rows = work.claim_rows(QUEUE, limit=limit).rows
        assert len(rows) <= limit
        for row in rows:
            assert row.pk not in self.holders, "the row has two live claims"
            self.expired.pop(row.pk, None)
            self.holders[row.pk] = row.claim_token
        return multiple(*rows)

    @rule(
        row=claims,
        outcome=st.sampled_from(
            [
                work.Done(),
                work.Again(delay_seconds=0),
                work.Again(delay_seconds=900),
                work.Dead("x"),
            ]
        ),
    )
    def finish(self, row: Job, outcome: work.Outcome) -> None:
        may = row.claim_token in (self.holders.get(row.pk), self.expired.get(row.pk))
        assert work.finish(row, outcome) == may
        if may:
            self.holders.pop(row.pk, None)
            self.expired.pop(row.pk, None)

    @rule(row=claims)
    def expire(self, row: Job) -> None:
        if self.holders.get(row.pk) == row.claim_token:
            run_out(Job.objects.filter(pk=row.pk))
            self.expired[row.pk] = self.holders.pop(row.pk)

    @rule()
    def schedule_everything(self) -> None:
        work.schedule(Job.objects.all())

    @invariant()
    def the_table_agrees(self) -> None:
        leased = Job.objects.filter(work_state="leased").values_list("pk", "claim_token")
        assert dict(leased) == {**self.holders, **self.expired}


def test_no_interleaving_gives_a_row_two_live_claims() -> None:
    run_state_machine_as_test(
        Interleaving,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
