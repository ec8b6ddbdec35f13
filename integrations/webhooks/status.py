"""What is stuck, since when, why, and what to do: at a glance, however much waits.

Nothing here walks over a backlog: of each endpoint the index of its lane is read to a bound, and
of the attempts the newest ten thousand.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, F, Min, OuterRef, Q, Subquery

from integrations.access import Scope
from integrations.models import (
    AttemptOutcome,
    DisabledReason,
    WebhookAttempt,
    WebhookEndpoint,
    WebhookLane,
)
from integrations.webhooks.diagnosis import Backlog, Diagnosis, diagnose, switchers_of
from integrations.webhooks.endpoints import visible_endpoints, visible_events
from integrations.webhooks.figures import count_states, waiting_of
from integrations.work import WorkState
from integrations.work.clock import database_now

# Waiting rows of an endpoint, dead letters, and attempts that are counted; beyond, "more than".
BOUND = 1000
# Waiting rows of an endpoint that are looked at, the longest due first.
LOOKED_AT = 200
DEAD_BOUND = 1000
ATTEMPT_BOUND = 10_000
# Endpoints that are told, the longest stuck first.
LONGEST = 100
MINUTES = 15
# A dispatcher has served some lane within these seconds wherever one runs and something is due.
QUIET_SECONDS = 30.0


@dataclass(frozen=True)
class Stuck:
    """One endpoint with something waiting; `waiting` counts to BOUND, `is_more` says beyond.

    `since` is when the oldest of them was published. `kind` is a machine word of `Diagnosis`.
    """

    endpoint: WebhookEndpoint
    waiting: int
    is_more: bool
    since: datetime | None
    kind: str
    why: str
    remedy: str

    @property
    def waiting_text(self) -> str:
        """The count as people read it."""
        return f"more than {BOUND:,}" if self.is_more else f"{self.waiting:,}"


@dataclass(frozen=True)
class Recent:
    """Attempts of the last MINUTES; where `is_more`, of the newest ATTEMPT_BOUND only."""

    delivered: int
    failed: int
    is_more: bool


@dataclass(frozen=True)
class Overview:
    """All of webhooks at one instant."""

    rows: list[Stuck]
    waiting: int
    waiting_is_more: bool
    oldest: datetime | None
    dead: int
    dead_is_more: bool
    recent: Recent
    endpoints: dict[str, int]


def overview(scope: Scope) -> Overview:
    """Everything that the page of webhooks tells."""
    rows = stuck(scope)
    dead = visible_events(scope).filter(work_state=WorkState.DEAD).order_by("-id")
    dead_count = dead.values("pk")[: DEAD_BOUND + 1].count()
    return Overview(
        rows=rows,
        waiting=sum(row.waiting for row in rows),
        waiting_is_more=any(row.is_more for row in rows) or len(rows) == LONGEST,
        oldest=min((row.since for row in rows if row.since), default=None),
        dead=min(dead_count, DEAD_BOUND),
        dead_is_more=dead_count > DEAD_BOUND,
        recent=recent_attempts(scope),
        endpoints=count_states(visible_endpoints(scope)),
    )


def stuck(scope: Scope) -> list[Stuck]:
    """Endpoints for which something waits, and those that were switched off by the system."""
    now = database_now()
    first = waiting_of(OuterRef("pk")).values("next_attempt_at")[:1]
    by_system = Q(disabled_reason__in=[DisabledReason.GONE, DisabledReason.FAILING])
    chosen = list(
        visible_endpoints(scope)
        .annotate(first_due=Subquery(first))
        .filter(Q(first_due__isnull=False) | by_system & Q(is_active=False))
        .select_related("lane")
        .order_by(F("first_due").asc(nulls_last=True), "pk")[:LONGEST]
    )
    served = _is_anybody_serving(now)
    by = switchers_of(chosen)
    rows = [
        _tell(endpoint, now, is_served=served, by=by.get(endpoint.pk, "")) for endpoint in chosen
    ]
    return sorted(rows, key=lambda row: (row.since is None, row.since or now))


def _tell(endpoint: WebhookEndpoint, now: datetime, *, is_served: bool, by: str) -> Stuck:
    backlog = backlog_of(endpoint, now)
    found: Diagnosis = diagnose(endpoint, backlog, now=now, is_served=is_served, switched_by=by)
    return Stuck(
        endpoint, min(backlog.waiting, BOUND), backlog.waiting > BOUND, backlog.since,
        found.kind, found.why, found.remedy,
    )  # fmt: skip


def backlog_of(endpoint: WebhookEndpoint, now: datetime) -> Backlog:
    """What waits for one endpoint: the longest due are looked at, further ones only counted."""
    rows = waiting_of(endpoint.pk)
    keys = ("pk", "created_at", "next_attempt_at", "work_state", "attempts")
    found = rows.values(*keys)[:LOOKED_AT].aggregate(
        waiting=Count("pk"),
        since=Min("created_at"),
        first_due=Min("next_attempt_at"),
        due=Count("pk", filter=Q(next_attempt_at__lte=now)),
        leased=Count("pk", filter=Q(work_state=WorkState.LEASED)),
        tried=Count("pk", filter=Q(attempts__gt=0)),
    )
    if found["waiting"] == LOOKED_AT:
        # Of the index alone, without the rows.
        found["waiting"] = rows.values("endpoint_id")[: BOUND + 1].count()
    return Backlog(**found)


def _is_anybody_serving(now: datetime) -> bool:
    quiet_since = now - timedelta(seconds=QUIET_SECONDS)
    live = Q(lease_until__gt=now) | Q(last_served_at__gte=quiet_since)
    return WebhookLane.objects.filter(live).exists()


def recent_attempts(scope: Scope) -> Recent:
    """What was tried within the last MINUTES, as far as the newest rows reach."""
    since = database_now() - timedelta(minutes=MINUTES)
    newest = WebhookAttempt.objects.order_by("-pk")[:ATTEMPT_BOUND]
    keys = ("pk", "started_at", "outcome")
    if scope.is_all:
        newest = newest.values(*keys)
        is_ours = Q()
    else:
        newest = newest.values(*keys, "endpoint__business", "endpoint__every_business")
        is_ours = Q(endpoint__business__in=scope.businesses, endpoint__every_business=False)
    is_ours &= Q(started_at__gte=since)
    is_delivered = Q(outcome=AttemptOutcome.DELIVERED)
    found = newest.aggregate(
        read=Count("pk"),
        oldest=Min("started_at"),
        delivered=Count("pk", filter=is_ours & is_delivered),
        failed=Count("pk", filter=is_ours & ~is_delivered),
    )
    is_more = found["read"] == ATTEMPT_BOUND and found["oldest"] > since
    return Recent(found["delivered"], found["failed"], is_more)
