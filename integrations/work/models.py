"""The abstract models of durable work: a leased row, a lane, a periodic run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now

from integrations.correlation import current_id


class WorkState(models.TextChoices):
    """Where a row stands; `next_attempt_at` alone decides whether it is due."""

    IDLE = "idle", "Idle: nothing to do"
    DUE = "due", "Due: waits for its next attempt"
    LEASED = "leased", "Leased: a worker has it in hand"
    DONE = "done", "Done"
    DEAD = "dead", "Dead: given up, a person must look"


class LeasedWork(models.Model):
    """A row that is its own job. A crash loses nothing: an expired lease is due again by itself.

    Subclasses keep the due index by `class Meta(LeasedWork.Meta)`; one that adds indexes of its
    own writes `indexes = [*LeasedWork.Meta.indexes, ...]`.
    """

    State = WorkState

    # What else `schedule` and `retry_dead` write to a row that starts over: a subclass that
    # tells its standing in a field of its own names that field and its first value.
    STARTS_OVER: ClassVar[Mapping[str, Any]] = {}

    work_state = models.CharField(max_length=6, choices=WorkState.choices, default=WorkState.DUE)
    attempts = models.PositiveIntegerField(default=0, help_text="Claims so far, this one included.")
    next_attempt_at = models.DateTimeField(
        null=True,
        blank=True,
        # By the database's clock: a machine whose own is ahead would hide its rows for so long.
        db_default=Now(),
        help_text="Due from this instant on (while leased: the end of the lease). Empty: never.",
    )
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    claim_token = models.CharField(max_length=32, blank=True, default="", editable=False)
    work_error = models.TextField(
        blank=True, default="", help_text="Why the last attempt failed, secrets taken out."
    )

    correlation_id = models.CharField(
        max_length=64,
        blank=True,
        default=current_id,
        # For inserts by a version that does not know the column.
        db_default="",
        editable=False,
        help_text="Of the request or the work that made this row.",
    )

    # Set by a claim, on `time.monotonic()`; past it, the handler must not send. Rows that were
    # not claimed carry zero, so a forgotten claim refuses to send instead of sending twice.
    claim_deadline: float = 0.0

    class Meta:
        abstract = True
        # Finished rows leave the index, so it stays as small as the backlog. The name leaves the
        # app label out: an index name has 30 characters.
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                name="due_%(class)s",
                condition=models.Q(next_attempt_at__isnull=False),
            ),
            # What was given up is rare and counted by every start page and every scrape.
            models.Index(
                fields=["-id"],
                name="dead_%(class)s",
                condition=models.Q(work_state=WorkState.DEAD),
            ),
        ]

    def has_time_left(self, *, seconds: float = 0.0) -> bool:
        """Whether this process's claim still covers `seconds` more; ask right before sending."""
        return time.monotonic() + seconds < self.claim_deadline


class Lane(models.Model):
    """What ordered or fair work is grouped by (an endpoint, a branch): one worker at a time.

    Whoever adds work only points a foreign key here and never updates the row, so business
    transactions don't wait for each other.
    """

    key = models.CharField(max_length=200, unique=True)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    claim_token = models.CharField(max_length=32, blank=True, default="", editable=False)
    last_served_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True
        indexes = [models.Index(fields=["last_served_at"], name="served_%(class)s")]

    def __str__(self) -> str:
        return self.key


class PeriodicRun(models.Model):
    """The one row by which processes agree who runs a periodic job, and when next."""

    name = models.CharField(max_length=100, unique=True)
    next_run_at = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    claim_token = models.CharField(max_length=32, blank=True, default="", editable=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


def lane_index(lane_field: str, *, ordered: bool) -> models.Index:
    """The index by which a lane finds its next row; declare it beside `LeasedWork.Meta.indexes`.

    `lane_field` and `ordered` are those of the queue.
    """
    return models.Index(
        fields=[lane_field, "id" if ordered else "next_attempt_at"],
        name="lane_%(class)s",
        condition=models.Q(next_attempt_at__isnull=False),
    )
