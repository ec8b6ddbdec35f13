"""The Daraja emulator as the sandbox mounts it: its paths, its book and its controls."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from integrations.providers.mpesa.emulator import callbacks, control, envelopes
from integrations.providers.mpesa.emulator.contract import (
    Answer,
    Call,
    Fault,
    Rejected,
    Request,
    Surroundings,
)
from integrations.providers.mpesa.emulator.fields import read_phone
from integrations.providers.mpesa.emulator.oauth import TokenOffice
from integrations.providers.mpesa.emulator.stk import Settings, StkDesk

# Its own faults beside the transport faults that the sandbox can do to any emulator.
FAULT_KINDS = frozenset({"token_rejected", "spike_arrest", "flaky_query"}) | callbacks.FAULTS.keys()


@dataclass(frozen=True, slots=True)
class Route:
    """One path of Daraja: its verb and the name of its operation."""

    method: str
    operation: str


# sections 2, 4 and 5 [3+]
ROUTES = {
    "/oauth/v1/generate": Route("GET", "oauth"),
    "/mpesa/stkpush/v1/processrequest": Route("POST", "stk_push"),
    "/mpesa/stkpushquery/v1/query": Route("POST", "stk_query"),
}


class Daraja:
    """Safaricom's Daraja, as far as reference sections 1-7, 20 and 21 describe it."""

    slug = "mpesa-daraja"
    title = "M-Pesa Daraja"
    fault_kinds = FAULT_KINDS

    def __init__(self, surroundings: Surroundings, *, is_interactive: bool = False) -> None:
        self._surroundings = surroundings
        self._is_interactive = is_interactive
        self.reset()

    def reset(self) -> None:
        """Forget everything: book, tokens, apps, short codes, scenarios and switches."""
        self.office = TokenOffice()
        self.desk = StkDesk(self._surroundings, Settings(is_interactive=self._is_interactive))
        self._recent: deque[float] = deque()

    def describe(self, request: Request) -> Call:
        """The operation and phone of a request, for counters and faults."""
        route = ROUTES.get(request.path)
        if route is None:
            return Call("unknown")
        is_push = route.operation == "stk_push"
        return Call(route.operation, read_phone(request.body) if is_push else "")

    def handle(self, request: Request) -> Answer:
        """Answer one request: path, verb, gateway faults, token, then the operation itself."""
        route = ROUTES.get(request.path)
        if route is None:
            return envelopes.unknown_path()
        if request.method != route.method:
            return envelopes.wrong_verb()
        stopped = self._stop_at_gateway(request, route.operation)
        if stopped is not None:
            return stopped
        now = self._surroundings.now()
        with self.desk.lock:
            if route.operation == "oauth":
                return self.office.issue(request, now)
            refusal = self.office.refuse(request, route.operation, now)
        if refusal is not None:
            return refusal
        serve: dict[str, Callable[[Request], Answer]] = {
            "stk_push": self.desk.push,
            "stk_query": self.desk.query,
        }
        return serve[route.operation](request)

    def check_fault(self, fault: Fault) -> None:
        """Refuse a fault of this emulator that could not be carried out; raises Rejected."""
        options = fault.options
        if fault.kind in callbacks.FAULTS:
            callbacks.check_options(fault.kind, options)
        dress = options.get("dress", "404.001.03")
        if fault.kind == "token_rejected" and dress not in envelopes.TOKEN_DRESSES:
            raise Rejected(f"dress: one of {', '.join(envelopes.TOKEN_DRESSES)}.")
        for name in ("rate", "per_second"):
            if not isinstance(options.get(name, 0), int | float):
                raise Rejected(f"{name}: a number.")

    def control(self, action: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out a control action; raises Rejected."""
        act = control.ACTIONS.get(action)
        if act is None:
            raise Rejected(f"{action}: unknown; known are {', '.join(control.ACTIONS)}.")
        return act(self.desk, self.office, payload)

    def book(self) -> dict[str, Any]:
        """Every prompt with its ids, decision and deliveries; receipts, sums and switches."""
        with self.desk.lock:
            return self.desk.book.summary() | {"settings": asdict(self.desk.settings)}

    def counters(self) -> dict[str, int]:
        """Figures of its own, beside the requests that the server counts."""
        return {"tokens_issued": self.office.issued}

    def replay(self, entry: Mapping[str, Any]) -> None:
        """Take over one journal entry of an earlier run."""
        with self.desk.lock:
            self.desk.book.replay(entry["prompt"])

    def resume(self) -> None:
        """After the last replay: prompts that nobody had answered go on waiting."""
        with self.desk.lock:
            waiting = list(self.desk.book.pending())
        for prompt in waiting:
            self.desk.schedule(prompt)

    def _stop_at_gateway(self, request: Request, operation: str) -> Answer | None:
        call = self.describe(request)
        spike = self._surroundings.take_fault(frozenset({"spike_arrest"}), call)
        if spike is not None and self._is_over(float(spike.options.get("per_second", 0))):
            return envelopes.spike_arrest()
        if operation == "oauth":
            return None
        refused = self._surroundings.take_fault(frozenset({"token_rejected"}), call)
        if refused is not None:
            return envelopes.refused_token(refused.options.get("dress", "404.001.03"))
        return None

    def _is_over(self, per_second: float) -> bool:
        """Whether this call is one too many within the last real second."""
        with self.desk.lock:
            now = time.perf_counter()
            while self._recent and self._recent[0] <= now - 1:
                self._recent.popleft()
            self._recent.append(now)
            return len(self._recent) > per_second
