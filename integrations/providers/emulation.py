"""What an emulator is given and gives back: the seam between it and the sandbox server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, its path already relative to the emulator's prefix."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]  # names in lower case
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """What a request is about, for counters and for the matching of faults."""

    operation: str
    phone: str = ""


@dataclass(slots=True)
class Fault:
    """Something that shall go wrong, for the next `times` calls that match (None: for all)."""

    kind: str
    operation: str = ""  # empty matches every operation
    phone: str = ""  # empty matches every phone
    times: int | None = 1
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """How the single attempt to deliver a callback ended."""

    status: int | None
    error: str = ""
    body: bytes = b""  # what the receiver answered, at most 64 KiB of it


class Rejected(ValueError):
    """A control request that can't be carried out; the text says why."""


class Surroundings(Protocol):
    """What an emulator may use of the world: time, faults, a postman and a diary."""

    def now(self) -> datetime:
        """The sandbox's own time, aware; tests move it."""

    def later(self, seconds: float, task: Callable[[], object], *, scaled: bool = True) -> None:
        """Run the task after so many provider seconds, shortened by the sandbox's speed."""

    def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float = 10.0
    ) -> Delivery:
        """Deliver one callback, once, without redirects; never raises.

        `timeout` counts real seconds until the answer.
        """

    def record(self, entry: Mapping[str, Any]) -> None:
        """Append the entry to the journal and flush it before returning."""

    def take_fault(self, kinds: frozenset[str], call: Call) -> Fault | None:
        """The first planned fault of these kinds that matches the call, used up once."""
