"""Claim, finish, schedule: who holds a row, and what each outcome leaves behind."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from django.utils import timezone

from integrations import work
from tests.work.app.models import Job
from tests.work.conftest import run_out

pytestmark = pytest.mark.django_db(transaction=True)

MakeQueue = Callable[..., work.Queue[Any]]


@pytest.fixture
def queue(make_queue: MakeQueue) -> work.Queue[Any]:
    return make_queue(name="jobs", model=Job, handle=lambda _row: None)


def claim_one(queue: work.Queue[Any]) -> Job:
    (row,) = work.claim_rows(queue, limit=1).rows
    return row


def test_a_new_row_is_due_at_once(queue: work.Queue[Any]) -> None:
    for _ in range(50):
        job = Job.objects.create()
        assert claim_one(queue).pk == job.pk


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_new_row_is_due_at_once_whatever_its_maker_s_clock_says(
    queue: work.Queue[Any], hours: int
) -> None:
    with time_machine.travel(timezone.now() + timedelta(hours=hours)):
        job = Job.objects.create()
        Job.objects.bulk_create([Job()])
    assert abs(timezone.now() - job.next_attempt_at) < timedelta(minutes=1)
    assert len(work.claim_rows(queue, limit=5).rows) == 2


def test_a_claimed_row_says_so(queue: work.Queue[Any]) -> None:
    Job.objects.create(note="kept as it was")
    claimed = claim_one(queue)
    stored = Job.objects.get()
    assert (stored.work_state, stored.attempts) == (work.WorkState.LEASED, 1)
    assert stored.claim_token == claimed.claim_token != ""
    assert claimed.note == "kept as it was"
    assert stored.lease_until == stored.next_attempt_at == claimed.lease_until
    remaining = stored.lease_until - timezone.now()  # type: ignore[operator]
    assert timedelta(seconds=28) < remaining < timedelta(seconds=31)


def test_a_leased_row_is_not_claimed_again(queue: work.Queue[Any]) -> None:
    Job.objects.create()
    claim_one(queue)
    assert work.claim_rows(queue, limit=1).rows == []


def test_a_lease_that_ran_out_is_due_again_by_itself(queue: work.Queue[Any]) -> None:
    Job.objects.create()
    first = claim_one(queue)
    run_out(Job.objects.all())
    second = claim_one(queue)
    assert second.attempts == 2
    assert second.claim_token != first.claim_token


def test_rows_that_are_not_due_stay(queue: work.Queue[Any]) -> None:
    Job.objects.create(next_attempt_at=timezone.now() + timedelta(seconds=5))
    Job.objects.create(next_attempt_at=None, work_state=work.WorkState.IDLE)
    assert work.claim_rows(queue, limit=10).rows == []
    assert not work.has_due_rows(queue)


def test_the_longest_due_go_first_and_no_more_than_asked(queue: work.Queue[Any]) -> None:
    now = timezone.now()
    jobs = [Job.objects.create(next_attempt_at=now - timedelta(minutes=age)) for age in (1, 3, 2)]
    assert [row.pk for row in work.claim_rows(queue, limit=2).rows] == [jobs[1].pk, jobs[2].pk]


def test_a_claim_inside_a_transaction_is_refused(queue: work.Queue[Any]) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        work.claim_rows(queue, limit=1)


def test_done_leaves_the_queue(queue: work.Queue[Any]) -> None:
    Job.objects.create(work_error="earlier")
    assert work.finish(claim_one(queue), work.Done())
    job = Job.objects.get()
    assert (job.work_state, job.next_attempt_at, job.lease_until) == ("done", None, None)
    assert (job.claim_token, job.work_error, job.attempts) == ("", "", 1)


def test_again_comes_back_after_its_delay(queue: work.Queue[Any]) -> None:
    Job.objects.create()
    work.finish(claim_one(queue), work.Again(delay_seconds=60, error="not yet"))
    job = Job.objects.get()
    assert (job.work_state, job.work_error, job.attempts) == ("due", "not yet", 1)
    remaining = job.next_attempt_at - timezone.now()  # type: ignore[operator]
    assert timedelta(seconds=58) < remaining < timedelta(seconds=61)


def test_an_attempt_that_does_not_count_is_given_back(queue: work.Queue[Any]) -> None:
    Job.objects.create()
    work.finish(claim_one(queue), work.Again(delay_seconds=0, count_attempt=False))
    assert Job.objects.get().attempts == 0


def test_dead_stays_with_its_reason_until_retried(queue: work.Queue[Any]) -> None:
    Job.objects.create()
    work.finish(claim_one(queue), work.Dead("refused"))
    job = Job.objects.get()
    assert (job.work_state, job.work_error, job.next_attempt_at) == ("dead", "refused", None)
    assert work.retry_dead(Job.objects.all()) == 1
    assert claim_one(queue).attempts == 1


def test_retry_dead_touches_only_the_dead(queue: work.Queue[Any]) -> None:
    Job.objects.create(work_state=work.WorkState.DONE, next_attempt_at=None)
    assert work.retry_dead(Job.objects.all()) == 0
    assert Job.objects.get().work_state == "done"


def test_who_lost_the_row_changes_nothing(queue: work.Queue[Any]) -> None:
    Job.objects.create()
    first = claim_one(queue)
    run_out(Job.objects.all())
    second = claim_one(queue)
    assert not work.finish(first, work.Dead("too late"))
    assert Job.objects.get().claim_token == second.claim_token
    assert work.finish(second, work.Done())


def test_a_row_that_was_never_claimed_cannot_be_finished() -> None:
    job = Job.objects.create()
    assert not work.finish(job, work.Done())
    assert Job.objects.get().work_state == "due"


def test_kept_is_left_alone(queue: work.Queue[Any]) -> None:
    Job.objects.create()
    row = claim_one(queue)
    assert work.finish(row, work.Kept())
    assert Job.objects.get().claim_token == row.claim_token


def test_a_finish_that_rolls_back_leaves_the_claim(queue: work.Queue[Any]) -> None:
    Job.objects.create()
    row = claim_one(queue)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        work.finish(row, work.Done())
        raise ZeroDivisionError
    assert work.finish(row, work.Again(delay_seconds=0))


def test_a_caller_may_insert_a_row_that_it_holds(queue: work.Queue[Any]) -> None:
    job = Job.objects.create(**work.lease_expressions(30))
    assert work.claim_rows(queue, limit=1).rows == []
    stored = Job.objects.get()
    assert (stored.work_state, stored.attempts) == (work.WorkState.LEASED, 1)
    assert stored.lease_until == stored.next_attempt_at
    assert timedelta(seconds=28) < stored.lease_until - timezone.now() < timedelta(seconds=31)  # type: ignore[operator]
    assert work.finish(job, work.Done())
    assert Job.objects.get().work_state == "done"


def test_a_caller_that_dies_leaves_its_row_to_a_worker(queue: work.Queue[Any]) -> None:
    Job.objects.create(**work.lease_expressions(30))
    run_out(Job.objects.all())
    assert claim_one(queue).attempts == 2


def test_schedule_makes_rows_due_but_leaves_leased_ones(queue: work.Queue[Any]) -> None:
    leased, idle = Job.objects.create(), None
    held = claim_one(queue)
    idle = Job.objects.create(work_state=work.WorkState.IDLE, next_attempt_at=None, attempts=7)
    assert work.schedule(Job.objects.all()) == 1
    leased.refresh_from_db()
    assert leased.claim_token == held.claim_token
    row = claim_one(queue)
    assert (row.pk, row.attempts) == (idle.pk, 1)


def test_schedule_keeps_the_attempts_of_a_row_that_was_due() -> None:
    job = Job.objects.create(attempts=3)
    assert work.schedule(job, delay_seconds=60) == 1
    job.refresh_from_db()
    assert job.attempts == 3
    assert job.next_attempt_at > timezone.now() + timedelta(seconds=50)  # type: ignore[operator]


def test_only_a_live_claim_has_time_left() -> None:
    job = Job.objects.create()
    assert not job.has_time_left()
    job.claim_deadline = time.monotonic() + 5
    assert job.has_time_left()
    assert not job.has_time_left(seconds=6)


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        ("api_key=abcdef123 refused", "api_key=[hidden] refused"),
        ("null \x00 and \ud800 go", "null  and ? go"),
        ("x" * 900, "x" * 500),
        ("y" * 490 + " Bearer abcdefghijkl", "y" * 490 + " Bearer [hidden]"[:10]),
    ],
)
def test_errors_are_stored_without_secrets(queue: work.Queue[Any], raw: str, stored: str) -> None:
    Job.objects.create()
    work.finish(claim_one(queue), work.Dead(raw))
    assert Job.objects.get().work_error == stored


def test_the_claim_uses_the_due_index(queue: work.Queue[Any]) -> None:
    """A million rows must cost what ten cost: no sort, no scan of the table."""
    Job.objects.bulk_create(Job() for _ in range(2000))
    sql, params = captured_claim(queue)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE work_tests_job")
        explain = "EXPLAIN " if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN "
        cursor.execute(explain + sql, params)
        plan = "\n".join(str(line) for line in cursor.fetchall())
    assert "due_job" in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan


def captured_claim(queue: work.Queue[Any]) -> tuple[str, list[Any]]:
    seen: list[tuple[str, list[Any]]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append((sql, list(params)))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        work.claim_rows(queue, limit=10)
    return seen[-1]
