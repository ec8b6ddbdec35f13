"""System checks of the registered queues."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.exceptions import FieldDoesNotExist

from integrations.work.models import Lane
from integrations.work.queue import Queue, queues


def check_queues(**_options: Any) -> list[CheckMessage]:
    """E020: a lease shorter than the work it covers; E021: a lane that is not a lane."""
    return [
        message for queue in queues() for message in (*_check_lease(queue), *_check_lane(queue))
    ]


def _check_lease(queue: Queue[Any]) -> list[CheckMessage]:
    # In a lane, a row is begun only while its whole deadline fits into the lane's lease.
    rows = 1 if queue.lane_field else queue.batch
    longest = queue.deadline_seconds * rows
    if queue.lease > longest:
        return []
    return [
        Error(
            f"Queue {queue.name}: its lease of {queue.lease:g} s is not longer than the "
            f"{longest:g} s that {rows} row(s) of {queue.deadline_seconds:g} s may take.",
            hint="Raise lease_seconds (or INTEGRATIONS_LEASE_SECONDS), or lower batch or "
            "deadline_seconds: a lease that ends first lets another worker repeat the work.",
            obj=queue.model,
            id="integrations.E020",
        )
    ]


def _check_lane(queue: Queue[Any]) -> list[CheckMessage]:
    if queue.lane_field is None:
        return []
    try:
        field = queue.model._meta.get_field(queue.lane_field)
    except FieldDoesNotExist:
        field = None
    related = queue.lane_model or getattr(field, "related_model", None)
    is_lane = isinstance(related, type) and issubclass(related, Lane)
    if is_lane and getattr(field, "related_model", None) and not getattr(field, "null", True):
        return []
    return [
        Error(
            f"Queue {queue.name}: {queue.lane_field} is not a required foreign key to a Lane.",
            hint="Point lane_field at a ForeignKey without null=True to a subclass of work.Lane; "
            "a row without a lane would never be served.",
            obj=queue.model,
            id="integrations.E021",
        )
    ]
