"""What a dispatcher holds in memory: messages, deliveries, results. No model instances."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integrations.webhooks.classify import Verdict


class Message:
    """A stored message, as `EndpointPlan.build` wants it."""

    __slots__ = ("body", "event_type", "message_id", "occurred_at")

    def __init__(
        self, message_id: str, event_type: str, occurred_at: datetime, body: bytes | None
    ) -> None:
        self.message_id = message_id
        self.event_type = event_type
        self.occurred_at = occurred_at
        self.body = body

    @property
    def size(self) -> int:
        """Bytes of its body."""
        return len(self.body) if self.body else 0


class Delivery:
    """A claimed row: ours, by `token`, until `lease_end` of `time.monotonic()`.

    `created_at` is Unix time.
    """

    __slots__ = (
        "attempts", "created_at", "endpoint_id", "id", "is_manual", "lease_end", "message",
        "token",
    )  # fmt: skip

    def __init__(
        self,
        pk: int,
        endpoint_id: int,
        attempts: int,
        is_manual: bool,
        created_at: float,
        message: Message | None,
        token: str,
        lease_end: float,
    ) -> None:
        self.id = pk
        self.endpoint_id = endpoint_id
        self.attempts = attempts
        self.is_manual = is_manual
        self.created_at = created_at
        self.message = message
        self.token = token
        self.lease_end = lease_end


class Result:
    """A try that was made and is not stored yet. `ended` is on `time.monotonic()`."""

    __slots__ = (
        "delivery", "duration_ms", "ended", "error", "outcome", "received", "request_headers",
        "response_body", "response_headers", "started_at", "status", "verdict",
    )  # fmt: skip

    def __init__(self, delivery: Delivery, verdict: Verdict, **values: Any) -> None:
        self.delivery = delivery
        self.verdict = verdict
        self.outcome: str = values["outcome"]
        self.status: int | None = values.get("status")
        self.error: str = values.get("error", "")
        self.started_at: float = values["started_at"]
        self.duration_ms: int = values.get("duration_ms", 0)
        self.ended: float = values["ended"]
        self.request_headers: str = values.get("request_headers", "{}")
        self.response_headers: str = values.get("response_headers", "{}")
        self.response_body: str = values.get("response_body", "")
        self.received: int = values.get("received", 0)

    @property
    def latency(self) -> float:
        """Seconds from publishing to the end of the try."""
        end = self.started_at + self.duration_ms / 1000
        return max(0.0, end - self.delivery.created_at)


@dataclass(slots=True)
class LaneChange:
    """What a lane's row is to say of its breaker and its rate.

    The waits are seconds from the instant `at` of `time.monotonic()`.
    """

    endpoint_id: int
    token: str
    at: float
    times_opened: int
    open_for: float | None
    next_send_in: float | None
    is_release: bool = False


@dataclass(slots=True)
class Score:
    """How the tries of one endpoint ended since it was last told."""

    successes: int = 0
    failures: int = 0
    last_status: int | None = None
    last_error: str = ""
    is_gone: bool = False
    started_at: float = 0.0

    def after(self, earlier: Score) -> Score:
        """Both together, this one being the later."""
        return Score(
            successes=earlier.successes + self.successes,
            failures=earlier.failures + self.failures,
            last_status=self.last_status,
            last_error=self.last_error,
            is_gone=earlier.is_gone or self.is_gone,
            started_at=self.started_at,
        )


@dataclass(slots=True)
class Batch:
    """What one transaction stores."""

    results: list[Result] = field(default_factory=list)
    lanes: list[LaneChange] = field(default_factory=list)
    scores: dict[int, Score] = field(default_factory=dict)
    is_bare: bool = False

    def __bool__(self) -> bool:
        return bool(self.results or self.lanes or self.scores)
