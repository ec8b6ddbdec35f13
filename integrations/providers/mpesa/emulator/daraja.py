"""The Daraja emulator as the sandbox mounts it: its paths, its book and its controls."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from integrations.providers.emulation import (
    Answer,
    Call,
    Fault,
    Rejected,
    Request,
    Surroundings,
)
from integrations.providers.mpesa.emulator import (
    callbacks,
    control,
    envelopes,
    errors,
    result_manner,
)
from integrations.providers.mpesa.emulator.desks import Desks
from integrations.providers.mpesa.emulator.fields import read_phone
from integrations.providers.mpesa.emulator.oauth import TokenOffice
from integrations.providers.mpesa.emulator.products import ROUTES
from integrations.providers.mpesa.emulator.settings import Settings
from integrations.providers.mpesa.emulator.world import World

# Its own faults beside the transport faults that the sandbox can do to any emulator.
FAULT_KINDS = (
    frozenset({"token_rejected", "spike_arrest", "flaky_query", "error_code"})
    | callbacks.FAULTS.keys()
    | result_manner.OWN_FAULTS.keys()
)


_ERROR = frozenset({"error_code"})


class Daraja:
    """Safaricom's Daraja, as far as reference sections 1-9, 11-13, 16 and 18-21 describe it."""

    slug = "mpesa-daraja"
    title = "M-Pesa Daraja"
    fault_kinds = FAULT_KINDS

    def __init__(self, surroundings: Surroundings, *, is_interactive: bool = False) -> None:
        self._surroundings = surroundings
        self._is_interactive = is_interactive
        self.reset()

    def reset(self) -> None:
        """Forget everything: book, tokens, apps, short codes, scenarios and switches."""
        settings = Settings(is_interactive=self._is_interactive)
        self.desks = Desks(World(self._surroundings, settings))
        self._recent: deque[float] = deque()

    @property
    def office(self) -> TokenOffice:
        """Where tokens are issued."""
        return self.desks.office

    def describe(self, request: Request) -> Call:
        """The operation and phone of a request, for counters and faults."""
        route = ROUTES.get(request.path)
        if route is None:
            return Call("unknown")
        name = route.phone_field
        return Call(route.operation, read_phone(request.body, name) if name else "")

    def handle(self, request: Request) -> Answer:
        """Answer one request: path, verb, gateway faults, token, then the operation itself."""
        route = ROUTES.get(request.path)
        if route is None:
            return envelopes.unknown_path()
        if request.method != route.method:
            return envelopes.wrong_verb()
        call = self.describe(request)
        stopped = self._stop_at_gateway(call)
        if stopped is not None:
            return stopped
        now = self._surroundings.now()
        with self.desks.world.lock:
            if route.operation == "oauth":
                return self._err(call) or self.office.issue(request, now)
            refusal = self.office.refuse(request, route, now)
        if refusal is not None:
            return refusal
        error = self._surroundings.take_fault(_ERROR, call)
        if error is not None and not error.options.get("processed"):
            return errors.error_answer(error.options)
        answer = self.desks.handlers[route.handler](request)
        return answer if error is None else errors.error_answer(error.options)

    def check_fault(self, fault: Fault) -> None:
        """Refuse a fault of this emulator that could not be carried out; raises Rejected."""
        options = fault.options
        if fault.kind in callbacks.FAULTS:
            callbacks.check_options(fault.kind, options)
        if fault.kind == "error_code":
            errors.check_options(options)
        if fault.kind in result_manner.OWN_FAULTS:
            result_manner.check_options(fault.kind, options)
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
        return act(self.desks, payload)

    def book(self) -> dict[str, Any]:
        """Everything that happened: prompts, payouts, reversals, C2B, accounts, statement."""
        return self.desks.summary()

    def show(self, name: str, query: Mapping[str, list[str]]) -> Answer | None:
        """A document of its own: `certificate` (PEM), `accounts`, `statement` (CSV)."""
        return control.show(self.desks, name, query)

    def counters(self) -> dict[str, int]:
        """Figures of its own, beside the requests that the server counts."""
        return {"tokens_issued": self.office.issued}

    def replay(self, entry: Mapping[str, Any]) -> None:
        """Take over one journal entry of an earlier run."""
        with self.desks.world.lock:
            self.desks.replay(entry)

    def resume(self) -> None:
        """After the last replay: what nobody had answered goes on waiting."""
        self.desks.resume()

    def _stop_at_gateway(self, call: Call) -> Answer | None:
        spike = self._surroundings.take_fault(frozenset({"spike_arrest"}), call)
        if spike is not None and self._is_over(float(spike.options.get("per_second", 0))):
            return envelopes.spike_arrest()
        if call.operation == "oauth":
            return None
        refused = self._surroundings.take_fault(frozenset({"token_rejected"}), call)
        if refused is not None:
            return envelopes.refused_token(refused.options.get("dress", "404.001.03"))
        return None

    def _err(self, call: Call) -> Answer | None:
        error = self._surroundings.take_fault(_ERROR, call)
        return None if error is None else errors.error_answer(error.options)

    def _is_over(self, per_second: float) -> bool:
        """Whether this call is one too many within the last real second."""
        with self.desks.world.lock:
            now = time.perf_counter()
            while self._recent and self._recent[0] <= now - 1:
                self._recent.popleft()
            self._recent.append(now)
            return len(self._recent) > per_second
