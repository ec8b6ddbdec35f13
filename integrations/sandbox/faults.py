"""Planned faults: what shall go wrong, how often, and for which calls."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from integrations.providers.emulation import Call, Fault, Rejected

# What the server can do to any emulator's answers.
BEFORE = frozenset({"delay", "drop", "error_before"})
AFTER = frozenset({"lose_answer", "error_after", "slow", "html", "empty"})
TRANSPORT_KINDS = BEFORE | AFTER
_LONGEST = 1_000_000  # provider seconds
_PLAIN_FIELDS = ("kind", "operation", "phone", "times", "emulator")


@dataclass(slots=True)
class FaultPlan:
    """The faults of one emulator, in the order they were planned.

    `cleared` is set when they are cleared the next time: whoever waits for a fault goes on then.
    """

    faults: list[Fault] = field(default_factory=list)
    cleared: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, fault: Fault) -> None:
        """Plan one more."""
        with self._lock:
            self.faults.append(fault)

    def clear(self) -> None:
        """Plan nothing any more, and let go on who waits."""
        with self._lock:
            self.faults.clear()
            self.cleared.set()
            self.cleared = threading.Event()

    def take(self, kinds: frozenset[str], call: Call) -> Fault | None:
        """The first fault of these kinds that matches the call, used up once."""
        with self._lock:
            fitting = (each for each in self.faults if each.kind in kinds and _matches(each, call))
            fault = next(fitting, None)
            if fault is not None and fault.times is not None:
                fault.times -= 1
                if fault.times == 0:
                    self.faults.remove(fault)
            return fault

    def as_list(self) -> list[dict[str, Any]]:
        """What is still planned."""
        with self._lock:
            return [asdict(fault) for fault in self.faults]


def read_fault(payload: Mapping[str, Any], own_kinds: frozenset[str]) -> Fault:
    """A fault from a control request; every other field is an option. Raises Rejected."""
    kind = payload.get("kind")
    if kind not in TRANSPORT_KINDS | own_kinds:
        raise Rejected(f"kind: one of {', '.join(sorted(TRANSPORT_KINDS | own_kinds))}.")
    times = payload.get("times", 1)
    if times is not None and (not isinstance(times, int) or isinstance(times, bool) or times < 1):
        raise Rejected("times: a whole number from 1, or null for all.")
    options = {name: value for name, value in payload.items() if name not in _PLAIN_FIELDS}
    # Transport faults count real seconds, an emulator's own those of the provider.
    _check_number(options, "seconds", 0, 600 if kind in TRANSPORT_KINDS else _LONGEST)
    # A page of the gateway is a failure of a server; an emulator's own errors are others, too.
    _check_number(options, "status", 500 if kind in TRANSPORT_KINDS else 200, 599)
    return Fault(
        kind=str(kind),
        operation=str(payload.get("operation", "")),
        phone=str(payload.get("phone", "")),
        times=times,
        options=options,
    )


def _check_number(options: Mapping[str, Any], name: str, lowest: int, highest: int) -> None:
    value = options.get(name, lowest)
    if not isinstance(value, int | float) or not lowest <= value <= highest:
        raise Rejected(f"{name}: from {lowest} to {highest}.")


def _matches(fault: Fault, call: Call) -> bool:
    return fault.operation in {"", call.operation} and fault.phone in {"", call.phone}
