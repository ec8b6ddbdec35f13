"""What the sandbox gives each emulator: its time, its faults, its postman, its diary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integrations.providers.emulation import Call, Delivery, Fault
from integrations.sandbox.delivery import TIMEOUT, post_once
from integrations.sandbox.faults import FaultPlan
from integrations.sandbox.journal import Journal
from integrations.sandbox.timetable import Timetable


@dataclass(slots=True)
class EmulatorSurroundings:
    """The surroundings of one mounted emulator."""

    timetable: Timetable
    journal: Journal
    may_leave: bool = False
    slug: str = ""
    plan: FaultPlan = field(default_factory=FaultPlan)

    def now(self) -> datetime:
        """The sandbox's own time, aware."""
        return self.timetable.now()

    def later(self, seconds: float, task: Callable[[], object], *, scaled: bool = True) -> None:
        """Run the task after so many provider seconds."""
        self.timetable.later(seconds, task, scaled=scaled)

    def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float = TIMEOUT
    ) -> Delivery:
        """Deliver one callback, once."""
        return post_once(url, headers, body, may_leave=self.may_leave, timeout=timeout)

    def record(self, entry: Mapping[str, Any]) -> None:
        """Append to the journal."""
        self.journal.append({"emulator": self.slug, "entry": entry})

    def take_fault(self, kinds: frozenset[str], call: Call) -> Fault | None:
        """The first planned fault that matches, used up once."""
        return self.plan.take(kinds, call)
