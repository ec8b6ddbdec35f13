"""One request to a mounted emulator, with whatever transport fault is planned for it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from integrations.providers.emulation import Answer, Call, Fault, Request
from integrations.sandbox.faults import AFTER, BEFORE
from integrations.sandbox.protocol import Emulator
from integrations.sandbox.surroundings import EmulatorSurroundings

# How soon who waits sees that the faults were cleared.
_LOOK_SECONDS = 0.02
_HTML = b"<html><body><h1>Service temporarily unavailable</h1></body></html>"


@dataclass(slots=True)
class Mount:
    """An emulator under its prefix, with the faults planned for it and its request counts."""

    emulator: Emulator
    surroundings: EmulatorSurroundings
    stopped: threading.Event
    requests: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def exchange(self, request: Request) -> Answer | None:
        """The answer to a request; None: close the connection without one."""
        call = self.emulator.describe(request)
        with self._lock:
            self.requests[call.operation] += 1
        early = self.surroundings.plan.take(BEFORE, call)
        if early is not None:
            answer, is_final = self._act_before(early)
            if is_final:
                return answer
        return self._answer(request, call)

    def counters(self) -> dict[str, int]:
        """Requests by operation, and the emulator's own figures."""
        with self._lock:
            return dict(self.requests) | self.emulator.counters()

    def reset(self) -> None:
        """Forget faults, counts and the emulator's state."""
        self.surroundings.plan.clear()
        with self._lock:
            self.requests.clear()
        self.emulator.reset()

    def _act_before(self, fault: Fault) -> tuple[Answer | None, bool]:
        if fault.kind == "delay":
            self._wait(fault)
            return None, False
        if fault.kind == "drop":
            return None, True
        return _gateway_page(fault), True

    def _wait(self, fault: Fault) -> None:
        """The fault's seconds, or until faults are cleared or the sandbox stops."""
        cleared = self.surroundings.plan.cleared
        end = time.monotonic() + float(fault.options.get("seconds", 1))
        while (left := end - time.monotonic()) > 0 and not cleared.is_set():
            if self.stopped.wait(min(left, _LOOK_SECONDS)):
                return

    def _answer(self, request: Request, call: Call) -> Answer | None:
        fault = self.surroundings.plan.take(AFTER, call)
        if fault is None:
            return self.emulator.handle(request)
        # A gateway's own page usually means that nothing was processed; `processed` says it was.
        is_gateway_page = fault.kind in {"html", "empty"}
        if is_gateway_page and not fault.options.get("processed", False):
            return _gateway_page(fault)
        answer = self.emulator.handle(request)
        if fault.kind == "slow":
            self._wait(fault)
            return answer
        return None if fault.kind == "lose_answer" else _gateway_page(fault)


def _gateway_page(fault: Fault) -> Answer:
    # Reference section 1 [2]: HTML or empty on gateway faults, sometimes with HTTP 200.
    if fault.kind == "empty":
        return Answer(200, b"")
    status = 200 if fault.kind == "html" else int(fault.options.get("status", 500))
    return Answer(status, _HTML, "text/html; charset=utf-8")
