"""Lanes: order inside one, fairness between them, one worker at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from integrations import work
from integrations.work.lanes import claim_lane, claim_next, release_lane
from tests.work.app.models import Parcel, Street

pytestmark = pytest.mark.django_db(transaction=True)

MakeQueue = Callable[..., work.Queue[Any]]
PAST = timedelta(seconds=1)


@pytest.fixture
def streets() -> list[Street]:
    return [Street.objects.create(key=key) for key in "abc"]


@pytest.fixture
def seen() -> list[int]:
    return []


@pytest.fixture
def parcels(make_queue: MakeQueue, seen: list[int]) -> work.Queue[Any]:
    return make_queue(
        name="parcels",
        model=Parcel,
        handle=lambda row: seen.append(row.pk),
        lane_field="street",
        ordered=True,
        batch=2,
    )


def add(street: Street, count: int, **fields: Any) -> list[int]:
    return [Parcel.objects.create(street=street, **fields).pk for _ in range(count)]


def end_lease(street: Street) -> None:
    Street.objects.filter(pk=street.pk).update(lease_until=Now() - PAST)


def test_a_lane_is_served_in_the_order_of_its_rows(
    parcels: work.Queue[Any], streets: list[Street], seen: list[int]
) -> None:
    ids = add(streets[0], 5)
    # Dueness in another order than the ids.
    for age, pk in enumerate(ids):
        Parcel.objects.filter(pk=pk).update(next_attempt_at=timezone.now() - timedelta(hours=age))
    work.drain("parcels")
    assert seen == ids


def test_a_busy_lane_does_not_starve_the_others(
    parcels: work.Queue[Any], streets: list[Street], seen: list[int]
) -> None:
    first = add(streets[0], 10)
    second = add(streets[1], 1)
    third = add(streets[2], 1)
    work.drain("parcels")
    assert seen[:4] == [*first[:2], *second, *third]
    assert seen[4:] == first[2:]


def test_the_longest_unserved_lane_goes_first(
    parcels: work.Queue[Any], streets: list[Street], seen: list[int]
) -> None:
    now = timezone.now()
    for street, minutes in zip(streets, (1, 3, 2), strict=True):
        Street.objects.filter(pk=street.pk).update(last_served_at=now - timedelta(minutes=minutes))
    ids = [add(street, 1)[0] for street in streets]
    work.drain("parcels")
    assert seen == [ids[1], ids[2], ids[0]]


def test_a_row_that_waits_for_its_retry_holds_back_its_lane_only(
    make_queue: MakeQueue, streets: list[Street]
) -> None:
    seen: list[int] = []

    def handle(row: Parcel) -> work.Outcome:
        seen.append(row.pk)
        return work.Again(delay_seconds=60) if row.pk == first else work.Done()

    make_queue(
        name="parcels", model=Parcel, handle=handle, lane_field="street", ordered=True, batch=9
    )
    first, second = add(streets[0], 2)
    (other,) = add(streets[1], 1)
    work.drain("parcels")
    assert seen == [first, other]
    Parcel.objects.filter(pk=first).update(work_state="dead", next_attempt_at=None)
    work.drain("parcels")
    assert seen == [first, other, second], "a dead row holds nobody back"


def test_without_order_a_waiting_row_holds_back_nobody(
    make_queue: MakeQueue, streets: list[Street]
) -> None:
    seen: list[int] = []
    make_queue(
        name="parcels", model=Parcel, handle=lambda row: seen.append(row.pk), lane_field="street"
    )
    add(streets[0], 1, next_attempt_at=timezone.now() + timedelta(minutes=1))
    (second,) = add(streets[0], 1)
    work.drain("parcels")
    assert seen == [second]


def test_a_leased_lane_is_left_to_its_worker(
    parcels: work.Queue[Any], streets: list[Street], seen: list[int]
) -> None:
    add(streets[0], 2)
    lane = claim_lane(parcels)
    assert lane is not None
    assert claim_lane(parcels) is None
    assert work.drain("parcels") == 0
    release_lane(parcels, lane)
    assert work.drain("parcels") == 1
    assert len(seen) == 2


def test_a_worker_that_slept_past_its_lane_gets_no_row(
    parcels: work.Queue[Any], streets: list[Street]
) -> None:
    add(streets[0], 2)
    slept = claim_lane(parcels)
    assert slept is not None
    end_lease(streets[0])
    assert claim_next(parcels, slept).rows == []
    taken = claim_lane(parcels)
    assert taken is not None
    release_lane(parcels, slept)
    assert claim_lane(parcels) is None, "a late release must not free the other worker's lane"
    assert len(claim_next(parcels, taken).rows) == 1


def test_a_row_in_another_hand_holds_back_an_ordered_lane(
    parcels: work.Queue[Any], streets: list[Street]
) -> None:
    add(streets[0], 2)
    lane = claim_lane(parcels)
    assert lane is not None
    assert len(claim_next(parcels, lane).rows) == 1
    assert claim_next(parcels, lane).rows == []
    end_lease(streets[0])
    assert claim_lane(parcels) is None


def test_a_lane_is_left_early_rather_than_overrun(
    make_queue: MakeQueue, streets: list[Street]
) -> None:
    seen: list[int] = []
    make_queue(
        name="parcels",
        model=Parcel,
        handle=lambda row: seen.append(row.pk),
        lane_field="street",
        batch=9,
        lease_seconds=1.0,
        deadline_seconds=1.0,
    )
    add(streets[0], 3)
    assert work.drain("parcels") == 3, "one row a turn: a second one would not fit into the lease"
    assert len(seen) == 3


def test_adding_work_does_not_touch_the_lane(
    parcels: work.Queue[Any], streets: list[Street]
) -> None:
    add(streets[0], 1)
    lane = claim_lane(parcels)
    assert lane is not None
    before = Street.objects.values().get(pk=streets[0].pk)
    add(streets[0], 1)
    assert Street.objects.values().get(pk=streets[0].pk) == before
