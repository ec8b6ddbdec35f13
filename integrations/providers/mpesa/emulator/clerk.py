"""Accepting orders, bringing them to their end, and sending their results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from integrations.providers.emulation import Answer, Call, Delivery
from integrations.providers.mpesa.emulator.courier import Courier, Parcel
from integrations.providers.mpesa.emulator.credentials import read_credential
from integrations.providers.mpesa.emulator.envelopes import duplicate_originator, json_answer
from integrations.providers.mpesa.emulator.ledger import Movement
from integrations.providers.mpesa.emulator.orders import Order, OrderBook
from integrations.providers.mpesa.emulator.outcomes import (
    EXPIRED,
    PAID,
    Outcome,
    choose_outcome,
)
from integrations.providers.mpesa.emulator.result_codes import describe
from integrations.providers.mpesa.emulator.result_manner import ResultManner, choose_result_manner
from integrations.providers.mpesa.emulator.results import Parameters, result_body, timeout_body
from integrations.providers.mpesa.emulator.world import World


class Desk(Protocol):
    """What knows one operation: how an order of it ends, and what its result tells."""

    def settle(self, order: Order) -> tuple[str, list[Movement]]:
        """Carry the order out, the lock held: its result code, and the money that moved."""

    def parameters(self, order: Order, manner: ResultManner) -> Parameters:
        """The entries of its result, the lock held."""


@dataclass(slots=True)
class Clerk:
    """Serves all operations that answer later, through the desk of each."""

    world: World
    courier: Courier
    book: OrderBook = field(default_factory=OrderBook)
    desks: dict[str, Desk] = field(default_factory=dict)
    manners: dict[int, ResultManner] = field(default_factory=dict)

    def enter(self, order: Order, credential: str, *, by_amount: str | None = None) -> Answer:
        """Enter an order of a known shortcode and acknowledge it; it ends later.

        A refused initiator is acknowledged, too (section 19 [3+]). `by_amount` is the code that
        the amount asks for. An originator id that was used before is refused.
        """
        take_fault = self.world.surroundings.take_fault
        password = read_credential(credential)
        with self.world.lock:
            if order.originator_id in self.book.by_conversation:
                return duplicate_originator()
            order.id = self.book.next_id
            calls = (Call(order.operation, order.phone), Call("result", order.phone))
            manner = choose_result_manner(take_fault, *calls)
            self._plan(order, password, by_amount)
            self.book.add(order)
            self.manners[order.id] = manner
            self.world.record(order=order)
        if manner.is_early:
            self.finish(order)  # section 20 [1]: before the reply to the request
        else:
            self.schedule(order)
        # section 9 [3+]
        return json_answer(
            {
                "ConversationID": order.conversation_id,
                "OriginatorConversationID": order.originator_id,
                "ResponseCode": "0",
                "ResponseDescription": "Accept the service request successfully.",
            }
        )

    def schedule(self, order: Order) -> None:
        """Let a pending order come to its end by itself."""
        self.world.surroundings.later(order.planned_seconds, lambda: self.finish(order))

    def finish(self, order: Order) -> None:
        """Carry a pending order out and send its result, or the word of a timeout."""
        manner = self.manners.get(order.id, ResultManner())
        with self.world.lock:
            if not order.is_pending:
                return
            if manner.timeout_form and not manner.is_processed:
                self._decide(order, EXPIRED)
            elif manner.late_seconds is not None:
                self._decide(order, manner.first_code)
            else:
                self._settle(order)
        if manner.timeout_form:
            parcel = Parcel(
                order.timeout_url, timeout_body(order, manner), self._noting(order, "timeout")
            )
            self.courier.send(parcel, manner)
            self._later(manner.then_result, order, manner)
            return
        self._later(manner.delay_seconds, order, manner)
        if manner.late_seconds is not None:
            self.world.surroundings.later(manner.late_seconds, lambda: self._revise(order, manner))

    def _revise(self, order: Order, manner: ResultManner) -> None:
        with self.world.lock:
            self._settle(order)
        self._send_result(order, manner)

    def _plan(self, order: Order, password: str | None, by_amount: str | None) -> None:
        world = self.world
        refusal = world.initiators[order.shortcode].refuse(
            order.initiator, password, order.operation, world.settings.wrong_passwords_allowed
        )
        scenario = None if refusal else world.scenarios.take(order.phone, order.operation)
        outcome: Outcome = choose_outcome(
            scenario,
            routed=refusal or by_amount,
            amount="",
            phone="",
            jitter=world.dice.random(),
        )
        order.planned_code = outcome.code
        order.planned_description = outcome.description
        order.planned_seconds = outcome.seconds
        order.source = outcome.source

    def _settle(self, order: Order) -> None:
        if order.planned_code != PAID:
            self._decide(order, order.planned_code, order.planned_description)
            return
        order.decided = self.world.surroundings.now().isoformat()
        code, movements = self.desks[order.operation].settle(order)
        self._decide(order, code, order.planned_description if code == PAID else "", movements)

    def _decide(
        self, order: Order, code: str, text: str = "", movements: list[Movement] | None = None
    ) -> None:
        order.result_code = code
        order.result_description = text or describe(order.operation, code)
        order.decided = self.world.surroundings.now().isoformat()
        self.world.record(*(movements or ()), order=order)

    def _later(self, seconds: float | None, order: Order, manner: ResultManner) -> None:
        if seconds is None:
            return
        if seconds == 0:
            self._send_result(order, manner)
            return
        self.world.surroundings.later(seconds, lambda: self._send_result(order, manner))

    def _send_result(self, order: Order, manner: ResultManner) -> None:
        with self.world.lock:
            parameters = self.desks[order.operation].parameters(order, manner)
            body = result_body(order, parameters, manner)
        self.courier.send(Parcel(order.result_url, body, self._noting(order, "result")), manner)

    def _noting(self, order: Order, kind: str) -> Callable[[Delivery], None]:
        code = order.result_code

        def note(delivery: Delivery) -> None:
            with self.world.lock:
                order.deliveries.append(
                    {
                        "at": self.world.surroundings.now().isoformat(),
                        "kind": kind,
                        "result_code": code,
                        "status": delivery.status,
                        "error": delivery.error,
                    }
                )
                self.world.record(order=order)

        return note
