"""STK push over TLS to a provider 20 ms away, beside django-daraja and mainfinity-django-mpesa."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

from benchmarks import certificates, peers
from benchmarks.daraja import BarePush, Timer, phones, pointed_at, push, sandbox
from benchmarks.figures import Figure, at_most, interleave, left_out, median_ratio, shown
from benchmarks.peers.settings import CALLBACK_URL
from benchmarks.stage import child, read_line, run_alone

WARM = 3
ROUNDS = 50
COUNTED = 10
BOUND = 0.45
TITLE = "STK push over TLS, 20 ms each way: wall time by that of"
DARAJA, MAINFINITY = f"{TITLE} django-daraja", f"{TITLE} mainfinity-django-mpesa"


def measure() -> list[Figure]:
    """All figures of this script, on the present stage."""
    if not peers.are_installed():
        return [left_out(name, "needs requirements-bench.txt", f"<= {BOUND}")
                for name in (DARAJA, MAINFINITY)]  # fmt: skip
    with sandbox() as driver, _relayed(driver.daraja_url) as url, pointed_at(url), _peers_at(url):
        acts = {"ours": push, "django-daraja": _daraja, "mainfinity": _mainfinity}
        for _ in range(WARM):
            for act in acts.values():
                act()
        connections = [f"{_connections(driver, act):.1f} {name}" for name, act in acts.items()]
        bare = BarePush(url)
        legs = [_leg(act) for act in acts.values()]
        ours, daraja, mainfinity, floor = interleave(ROUNDS, *legs, lambda: bare.send()[0])
    return [
        at_most(DARAJA, median_ratio(ours, daraja), "", BOUND),
        at_most(MAINFINITY, median_ratio(ours, mainfinity), "", BOUND),
        shown("  ours, the row committed first, and after the answer", _ms(ours)),
        shown("  django-daraja, no row", _ms(daraja)),
        shown("  mainfinity, row after the answer", _ms(mainfinity)),
        shown("  bare POST on a kept connection", _ms(floor)),
        shown("  new connections per push", ", ".join(connections)),
    ]


def _ms(seconds: list[float]) -> str:
    return f"{median(seconds) * 1000:.1f} ms"


def _leg(act: Callable[[], None]) -> Callable[[], float]:
    def run() -> float:
        with Timer() as timer:
            act()
        return timer.wall

    return run


def _connections(driver: Any, act: Callable[[], None]) -> float:
    before = driver.counters()["connections"]
    for _ in range(COUNTED):
        act()
    return (driver.counters()["connections"] - before) / COUNTED


@contextmanager
def _relayed(daraja_url: str) -> Iterator[str]:
    """The emulator's address behind the relay; its certificate is trusted inside the block."""
    folder = Path(os.environ["BENCH_FOLDER"])
    authority, certificate, key = certificates.make(folder)
    parts = urlsplit(daraja_url)
    arguments = (str(parts.port), str(certificate), str(key))
    with (
        child("-m", "benchmarks.relay", *arguments) as process,
        certificates.trusted(authority),
    ):
        yield f"https://{certificates.HOST}:{read_line(process)}{parts.path}"


@contextmanager
def _peers_at(url: str) -> Iterator[None]:
    """The peers' host constants pointed at `url`; nothing else of them is touched."""
    from django_daraja.mpesa.utils import api_base_url
    from django_mpesa import conf

    code = api_base_url.__code__
    constants = tuple(
        f"{url}/" if value == "https://sandbox.safaricom.co.ke/" else value
        for value in code.co_consts
    )
    with mock.patch.dict(conf.BASE_URLS, {"sandbox": url}):
        # The constant stands in the function itself, which two modules have imported.
        api_base_url.__code__ = code.replace(co_consts=constants)
        try:
            yield
        finally:
            api_base_url.__code__ = code


def _daraja() -> None:
    from django_daraja.mpesa.core import MpesaClient

    answer = MpesaClient().stk_push(str(next(phones)), 150, "INV001", "Order 1", CALLBACK_URL)
    if answer.response_code != "0":
        raise RuntimeError(f"django-daraja's push was not accepted: {answer.text[:200]}")


def _mainfinity() -> None:
    from django_mpesa.services import STKPushService

    STKPushService().initiate(
        phone_number=str(next(phones)),
        amount=150,
        account_reference="INV001",
        transaction_desc="Order 1",
    )


if __name__ == "__main__":
    run_alone(measure)
