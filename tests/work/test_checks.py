"""System checks of queues."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from integrations import work
from tests.work.app.models import Job, Parcel

MakeQueue = Callable[..., work.Queue[Any]]


def found(name: str) -> list[str]:
    return [str(m.id) for m in work.check_queues() if f"Queue {name}:" in m.msg]


@pytest.mark.parametrize(
    ("lease", "deadline", "batch", "expected"),
    [
        (10.0, 9.9, 1, []),
        (10.0, 10.0, 1, ["integrations.E020"]),
        (10.0, 4.0, 3, ["integrations.E020"]),
        (10.0, 3.0, 3, []),
    ],
)
def test_a_lease_must_outlast_the_work_it_covers(
    make_queue: MakeQueue, lease: float, deadline: float, batch: int, expected: list[str]
) -> None:
    make_queue(
        name="jobs",
        model=Job,
        handle=print,
        lease_seconds=lease,
        deadline_seconds=deadline,
        batch=batch,
    )
    assert found("jobs") == expected
    assert all(message.hint for message in work.check_queues())


def test_the_default_lease_is_the_setting(make_queue: MakeQueue, settings: Any) -> None:
    make_queue(name="jobs", model=Job, handle=print, lease_seconds=None, deadline_seconds=30)
    settings.INTEGRATIONS_LEASE_SECONDS = 60
    assert found("jobs") == []
    settings.INTEGRATIONS_LEASE_SECONDS = 30
    assert found("jobs") == ["integrations.E020"]


@pytest.mark.parametrize("field", ["note", "nowhere"])
def test_a_lane_field_must_point_at_a_lane(make_queue: MakeQueue, field: str) -> None:
    make_queue(name="jobs", model=Job, handle=print, lane_field=field)
    assert found("jobs") == ["integrations.E021"]


def test_a_proper_lane_passes(make_queue: MakeQueue) -> None:
    make_queue(name="parcels", model=Parcel, handle=print, lane_field="street")
    assert found("parcels") == []
