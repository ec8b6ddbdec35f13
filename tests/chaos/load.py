"""Callers who behave as a careful ERP does, and write down what they were told."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import requests

from tests.chaos.disasters import Disasters
from tests.chaos.orders import Order, PayoutOrder

CALLERS = 6
ATTEMPTS = 5
# Nobody waits for an answer for ever; a caller who gets none in this time is a failure.
PATIENCE = 90.0


@dataclass(frozen=True)
class Told:
    """What one attempt was answered in the end."""

    reference: str
    success: bool
    payment_id: str
    state: str
    may_push_again: bool


def note(push: Mapping[str, Any], success: bool, data: Mapping[str, Any]) -> Told:
    """What the service answered to a push, in the judge's words."""
    return Told(
        reference=reference_of(push),
        success=success,
        payment_id=data["payment_id"],
        state=data["state"],
        # With an id the provider took it, and it ended otherwise: that is an end.
        may_push_again=data["retry_safe"]
        and not (data.get("checkout_id") or data.get("conversation_id")),
    )


def reference_of(push: Mapping[str, Any]) -> str:
    """What the order is called in the ledger, by whichever name the product has for it."""
    return str(push.get("account_reference") or push["reference"])


class Load:
    """Pushes orders through the web, `per_second` of them, each in a thread of its own.

    A caller who gets no answer repeats the request under the same idempotency key. One who is told
    that nothing was sent tries anew, as another attempt: if that was not true, the order is
    prompted twice and the judge sees it.
    """

    def __init__(
        self, web_url: str, orders: Iterable[Order | PayoutOrder], *, per_second: float
    ) -> None:
        self.told: list[Told] = []
        # Whatever breaks, the ERP's page gets an answer that it can show: `finish` fails otherwise.
        self.server_errors: list[str] = []
        self._web_url, self._pause = web_url, 1 / per_second
        self._stopped = threading.Event()
        self._orders = iter(orders)
        self._order_lock = threading.Lock()
        self._next_at = time.monotonic()
        self._pool = ThreadPoolExecutor(CALLERS, thread_name_prefix="caller")
        self._futures: list[Future[None]] = []

    def start(self) -> Load:
        """Begin; returns at once."""
        self._futures = [self._pool.submit(self._call) for _ in range(CALLERS)]
        return self

    @property
    def is_busy(self) -> bool:
        """Whether anybody still calls."""
        return not all(future.done() for future in self._futures)

    def finish(self) -> None:
        """Wait until everybody was answered; raises what a caller raised."""
        for future in self._futures:
            future.result()
        assert self.server_errors == []

    def give_up(self) -> None:
        """Let the callers go home after a failure."""
        self._stopped.set()
        self._pool.shutdown()

    def _call(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            for order in iter(self._next_order, None):
                self._serve(session, order)

    def _next_order(self) -> Order | PayoutOrder | None:
        with self._order_lock:
            time.sleep(max(0.0, self._next_at - time.monotonic()))
            self._next_at = time.monotonic() + self._pause
            return None if self._stopped.is_set() else next(self._orders, None)

    def _serve(self, session: requests.Session, order: Order | PayoutOrder) -> None:
        for attempt in range(ATTEMPTS):
            push = order.push(attempt)
            success, _message, data = self._answer(session, order.how, push)
            told = note(push, success, data)
            self.told.append(told)
            if not told.may_push_again or self._stopped.wait(0.3 * (attempt + 1)):
                return

    def _answer(self, session: requests.Session, how: str, push: dict[str, Any]) -> Any:
        """The answer that names a payment; without one the same request is repeated."""
        end = time.monotonic() + PATIENCE
        for tries in itertools.count(1):
            answer = self._post(session, how, push)
            if answer is not None and answer[2]["payment_id"]:
                return answer
            assert time.monotonic() < end, f"{push} was never answered: {answer}"
            if self._stopped.wait(min(0.1 * tries, 1.0)):
                raise RuntimeError("the test was given up")
        raise AssertionError

    def _post(self, session: requests.Session, how: str, push: dict[str, Any]) -> Any:
        try:
            response = session.post(f"{self._web_url}/pay/{how}", json=push, timeout=10)
        except requests.RequestException:
            return None
        if response.status_code != 200:
            self.server_errors.append(f"{reference_of(push)}: HTTP {response.status_code}")
            return None
        return response.json()


def while_busy(load: Load, disasters: Disasters, *, at_most: int, each: int = 1) -> None:
    """Let disasters happen while the callers call, and wait for the callers' answers.

    Each kind happens `each` times at least: where the callers were done sooner, while what they
    began is still under way. However it ends, the callers are sent home.
    """
    try:
        for _ in range(at_most):
            if load.is_busy:
                disasters.strike()
        disasters.strike_missing(each)
        load.finish()
    finally:
        load.give_up()
