"""What a queue is: a model, a handler and their limits; and the outcomes a handler may answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import SystemRandom
from typing import Any, Generic, TypeVar

from integrations.conf import hub_settings
from integrations.exceptions import ConfigurationError
from integrations.work.models import Lane, LeasedWork
from integrations.work.shift import Shift

# Standard Webhooks' example schedule: 75 hours in all (webhook reference, section 3).
DEFAULT_BACKOFF: tuple[float, ...] = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
JITTER = 0.2

Row = TypeVar("Row", bound=LeasedWork)
_random = SystemRandom()


@dataclass(frozen=True)
class Done:
    """The work is finished; the row leaves the queue."""


@dataclass(frozen=True)
class Again:
    """Try again after `delay_seconds` (None: the queue's backoff).

    With `count_attempt=False` (a breaker is open, a rate limit was met, nothing to see yet) the
    attempt is given back and `max_attempts` is not approached.
    """

    delay_seconds: float | None = None
    error: str = ""
    count_attempt: bool = True


@dataclass(frozen=True)
class Dead:
    """Give up now: `error` says why; only `retry_dead` or `schedule` bring the row back."""

    error: str


@dataclass(frozen=True)
class Kept:
    """The handler finished or rescheduled the row itself; leave it alone.

    A row that the handler did not touch is due again when its lease ends.
    """


Outcome = Done | Again | Dead | Kept


def delay_after(
    attempts: int,
    *,
    backoff: Sequence[float],
    uniform: Callable[[float, float], float] = _random.uniform,
) -> float:
    """Seconds to wait after attempt number `attempts` (from 1); the last entry repeats.

    Jitter only adds (up to a fifth): a retry never comes earlier than the schedule promises.
    """
    base = backoff[min(max(attempts, 1), len(backoff)) - 1]
    return base * uniform(1.0, 1.0 + JITTER)


@dataclass(frozen=True)
class Queue(Generic[Row]):
    """One kind of durable work.

    `handle` gets a claimed row, outside any transaction, and answers an outcome (None is `Done`);
    an exception means: again by the backoff, dead after `max_attempts`. It may use at most
    `deadline_seconds` and must check `row.has_time_left()` right before anything that can't be
    repeated. `lease_seconds` (None: INTEGRATIONS_LEASE_SECONDS) must exceed `deadline_seconds`
    times `batch`; in a lane `deadline_seconds` alone, as a row is begun only while it fits.

    `concurrency` is the number of threads in one worker process, `batch` the rows that one thread
    takes at a time. With `lane_field` (a foreign key to a `Lane`) rows are served lane by lane,
    the longest-unserved lane first, at most `batch` rows a turn; with `ordered` in the order of
    their ids, a row that waits for its retry holding back those behind it. Where that foreign key
    points elsewhere and the lanes have the same keys, `lane_model` names them.

    `serve` replaces the turn of a thread for work that is not handled row by row: it claims, works
    until nothing is due or `shift.is_over()`, and answers whether there was anything. The
    instances that `handle` would get are then never made.
    """

    name: str
    model: type[Row]
    handle: Callable[[Row], Outcome | None]
    concurrency: int = 4
    batch: int = 1
    lease_seconds: float | None = None
    deadline_seconds: float = 20.0
    max_attempts: int = 10
    backoff: tuple[float, ...] = DEFAULT_BACKOFF
    lane_field: str | None = None
    ordered: bool = False
    lane_model: type[Lane] | None = None
    serve: Callable[[Queue[Any], Shift], bool] | None = None

    def __post_init__(self) -> None:
        if self.concurrency < 1 or self.batch < 1 or self.max_attempts < 1 or not self.backoff:
            raise ConfigurationError(
                f"Queue {self.name}: concurrency, batch and max_attempts start at 1, "
                "and backoff needs an entry."
            )
        if self.ordered and not self.lane_field:
            raise ConfigurationError(f"Queue {self.name}: ordered work needs a lane_field.")

    @property
    def lease(self) -> float:
        """Seconds that a claim lasts."""
        if self.lease_seconds is not None:
            return self.lease_seconds
        return hub_settings.lease_seconds


_queues: dict[str, Queue[Any]] = {}


def register(queue: Queue[Any]) -> None:
    """Make `queue` known to workers; ConfigurationError when its name means something else."""
    known = _queues.setdefault(queue.name, queue)
    if known != queue:
        raise ConfigurationError(f"Two different queues are named {queue.name}.")


def unregister(name: str) -> None:
    """Forget a queue (a host project that replaces one, and tests)."""
    _queues.pop(name, None)


def queues() -> list[Queue[Any]]:
    """Every registered queue, by name."""
    return [_queues[name] for name in sorted(_queues)]


def get_queue(name: str) -> Queue[Any]:
    """The queue of that name; ConfigurationError lists the known ones."""
    try:
        return _queues[name]
    except KeyError:
        known = ", ".join(sorted(_queues)) or "none"
        raise ConfigurationError(f"No queue is named {name}; there are: {known}.") from None
