"""Endpoints side by side: fairness, breaker, order, rate, pauses while a dispatcher runs."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from django.db import OperationalError, connection, connections
from django.test.utils import CaptureQueriesContext

from integrations import work
from integrations.models import WebhookAttempt, WebhookEndpoint, WebhookEvent, WebhookLane
from integrations.webhooks.dispatch import close_desk, ledger
from integrations.webhooks.dispatch.clerk import Clerk
from integrations.webhooks.dispatch.intake import Intake, Wish
from integrations.webhooks.dispatch.track import FAILURES_TO_OPEN, Track
from integrations.work.shift import Shift
from tests.outbound.servers import answer
from tests.webhooks.receivers import (
    close_breakers,
    dispatch,
    endpoint_at,
    make_due,
    numbers,
    publish_many,
    receiver,
    slowly,
    wait_for,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def own_desk() -> Iterator[None]:
    yield
    close_desk()


@pytest.fixture
def start_dispatcher() -> Iterator[Callable[[], Callable[[], None]]]:
    """Starts a dispatcher in a thread; answers what stops it and waits for it."""
    ends: list[Callable[[], None]] = []

    def start() -> Callable[[], None]:
        over = threading.Event()
        errors: list[Exception] = []
        queue = work.get_queue("webhooks")

        def run() -> None:
            try:
                while not over.is_set():
                    if not (queue.serve and queue.serve(queue, Shift(is_over=over.is_set))):
                        over.wait(0.02)
            except Exception as error:
                errors.append(error)
            finally:
                close_desk()
                connections.close_all()

        thread = threading.Thread(target=run)
        thread.start()

        def stop() -> None:
            over.set()
            thread.join(30)
            assert not thread.is_alive()
            assert not errors

        ends.append(stop)
        return stop

    yield start
    for end in ends:
        end()


def leased() -> int:
    return WebhookEvent.objects.filter(work_state="leased").count()


def test_hanging_endpoints_with_backlogs_hold_up_nobody(
    settings: Any, start_dispatcher: Callable[[], Callable[[], None]]
) -> None:
    settings.INTEGRATIONS_WEBHOOK_HANDLES = 16
    with receiver(settings, slowly(60)) as hanging, receiver(settings) as healthy:
        for _ in range(5):
            endpoint_at(hanging, business="slow", timeout_seconds=20)
        publish_many(20, "slow")
        start_dispatcher()
        wait_for(lambda: len(hanging.requests) >= 5)
        endpoint_at(healthy, business="quick")
        begun = time.monotonic()
        publish_many(20, "quick")
        wait_for(lambda: len(healthy.requests) == 20)
        # Seconds on an idle machine; without fairness it would be the time-out.
        assert time.monotonic() - begun < 15
        # No answer has come yet: an unknown receiver is asked twice, not with all it may have.
        assert len(hanging.requests) <= 10
        hanging.stopping.set()


def test_the_breaker_stops_claims_and_lets_one_probe_through(settings: Any) -> None:
    with receiver(settings, answer(503)) as server:
        endpoint = endpoint_at(server, max_concurrency=1)
        publish_many(30)
        dispatch()
        assert len(server.requests) == FAILURES_TO_OPEN
        lane = WebhookLane.objects.get(pk=endpoint.pk)
        assert lane.open_until is not None
        assert lane.times_opened == 1
        # Nothing else was touched: no attempt burned, no lease left.
        untouched = WebhookEvent.objects.filter(endpoint=endpoint, attempts=0)
        assert untouched.filter(status="pending", work_state="due").count() == 25
        assert dispatch() == 0

        close_breakers()
        dispatch()
        assert len(server.requests) == FAILURES_TO_OPEN + 1
        lane.refresh_from_db()
        assert lane.times_opened == 2

        server.reply = answer(200)
        close_breakers()
        dispatch()
        assert WebhookEvent.objects.filter(status="delivered").count() == 24
        lane.refresh_from_db()
        assert (lane.times_opened, lane.open_until) == (0, None)
        make_due()
        dispatch()
        assert WebhookEvent.objects.filter(status="delivered").count() == 30


def test_ordered_events_wait_for_the_one_that_failed(settings: Any) -> None:
    seen: Counter[int] = Counter()

    def reply(handler: Any, request: Any) -> None:
        number = numbers_of(request)
        seen[number] += 1
        answer(500 if number == 3 and seen[3] == 1 else 200)(handler, request)

    with receiver(settings, reply) as server:
        endpoint = endpoint_at(server, is_ordered=True)
        publish_many(8)
        dispatch()
        assert numbers(server) == [0, 1, 2, 3]
        assert leased() == 0
        WebhookLane.objects.update(next_send_at=None)
        dispatch()
        assert numbers(server) == [0, 1, 2, 3]
        WebhookEvent.objects.filter(status="retrying").update(next_attempt_at=work.later(-1))
        WebhookLane.objects.update(next_send_at=None)
        dispatch()
        assert numbers(server) == [0, 1, 2, 3, 3, 4, 5, 6, 7]
    assert WebhookLane.objects.get(pk=endpoint.pk).claim_token == ""


def numbers_of(request: Any) -> int:
    import json

    return int(json.loads(request.body)["data"]["number"])


def test_a_dead_event_does_not_hold_up_the_order(settings: Any) -> None:
    settings.INTEGRATIONS_WEBHOOK_SCHEDULE = [1]

    def reply(handler: Any, request: Any) -> None:
        answer(500 if numbers_of(request) == 0 else 200)(handler, request)

    with receiver(settings, reply) as server:
        endpoint_at(server, is_ordered=True)
        publish_many(3)
        dispatch()
        make_due()
        dispatch()
        assert numbers(server) == [0, 0, 1, 2]


def test_concurrency_of_an_endpoint_is_bounded(settings: Any) -> None:
    lock, now, most = threading.Lock(), [0], [0]

    def reply(handler: Any, request: Any) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.01)
        with lock:
            now[0] -= 1
        answer(200)(handler, request)

    with receiver(settings, reply) as server:
        endpoint_at(server, max_concurrency=3)
        publish_many(60)
        dispatch()
        assert len(server.requests) == 60
    assert 2 <= most[0] <= 3


def test_a_rate_is_kept_and_handed_on(settings: Any) -> None:
    with receiver(settings) as server:
        endpoint_at(server, rate_per_second=10.0)
        publish_many(6)
        begun = time.monotonic()
        dispatch()
        assert len(server.requests) == 6
        # Five pauses of a tenth of a second; never quicker, however slow the machine.
        assert time.monotonic() - begun >= 0.45
        WebhookEndpoint.objects.update(rate_per_second=0.2)
        endpoint = WebhookEndpoint.objects.get()
        endpoint.save()
        publish_many(3)
        WebhookLane.objects.update(next_send_at=None)
        dispatch()
        assert len(server.requests) == 7
        lane = WebhookLane.objects.get(pk=endpoint.pk)
        assert lane.next_send_at is not None
        assert leased() == 0
        assert dispatch() == 0


def test_a_pause_reaches_a_dispatcher_at_work(
    settings: Any, start_dispatcher: Callable[[], Callable[[], None]]
) -> None:
    with receiver(settings, slowly(0.05)) as server:
        endpoint = endpoint_at(server, max_concurrency=1)
        publish_many(400)
        start_dispatcher()
        wait_for(lambda: len(server.requests) > 3)
        endpoint.is_paused = True
        endpoint.save()
        wait_for(lambda: WebhookLane.objects.get(pk=endpoint.pk).claim_token == "")
        held = len(server.requests)
        assert held < 400
        assert leased() == 0
        assert WebhookEvent.objects.filter(status="pending", attempts=0).count() == 400 - held
        endpoint.is_paused = False
        endpoint.max_concurrency = 50
        endpoint.save()
        wait_for(lambda: WebhookEvent.objects.filter(status="delivered").count() == 400, 60)
        assert len(server.requests) == 400


def test_a_stop_waits_for_what_is_under_way_and_gives_back_the_rest(
    settings: Any, start_dispatcher: Callable[[], Callable[[], None]]
) -> None:
    with receiver(settings, slowly(0.4)) as server:
        endpoint_at(server)
        publish_many(50)
        stop = start_dispatcher()
        wait_for(lambda: server.requests)
        stop()
        sent = len(server.requests)
    assert sent < 50
    assert WebhookEvent.objects.filter(status="delivered").count() == sent
    assert WebhookEvent.objects.filter(status="pending", work_state="due").count() == 50 - sent
    assert not WebhookLane.objects.exclude(claim_token="").exists()


def test_a_budget_ends_a_drain(settings: Any) -> None:
    with receiver(settings, slowly(0.02)) as server:
        endpoint_at(server, max_concurrency=1)
        publish_many(200)
        assert dispatch(0.5) == 1
        assert 0 < len(server.requests) < 200
    assert leased() == 0
    delivered = WebhookEvent.objects.filter(status="delivered").count()
    assert delivered == len(server.requests)


def test_two_dispatchers_send_nothing_twice(
    settings: Any, start_dispatcher: Callable[[], Callable[[], None]]
) -> None:
    with receiver(settings) as server:
        for _ in range(6):
            endpoint_at(server)
        for _ in range(2):
            start_dispatcher()
        publish_many(50)
        wait_for(lambda: not WebhookEvent.objects.exclude(status="delivered").exists(), 60)
        times = Counter((r.headers["webhook-id"], r.headers["webhook-signature"]) for r in
                        server.requests)  # fmt: skip
        assert len(server.requests) == 300
        assert sum(times.values()) == 300
    assert WebhookAttempt.objects.count() == 300


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite has one writer")
def test_looking_for_work_takes_no_write_lock(settings: Any) -> None:
    queue = work.get_queue("webhooks")
    with receiver(settings) as server:
        endpoint = endpoint_at(server)
        publish_many(1)
        dispatch()
    intake = Intake(queue, connection)
    with CaptureQueriesContext(connection) as told:
        assert intake.rows([Wish(endpoint.pk, 5, False), Wish(endpoint.pk, 5, True)]) == []
        assert intake.take(10) == []
    assert told.captured_queries
    assert all(query["sql"].strip().startswith("SELECT") for query in told.captured_queries)


def test_a_new_endpoint_is_served_though_others_are_always_due(settings: Any) -> None:
    with receiver(settings) as server:
        endpoint_at(server)
        publish_many(1)
        dispatch()
        new = endpoint_at(server)
        publish_many(1)
        held = Intake(work.get_queue("webhooks"), connection).take(10)
    assert new.pk in [lane.endpoint.pk for lane in held]
    assert len(held) == 2


def test_what_was_not_sent_keeps_its_place(settings: Any) -> None:
    intake = Intake(work.get_queue("webhooks"), connection)
    with receiver(settings) as server:
        endpoint = endpoint_at(server)
        publish_many(3)
    first, tried, young = WebhookEvent.objects.order_by("pk")
    WebhookEvent.objects.filter(pk=tried.pk).update(attempts=1, next_attempt_at=work.later(-9))
    assert intake.take(1)
    claimed = intake.rows([Wish(endpoint.pk, 2, False)])
    assert {row.id for row in claimed} == {first.pk, tried.pk}
    intake.give_back(claimed)
    in_order = WebhookEvent.objects.filter(work_state="due").order_by("next_attempt_at")
    assert [row.pk for row in in_order] == [first.pk, young.pk, tried.pk]
    assert in_order[0].next_attempt_at == first.created_at


def test_nothing_is_claimed_while_results_wait_for_the_database(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound, refused = ledger.store, []

    def store(batch: Any, connection: Any) -> None:
        if batch.results and len(refused) < 4:
            refused.append(len(batch.results))
            # The outage outlasts the leases.
            rows = WebhookEvent.objects.filter(endpoint=endpoint, work_state="leased")
            rows.update(next_attempt_at=work.later(-1))
            raise OperationalError("away")
        sound(batch, connection)

    monkeypatch.setattr(ledger, "store", store)
    with receiver(settings) as quick, receiver(settings, slowly(2)) as slow:
        endpoint = endpoint_at(quick)
        endpoint_at(slow)
        publish_many(1)
        dispatch()
        assert len(refused) == 4
        assert len(quick.requests) == len(slow.requests) == 1
    assert WebhookEvent.objects.filter(status="delivered").count() == 2


def test_a_lease_that_ends_hands_the_lane_and_its_rows_on(settings: Any) -> None:
    with receiver(settings) as server:
        endpoint = endpoint_at(server)
        publish_many(2)
        dispatch()
        publish_many(2)
        # As a dispatcher that was killed leaves them.
        WebhookLane.objects.update(claim_token="dead", lease_until=work.later(60))
        rows = WebhookEvent.objects.filter(work_state="due")
        rows.update(
            work_state="leased", claim_token="dead", lease_until=work.later(60),
            next_attempt_at=work.later(60),
        )  # fmt: skip
        assert dispatch() == 0
        WebhookLane.objects.update(lease_until=work.later(-1))
        WebhookEvent.objects.filter(work_state="leased").update(next_attempt_at=work.later(-1))
        dispatch()
        assert len(server.requests) == 4
    row = WebhookEvent.objects.filter(endpoint=endpoint).latest("pk")
    assert (row.status, row.attempts) == ("delivered", 1)


def test_no_request_begins_while_too_many_results_are_not_stored() -> None:
    """A crash repeats no more than these and what is under way."""
    clerk = Clerk(connection, lambda: None)
    try:
        book, track = ledger.Ledger(clerk), Track(1, "token", 0.0, 0.0)
        for _ in range(ledger.MOST_UNSTORED):
            assert book.has_room
            book.add(track, cast("Any", SimpleNamespace(ended=0.0)))
        assert not book.has_room
    finally:
        clerk.close()
