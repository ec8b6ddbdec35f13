"""What a handler's answer, exception or death leads to."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from integrations import work
from integrations.exceptions import ConfigurationError
from integrations.work.claim import Claim
from integrations.work.run import handle_claim
from integrations.work.shift import Shift
from tests.work.app.models import Job
from tests.work.conftest import run_out

MakeQueue = Callable[..., work.Queue[Any]]

database = pytest.mark.django_db(transaction=True)


def seconds_until_due(job: Job) -> float:
    assert job.next_attempt_at is not None
    return (job.next_attempt_at - timezone.now()).total_seconds()


@database
def test_drain_handles_everything_that_is_due(make_queue: MakeQueue) -> None:
    seen: list[int] = []
    make_queue(name="jobs", model=Job, handle=lambda row: seen.append(row.pk), batch=3)
    jobs = [Job.objects.create() for _ in range(7)]
    assert work.drain("jobs") == 3
    assert sorted(seen) == [job.pk for job in jobs]
    assert set(Job.objects.values_list("work_state", flat=True)) == {"done"}


@database
def test_drain_stops_when_its_budget_is_used(make_queue: MakeQueue) -> None:
    make_queue(name="jobs", model=Job, handle=lambda _row: time.sleep(0.02))
    Job.objects.bulk_create(Job() for _ in range(50))
    assert 1 <= work.drain("jobs", budget_seconds=0.1) <= 6


def test_an_unknown_queue_is_named_with_the_known_ones(make_queue: MakeQueue) -> None:
    make_queue(name="jobs", model=Job, handle=lambda _row: None)
    with pytest.raises(ConfigurationError, match=r"nowhere.*jobs"):
        work.drain("nowhere")


def test_one_name_means_one_queue(make_queue: MakeQueue) -> None:
    queue = make_queue(name="jobs", model=Job, handle=print)
    work.register(queue)
    with pytest.raises(ConfigurationError, match="jobs"):
        work.register(work.Queue(name="jobs", model=Job, handle=repr))


@pytest.mark.parametrize(
    "options", [{"batch": 0}, {"concurrency": 0}, {"max_attempts": 0}, {"backoff": ()}]
)
def test_a_queue_with_impossible_limits_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="jobs"):
        work.Queue(name="jobs", model=Job, handle=print, **options)


def test_an_ordered_queue_needs_a_lane() -> None:
    with pytest.raises(ConfigurationError, match="lane_field"):
        work.Queue(name="jobs", model=Job, handle=print, ordered=True)


@database
def test_an_exception_is_retried_by_the_backoff_then_dead(
    make_queue: MakeQueue, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_row: Job) -> None:
        password = "in a local variable"  # noqa: F841
        raise ValueError("consumer_secret=abc12345 was refused")

    make_queue(name="jobs", model=Job, handle=fail, max_attempts=3, backoff=(10, 100))
    Job.objects.create()
    for attempt, delay in ((1, 10), (2, 100)):
        work.drain("jobs")
        job = Job.objects.get()
        assert (job.work_state, job.attempts) == ("due", attempt)
        assert job.work_error == "ValueError: consumer_secret=[hidden] was refused"
        assert delay - 1 <= seconds_until_due(job) <= delay * 1.2 + 1
        Job.objects.update(next_attempt_at=timezone.now())
    assert [line for line in caplog.records if line.levelname == "ERROR"] == []
    work.drain("jobs")
    job = Job.objects.get()
    assert (job.work_state, job.attempts, job.next_attempt_at) == ("dead", 3, None)
    (line,) = [line for line in caplog.records if line.levelname == "ERROR"]
    assert f"row {job.pk} is dead" in line.getMessage()
    assert "abc12345" not in line.getMessage()
    assert job.work_error.startswith("ValueError")


@database
def test_again_without_a_delay_follows_the_backoff(make_queue: MakeQueue) -> None:
    make_queue(name="jobs", model=Job, handle=lambda _row: work.Again(), backoff=(50,))
    Job.objects.create()
    work.drain("jobs")
    assert 49 <= seconds_until_due(Job.objects.get()) <= 61


@database
def test_attempts_that_do_not_count_never_kill(make_queue: MakeQueue) -> None:
    outcome = work.Again(delay_seconds=0, count_attempt=False)
    make_queue(name="jobs", model=Job, handle=lambda _row: outcome, max_attempts=1)
    Job.objects.create()
    assert work.drain("jobs", budget_seconds=0.3) > 3
    job = Job.objects.get()
    assert (job.work_state, job.attempts) == ("due", 0)


@database
def test_a_handler_may_finish_in_its_own_transaction(make_queue: MakeQueue) -> None:
    def handle(row: Job) -> work.Outcome:
        with transaction.atomic():
            Job.objects.filter(pk=row.pk).update(note="settled")
            assert work.finish(row, work.Again(delay_seconds=60))
        return work.Kept()

    make_queue(name="jobs", model=Job, handle=handle)
    Job.objects.create()
    work.drain("jobs")
    job = Job.objects.get()
    assert (job.note, job.work_state) == ("settled", "due")
    assert seconds_until_due(job) > 50


@database
def test_a_row_that_kills_workers_is_given_up(make_queue: MakeQueue) -> None:
    seen: list[int] = []
    queue = make_queue(
        name="jobs", model=Job, handle=lambda row: seen.append(row.pk), max_attempts=2
    )
    Job.objects.create()
    for _ in range(2):
        work.claim_rows(queue, limit=1)  # and the process is gone
        run_out(Job.objects.all())
    work.drain("jobs")
    job = Job.objects.get()
    assert (job.work_state, seen) == ("dead", [])
    assert "stopped" in job.work_error


@database
def test_the_handler_sees_no_open_transaction_and_a_live_claim(make_queue: MakeQueue) -> None:
    seen: list[tuple[bool, bool, bool]] = []

    def handle(row: Job) -> None:
        in_atomic = transaction.get_connection().in_atomic_block
        seen.append((in_atomic, row.has_time_left(), row.has_time_left(seconds=6)))

    make_queue(name="jobs", model=Job, handle=handle, deadline_seconds=5)
    Job.objects.create()
    work.drain("jobs")
    assert seen == [(False, True, False)]


@database
def test_rows_that_the_lease_has_no_time_for_are_given_back(make_queue: MakeQueue) -> None:
    seen: list[int] = []
    queue = make_queue(name="jobs", model=Job, handle=lambda row: seen.append(row.pk), batch=2)
    jobs = [Job.objects.create() for _ in range(2)]
    claim = work.claim_rows(queue, limit=2)
    handle_claim(queue, Claim(rows=claim.rows, lease_end=time.monotonic() + 0.5))
    assert seen == [jobs[0].pk]
    jobs[1].refresh_from_db()
    assert (jobs[1].work_state, jobs[1].attempts) == ("due", 0)


@database
def test_a_claim_that_ran_out_before_it_began_is_not_handled(make_queue: MakeQueue) -> None:
    seen: list[int] = []
    queue = make_queue(name="jobs", model=Job, handle=lambda row: seen.append(row.pk))
    Job.objects.create()
    claim = work.claim_rows(queue, limit=1)
    handle_claim(queue, Claim(rows=claim.rows, lease_end=time.monotonic()))
    assert seen == []


@database
def test_a_stopping_worker_gives_back_what_it_has_not_begun(make_queue: MakeQueue) -> None:
    seen: list[int] = []
    queue = make_queue(name="jobs", model=Job, handle=lambda row: seen.append(row.pk), batch=3)
    Job.objects.bulk_create(Job() for _ in range(3))
    claim = work.claim_rows(queue, limit=3)
    handle_claim(queue, claim, shift=Shift(is_over=lambda: len(seen) == 1))
    assert len(seen) == 1
    assert Job.objects.filter(work_state="due", attempts=0).count() == 2


@given(
    attempts=st.integers(0, 1000),
    backoff=st.lists(st.floats(0, 1e6), min_size=1, max_size=12),
    luck=st.floats(0, 1),
)
def test_a_retry_is_never_early_and_at_most_a_fifth_late(
    attempts: int, backoff: list[float], luck: float
) -> None:
    delay = work.delay_after(
        attempts, backoff=backoff, uniform=lambda low, high: low + (high - low) * luck
    )
    promised = backoff[min(max(attempts, 1), len(backoff)) - 1]
    assert promised <= delay <= promised * 1.2 * (1 + 1e-9)


def test_the_default_schedule_is_the_documented_one() -> None:
    delays = [
        work.delay_after(n, backoff=work.DEFAULT_BACKOFF, uniform=lambda low, _high: low)
        for n in range(1, 12)
    ]
    assert delays == [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400, 86400, 86400]
    assert sum(delays[:9]) == timedelta(hours=75, minutes=35, seconds=5).total_seconds()
