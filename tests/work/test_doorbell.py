"""Rings: after commit only, never in anybody's way."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from django.db import transaction

from integrations import work
from integrations.work import doorbell

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def heard() -> Iterator[list[str]]:
    rings: list[str] = []
    doorbell.listen(rings.append)
    yield rings
    doorbell.unlisten(rings.append)


def test_a_ring_outside_a_transaction_is_heard_at_once(heard: list[str]) -> None:
    work.ring("jobs")
    assert heard == ["jobs"]


def test_a_ring_inside_a_transaction_is_heard_after_commit(heard: list[str]) -> None:
    with transaction.atomic():
        work.ring("jobs")
        assert heard == []
    assert heard == ["jobs"]


def test_a_rolled_back_ring_is_never_heard(heard: list[str]) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        work.ring("jobs")
        raise ZeroDivisionError
    assert heard == []


def test_a_doorbell_that_raises_is_only_logged(
    heard: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_name: str) -> None:
        raise OSError("the broker is away")

    remote: list[str] = []
    doorbell.listen(broken)
    work.set_doorbell(remote.append)
    try:
        with transaction.atomic():
            work.ring("jobs")
    finally:
        doorbell.unlisten(broken)
    assert (heard, remote) == (["jobs"], ["jobs"])
    assert "the broker is away" in caplog.text


def test_a_forked_child_does_not_collect_rings_for_its_parent(heard: list[str]) -> None:
    child = os.fork()
    if child == 0:
        doorbell._ring_now("jobs")
        os._exit(len(heard))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    work.ring("jobs")
    assert heard == ["jobs"]
