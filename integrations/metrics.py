"""What is counted, for Prometheus. Every metric of a process is declared in this file.

Labels have few values, all of our own making: never a business, a credential, a phone number or
an address. Counting never fails and never changes an outcome. Times are in seconds.
docs/how-to/observe.md explains each.
"""

from __future__ import annotations

import logging
import os
import threading
from itertools import count
from typing import Any, Generic, TypeVar

from prometheus_client import REGISTRY, Counter, Histogram, values

logger = logging.getLogger(__name__)

# Label sets of one metric; more than these would be a mistake, and land in "other".
MAX_SERIES = 2000
_CALL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0)
_WORK_SECONDS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0)
_DELIVERY_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0)
_PAGE_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

Family = TypeVar("Family", Counter, Histogram)
_broken = False


class _Bound(Generic[Family]):
    """A metric whose children are looked up once: a dictionary instead of a lock and a walk."""

    def __init__(self, family: Family) -> None:
        self.family: Family = family
        self._children: dict[tuple[str, ...], Family] = {}

    def child(self, labels: tuple[str, ...]) -> Family:
        """The series of these label values."""
        found = self._children.get(labels)
        if found is None:
            if len(self._children) >= MAX_SERIES:
                labels = ("other",) * len(labels)
            found = self._children[labels] = self.family.labels(*labels)
        return found


class Count(_Bound[Counter]):
    """Counts things that happened."""

    def __init__(self, name: str, meaning: str, *labels: str) -> None:
        super().__init__(Counter(name, meaning, labels))

    def add(self, *labels: str, amount: int = 1) -> None:
        """Count `amount` more. Never raises."""
        try:
            self.child(labels).inc(amount)
        except Exception:  # noqa: BLE001 - telemetry: a full disk must not fail a payment
            _complain()


class Duration(_Bound[Histogram]):
    """How long things took."""

    def __init__(self, name: str, meaning: str, *labels: str, buckets: tuple[float, ...]) -> None:
        super().__init__(Histogram(name, meaning, labels, buckets=buckets))

    def note(self, *labels: str, seconds: float) -> None:
        """Note one. Never raises."""
        try:
            self.child(labels).observe(seconds)
        except Exception:  # noqa: BLE001 - telemetry: a full disk must not fail a payment
            _complain()


def _complain() -> None:
    global _broken
    if not _broken:
        _broken = True
        logger.error("Metrics can't be counted; nothing else is touched", exc_info=True)  # noqa: LOG014 - called by handlers


class Tally:
    """Counts what happens too often to be counted with a lock each time; `flush` hands it over."""

    def __init__(self, target: Count, *labels: str) -> None:
        self._target, self._labels = target, labels
        self._numbers = count()
        self._handed_over = 0
        # One call in C: no two threads get the same number.
        self.add = self._numbers.__next__

    def flush(self) -> None:
        """Hand over what was counted since the last time."""
        now = self.add()
        # The number just drawn counts nothing.
        amount, self._handed_over = now - self._handed_over, now + 1
        if amount > 0:
            self._target.add(*self._labels, amount=amount)


provider_calls = Count(
    "integrations_provider_calls",
    "Calls to providers, by how they ended (ok, refused, failed, unknown, blocked).",
    "provider",
    "operation",
    "outcome",
)
provider_call_seconds = Duration(
    "integrations_provider_call_seconds",
    "Time of a call to a provider, retries, tokens and waits included.",
    "provider",
    "operation",
    buckets=_CALL_SECONDS,
)
callbacks = Count(
    "integrations_callbacks",
    "Callbacks received, by the answer "
    "(accepted, malformed, refused, too_large, unknown_route, not_stored).",
    "route",
    "result",
)
payment_transitions = Count(
    "integrations_payment_transitions",
    "Moves of payments from state to state; a new payment comes from nowhere.",
    "provider",
    "from_state",
    "to_state",
)
initiator_alarms = Count(
    "integrations_initiator_alarms",
    "Alarms about an M-Pesa initiator whose credentials are refused: raised, cleared.",
    "change",
)
balance_alarms = Count(
    "integrations_balance_alarms",
    "Crossings of the low-balance limit by an account: low, recovered.",
    "change",
)
work_handled = Count(
    "integrations_work_handled",
    "Rows of durable work that were handled, by outcome (done, again, dead, kept).",
    "queue",
    "outcome",
)
work_seconds = Duration(
    "integrations_work_seconds", "Time to handle one row.", "queue", buckets=_WORK_SECONDS
)
webhook_attempts = Count(
    "integrations_webhook_attempts",
    "Tries to deliver webhooks, by how they ended (delivered, http_error, redirect, timeout, dns, "
    "connect, lost, tls, blocked, auth, configuration).",
    "outcome",
)
webhook_delivery_seconds = Duration(
    "integrations_webhook_delivery_seconds",
    "Time from publishing an event to its delivery, at the first try or a later one.",
    "tries",
    buckets=_DELIVERY_SECONDS,
)
config_reads = Count(
    "integrations_config_reads",
    "Reads of configuration. Tier process: hit, miss, stale (settings have changed or a minute is "
    "over). Tier shared: hit, miss, away, forged.",
    "tier",
    "result",
)
http_requests = Count(
    "integrations_http_requests",
    "HTTP requests answered, by the name of the view.",
    "view",
    "method",
    "status",
)
http_request_seconds = Duration(
    "integrations_http_request_seconds",
    "Time to answer an HTTP request.",
    "view",
    buckets=_PAGE_SECONDS,
)
config_hits = Tally(config_reads, "process", "hit")

DECLARED: tuple[Count | Duration, ...] = (
    provider_calls,
    provider_call_seconds,
    callbacks,
    payment_transitions,
    initiator_alarms,
    balance_alarms,
    work_handled,
    work_seconds,
    webhook_attempts,
    webhook_delivery_seconds,
    config_reads,
    http_requests,
    http_request_seconds,
)


def flush() -> None:
    """Hand over what this process has counted on the side; for a scrape."""
    config_hits.flush()


def _renew_locks() -> None:
    """After fork: another thread of the parent may have been counting, and holds its locks."""
    for metric in DECLARED:
        family: Any = metric.family
        for owner in (family, *family._metrics.values()):
            owner._lock = threading.Lock()
            parts = [getattr(owner, name, None) for name in ("_value", "_sum")]
            for part in (*parts, *getattr(owner, "_buckets", ())):
                if hasattr(part, "_lock"):
                    part._lock = threading.Lock()
    registry: Any = REGISTRY
    registry._lock = threading.Lock()
    # With several processes all values share one lock, which only their methods know.
    method: Any = values.ValueClass.inc
    for name, cell in zip(method.__code__.co_freevars, method.__closure__ or (), strict=True):
        if name == "lock":
            cell.cell_contents = threading.Lock()


os.register_at_fork(after_in_child=_renew_locks)
