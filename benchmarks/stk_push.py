"""STK push in steady state: requests, connections, time beside a bare POST, where it goes."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from statistics import median
from typing import Any
from unittest import mock

import requests

from benchmarks.figures import Figure, beside, exactly, interleave, median_ratio, shown
from benchmarks.stage import PASSKEY, child, read_line, run_alone, save_mpesa

WARM = 20
ROUNDS = 150
COUNTED = 50
TIMED = 60
# Daraja allows one open prompt per phone, so every push has a phone of its own.
_phones = count(254_712_000_000)


def measure() -> list[Figure]:
    """All figures of this script, on the present stage."""
    from tests.sandbox.driver import SandboxDriver

    # The slowest provider: no prompt of this run is answered before its end.
    with child("manage.py", "sandbox", "--port", "0", "--speed", "100") as process:
        words = read_line(process).replace(";", " ").split()
        url = words[-1].rstrip("/")
        driver = SandboxDriver(url)
        with _pointed_at(url, driver.daraja_url):
            bare = BarePush(driver.daraja_url)
            for _ in range(WARM):
                push()
                bare.send()
            return [*_counters(driver), *_beside(bare), *_shares()]


@contextmanager
def _pointed_at(url: str, daraja_url: str) -> Iterator[None]:
    from django.test import override_settings

    with override_settings(OUTBOUND_ALLOWED_HOSTS=[url.removeprefix("http://")]):
        save_mpesa(sandbox_url=daraja_url)
        yield


def push() -> None:
    """One push through the documented service; RuntimeError unless it was accepted."""
    from integrations.payments.mpesa_payment import MpesaPaymentService

    success, message, data = MpesaPaymentService.initiate_stk_push(
        phone=str(next(_phones)), amount=150, account_reference="INV001", description="Order 1"
    )
    if not success or not data or data["state"] != "pending":
        raise RuntimeError(f"The push was not accepted: {message} {data}")


class BarePush:
    """The floor: the same body by `requests.Session.post`, its connection and token kept."""

    def __init__(self, base_url: str) -> None:
        self._url = f"{base_url}/mpesa/stkpush/v1/processrequest"
        self._session = requests.Session()
        answer = self._session.get(
            f"{base_url}/oauth/v1/generate?grant_type=client_credentials",
            auth=("bench-consumer-key", "bench-consumer-secret"),
            timeout=10,
        )
        self._headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def body(self) -> dict[str, Any]:
        """What the service would send now."""
        from django.utils import timezone

        from integrations.providers.mpesa.payloads import StkPush, stk_push_body

        phone = str(next(_phones))
        values = StkPush(
            phone=phone,
            amount=150,
            account_reference="INV001",
            description="Order 1",
            transaction_type="CustomerPayBillOnline",
            short_code="174379",
            party_b="174379",
        )
        url = f"https://erp.example.ke/api/v1/integrations/callbacks/stk/{'0' * 32}/"
        return stk_push_body(values, passkey=PASSKEY, callback_url=url, now=timezone.now())

    def send(self) -> tuple[float, float]:
        """Post once: (wall, CPU) seconds, the making of the body left out."""
        body = self.body()
        with Timer() as timer:
            answer = self._session.post(self._url, json=body, headers=self._headers, timeout=10)
            code = answer.json().get("ResponseCode")
        if code != "0":
            raise RuntimeError(f"The emulator refused the bare push: {answer.text[:200]}")
        return timer.wall, timer.cpu


class Timer:
    """Wall and CPU seconds (this process only) of a block."""

    def __enter__(self) -> Timer:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_error: object) -> None:
        self.cpu = time.process_time() - self._cpu
        self.wall = time.perf_counter() - self._wall


def _counters(driver: Any) -> list[Figure]:
    before = Counter(driver.counters())
    for _ in range(COUNTED):
        push()
    after = Counter(driver.counters())
    after.subtract(before)
    connections = after.pop("connections")
    requests_sent = sum(after.values())
    return [
        exactly(f"STK push, HTTP requests for {COUNTED} pushes", requests_sent, "", COUNTED),
        exactly(f"STK push, new connections for {COUNTED} pushes", connections, "", 0),
    ]


def _beside(bare: BarePush) -> list[Figure]:
    ours: list[float] = []
    floor: list[float] = []

    def service() -> float:
        with Timer() as timer:
            push()
        ours.append(timer.cpu)
        return timer.wall * 1000

    def post() -> float:
        wall, cpu = bare.send()
        floor.append(cpu)
        return wall * 1000

    wall, bare_wall = interleave(ROUNDS, service, post)
    return [
        _pair("STK push, wall time", wall, bare_wall),
        _pair("STK push, CPU", [cpu * 1000 for cpu in ours], [cpu * 1000 for cpu in floor]),
    ]


def _pair(name: str, ours: list[float], floor: list[float]) -> Figure:
    text = f"bare POST {median(floor):.2f} ms"
    return beside(name, median(ours), "ms", text, median_ratio(ours, floor))


@dataclass
class Split:
    """Seconds and calls by kind, for one push."""

    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    calls: Counter[str] = field(default_factory=Counter)

    def watch(self, kind: str, act: Callable[..., Any]) -> Callable[..., Any]:
        """`act`, its time added to `kind`."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return act(*args, **kwargs)
            finally:
                self.seconds[kind] += time.perf_counter() - started
                self.calls[kind] += 1

        return timed


def _shares() -> list[Figure]:
    """Where a push's wall time goes; a pass of its own, since the watching costs something."""
    walls, splits = [], []
    for _ in range(TIMED):
        split = Split()
        with _watched(split), Timer() as timer:
            push()
        walls.append(timer.wall)
        splits.append(split)
    kinds = ("statements", "commits", "HTTP exchange")
    lines = [_share(kind, walls, [each.seconds[kind] for each in splits]) for kind in kinds]
    rest = [wall - sum(each.seconds.values()) for wall, each in zip(walls, splits, strict=True)]
    counted = ", ".join(
        f"{median(each.calls[kind] for each in splits):.0f} {kind}" for kind in kinds[:2]
    )
    return [*lines, _share("everything else", walls, rest), shown("  per push", counted)]


def _share(kind: str, walls: list[float], parts: list[float]) -> Figure:
    share = median(part / wall for part, wall in zip(parts, walls, strict=True))
    return shown(f"  {kind}", f"{median(parts) * 1000:.2f} ms, {share:.0%}")


@contextmanager
def _watched(split: Split) -> Iterator[None]:
    from django.db import connection

    from integrations.outbound import transport

    def statement(execute: Callable[..., Any], *args: Any) -> Any:
        return split.watch("statements", execute)(*args)

    with ExitStack() as stack:
        stack.enter_context(connection.execute_wrapper(statement))
        commit = split.watch("commits", connection._commit)  # type: ignore[attr-defined]
        stack.enter_context(mock.patch.object(connection, "_commit", commit))
        exchange = split.watch("HTTP exchange", transport.exchange)
        stack.enter_context(mock.patch("integrations.outbound.client.exchange", exchange))
        yield


if __name__ == "__main__":
    run_alone(measure)
