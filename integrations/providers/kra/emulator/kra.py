"""KRA as the sandbox mounts it: three ways to the control units, GavaConnect, book and controls."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from integrations.providers.emulation import (
    Answer,
    Call,
    Fault,
    Rejected,
    Request,
    Surroundings,
)
from integrations.providers.kra.emulator import (
    control,
    documents,
    entries,
    envelopes,
    faults,
)
from integrations.providers.kra.emulator.desk import Desk
from integrations.providers.kra.emulator.devices import initialise
from integrations.providers.kra.emulator.gavaconnect import GavaDesk
from integrations.providers.kra.emulator.oauth import ETIMS_PRODUCT, TokenOffice
from integrations.providers.kra.emulator.operations import HANDLERS
from integrations.providers.kra.emulator.refusals import Refusal, Unreachable
from integrations.providers.kra.emulator.routes import (
    GATEWAY,
    TOKEN_PATHS,
    VSCU,
    WRITES,
    Route,
    find_route,
)
from integrations.providers.kra.emulator.visits import Found, Visit, identify, read_body, whose
from integrations.providers.kra.emulator.world import World

_DESK_ENTRY = "gavaconnect"


class Kra:
    """eTIMS by three ways, and GavaConnect, as far as the reference's sections describe them."""

    slug = "kra"
    title = "KRA eTIMS and GavaConnect"
    fault_kinds = faults.FAULT_KINDS

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self.reset()

    def reset(self) -> None:
        """Forget everything: devices, books, apps, tokens and switches."""
        self.world = World(self._surroundings)
        self.desk: Desk = self._new_desk()

    @property
    def office(self) -> TokenOffice:
        """Where tokens are issued."""
        return self.world.office

    def describe(self, request: Request) -> Call:
        """The operation, and as `phone` the PIN and branch ("P051234567X/00"), for faults."""
        if request.path in TOKEN_PATHS:
            return Call("token")
        route = self._route(request)
        if route is None:
            return Call(self.desk.operation(request.path) or "unknown")
        return Call(route.operation or "unknown", "/".join(whose(request, route.door)))

    def handle(self, request: Request) -> Answer:
        """Answer one request, after the latency that was asked for."""
        time.sleep(self.world.settings.latency)
        call = self.describe(request)
        now = self.world.now()
        route = self._route(request)
        if self.world.is_away() and (route is None or route.door != VSCU):
            return envelopes.unavailable()
        if request.path in TOKEN_PATHS:
            return self._issue_token(request, call, now)
        if route is None:
            return self._gavaconnect(request, call, now)
        if request.method != "POST" or not route.operation:
            return envelopes.unknown_path(route.door, now)
        if route.door == GATEWAY:
            refused = self._stop_at_gateway(request, route, call, now)
            if refused is not None:
                return refused
        return self._serve(request, route, call, now)

    def check_fault(self, fault: Fault) -> None:
        """Refuse a fault of this emulator that could not be carried out; raises Rejected."""
        faults.check_options(fault.kind, fault.options)

    def control(self, action: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out a control action; raises Rejected."""
        act = control.ACTIONS.get(action)
        if act is not None:
            with self.world.lock:
                return act(self.world, payload)
        done = self.desk.control(action, payload)
        if done is None:
            raise Rejected(f"{action}: unknown; known are {', '.join(control.ACTIONS)}.")
        return done

    def book(self) -> dict[str, Any]:
        """Everything that happened, by unit and in order; and what GavaConnect was asked."""
        with self.world.lock:
            return self.world.summary() | {"gavaconnect": self.desk.book()}

    def show(self, name: str, query: Mapping[str, list[str]]) -> Answer | None:
        """`recent`: the last receipts and the switches, for the panel; `invoice`: one body."""
        with self.world.lock:
            return documents.show(self.world, name, query)

    def counters(self) -> dict[str, int]:
        """Figures of its own, beside the requests that the server counts."""
        return {"tokens_issued": self.office.issued}

    def replay(self, entry: Mapping[str, Any]) -> None:
        """Take over one journal entry of an earlier run."""
        with self.world.lock:
            if entry["kind"] == _DESK_ENTRY:
                self.desk.replay(entry["entry"])
            else:
                entries.apply(self.world, entry)

    def resume(self) -> None:
        """Nothing was under way: KRA answers at once or not at all."""

    def _new_desk(self) -> Desk:
        return GavaDesk(self.world.office, self._record_of_desk)

    def _record_of_desk(self, entry: Mapping[str, Any]) -> None:
        self._surroundings.record({"kind": _DESK_ENTRY, "entry": entry})

    def _route(self, request: Request) -> Route | None:
        route = find_route(request.path)
        opened = self.world.settings.vscu_lookup_path
        if route is not None and route.door == VSCU and opened and route.path == opened:
            return Route(VSCU, "find_invoice", opened)
        return route

    def _issue_token(self, request: Request, call: Call, now: datetime) -> Answer:
        stopped = faults.stop_token_endpoint(self._surroundings, call)
        with self.world.lock:
            is_text = self.world.settings.expires_form == "text"
            return stopped or self.office.issue(request, now, is_text=is_text)

    def _gavaconnect(self, request: Request, call: Call, now: datetime) -> Answer:
        if self.desk.operation(request.path) is None:
            return envelopes.unknown_path(GATEWAY, now)
        stopped = faults.stop_token(self._surroundings, call)
        if stopped is not None:
            return stopped
        planned = faults.Planned(self._surroundings, call)
        answer = self.desk.handle(request, now) if planned.is_processed else None
        return planned.answer(GATEWAY, now) or answer or Answer(500)

    def _stop_at_gateway(
        self, request: Request, route: Route, call: Call, now: datetime
    ) -> Answer | None:
        stopped = faults.stop_token(self._surroundings, call)
        if stopped is not None:
            return stopped
        with self.world.lock:
            app = self.office.admit(request, ETIMS_PRODUCT, now)
        if isinstance(app, Answer):
            return app
        # Section 1 [3+]: apigee_app_id beside the token.
        if request.headers.get("apigee_app_id") != app.app_id:
            return envelopes.gateway(400, "Invalid or missing apigee_app_id", None)
        return None

    def _serve(self, request: Request, route: Route, call: Call, now: datetime) -> Answer:
        planned = faults.Planned(self._surroundings, call)
        if not planned.is_processed:
            return planned.answer(route.door, now) or Answer(500)
        with self.world.lock:
            answer = self._carry_out(request, route, call, now)
        return planned.answer(route.door, now) or planned.shape(route.door, answer)

    def _carry_out(self, request: Request, route: Route, call: Call, now: datetime) -> Answer:
        try:
            result = self._result(request, route, now)
        except Refusal as fault:
            self._note(request, route, call, fault.code, fault.text, now)
            return envelopes.refusal(route.door, fault, now)
        except Unreachable:
            self._note(request, route, call, "503", "offline too long", now)
            return envelopes.unavailable()
        if isinstance(result, Found):
            time_of_list = self.world.list_time()
            if result.rows:
                return envelopes.success(route.door, result.data, time_of_list)
            data = result.data if self.world.settings.empty_form == "list" else None
            return envelopes.success(route.door, data, time_of_list, "001")
        return envelopes.success(route.door, result, now)

    def _result(self, request: Request, route: Route, now: datetime) -> Any:
        if route.operation == "init":
            if route.door == VSCU and self.world.is_away():
                raise Refusal("894")
            return initialise(self.world, request, route)
        body = read_body(request)
        unit = identify(self.world, request, route, body)
        if (
            route.door == VSCU
            and route.operation not in ("save_sale", "confirm_sale", "find_invoice")
            and self.world.offline_since(unit) is not None
        ):
            raise Refusal("894")  # [guess]: only signing works without KRA
        visit = Visit(self.world, route, unit, body, request.body.decode(), now)
        return HANDLERS[route.operation](visit)

    def _note(
        self, request: Request, route: Route, call: Call, code: str, text: str, now: datetime
    ) -> None:
        """Refused writes stand in the book."""
        if route.operation not in WRITES | {"init"}:
            return
        tin, branch = whose(request, route.door)
        try:
            body = read_body(request)
        except Refusal:
            body = {}
        entries.commit(
            self.world, "refused", tin=tin, branch=branch, at=now.isoformat(), door=route.door,
            operation=route.operation, code=code, text=text,
            trader_number=str(body.get("trdInvcNo") or ""), number=str(body.get("invcNo") or ""),
        )  # fmt: skip
