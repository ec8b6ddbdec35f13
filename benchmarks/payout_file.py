"""A payout file of 1,000 rows, settled by two workers, beside a bare loop that only posts.

Every row is a committed ledger row before its call, has its result stored and worked on, and its
event delivered; the bare loop posts the same bodies one after another and forgets them.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from benchmarks.callbacks import GUNICORN
from benchmarks.figures import Figure, at_most, beside, exactly, shown
from benchmarks.stage import child, has_redis, read_line, run_alone, save_mpesa, workers
from benchmarks.values import FIELDS
from benchmarks.web import HOST, gunicorn

ROWS = int(os.environ.get("BENCH_PAYOUT_ROWS", "1000"))
WORKERS = 2
SHORT_CODE, INITIATOR, PASSWORD = "600999", "testapi", "bench-initiator-password"
# Rows that a worker's memory may grow by, in megabytes: between the first hundred and the last.
GROWTH = 20.0
PATIENCE = 600.0


def measure() -> list[Figure]:
    """All figures of this script, on the present stage."""
    # The sandbox calls back without a proxy that ends TLS.
    plain = {"DJANGO_SECURE_SSL_REDIRECT": "0"}
    with _sandbox() as driver, gunicorn(*GUNICORN, env=plain) as web:
        _configure(driver, f"http://{HOST}:{web.port}")
        bare = _bare_rate(driver)
        tokens = driver.counters()["tokens_issued"]
        seconds, growth, batch = _settle(driver)
        tokens = driver.counters()["tokens_issued"] - tokens
        paid = batch.rows.filter(state="succeeded").count()
        booked = len({entry["originator_id"] for entry in driver.book()["payouts"]}) - ROWS
    rate = ROWS / seconds
    title = f"payout file of {ROWS:,} rows, {WORKERS} workers"
    return [
        exactly(f"{title}: paid", paid, "rows", ROWS),
        exactly(f"{title}: in the provider's book", booked, "rows", ROWS),
        # Without a Redis, each process has its own.
        exactly(f"{title}: token requests", tokens, "", 1 if has_redis() else WORKERS),
        at_most(f"{title}: memory that a worker grows by", growth, "MB", GROWTH),
        beside(f"{title}: settled", rate, "rows/s", f"bare loop {bare:,.0f} posts/s", rate / bare),
        shown("  from the file given to the last row settled", f"{seconds:.1f} s"),
    ]


@contextmanager
def _sandbox() -> Iterator[Any]:
    """The driver of a sandbox that decides at once."""
    from tests.sandbox.driver import SandboxDriver

    with child("manage.py", "sandbox", "--port", "0", "--speed", "0.01") as process:
        words = read_line(process).replace(";", " ").split()
        yield SandboxDriver(words[-1])


def _configure(driver: Any, web_url: str) -> None:
    driver.initiator(SHORT_CODE, name=INITIATOR, password=PASSWORD)
    driver.fund(SHORT_CODE, 10_000_000)
    place = urlsplit(driver.daraja_url).netloc
    os.environ["BENCH_SANDBOX"] = place
    save_mpesa(
        sandbox_url=driver.daraja_url, short_code=SHORT_CODE, initiator_name=INITIATOR,
        initiator_password=PASSWORD, security_credential="", certificate=driver.certificate(),
        callback_base_url=web_url, callback_sources=HOST, approve_above=None,
        requests_per_second=1000,
    )  # fmt: skip


def _bare_rate(driver: Any) -> float:
    """Posts in a second, one after another, on one connection with one token."""
    from integrations.config import get_snapshot
    from integrations.providers.mpesa.payloads import b2c_body, check_payout

    config = get_snapshot("mpesa", "")
    url = "https://erp.example.ke/cb/result/x/"
    bodies = [
        b2c_body(
            config,
            check_payout(config, phone=_phone(number, "0713"), amount=100, remarks="Bare"),
            result_url=url, timeout_url=url,
        )
        for number in range(ROWS)
    ]  # fmt: skip
    with requests.Session() as session:
        answer = session.get(
            f"{driver.daraja_url}/oauth/v1/generate?grant_type=client_credentials",
            auth=(FIELDS["consumer_key"], FIELDS["consumer_secret"]), timeout=10,
        )  # fmt: skip
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        address = f"{driver.daraja_url}/mpesa/b2c/v3/paymentrequest"
        started = time.perf_counter()
        for body in bodies:
            taken = session.post(address, json=body, headers=headers, timeout=10)
            if taken.json().get("ResponseCode") != "0":
                raise RuntimeError(f"The emulator refused the bare payout: {taken.text[:200]}")
        return ROWS / (time.perf_counter() - started)


def _settle(driver: Any) -> tuple[float, float, Any]:
    """(seconds, megabytes that the workers grew by, the batch) of one file."""
    from django.test import override_settings

    from integrations.models import PayoutBatch
    from integrations.payments.mpesa_payment import MpesaPaymentService

    lines = [f"{_phone(number, '0712')},{100 + number % 7},SAL-{number:05}"
             for number in range(ROWS)]  # fmt: skip
    file = io.BytesIO("\n".join(["phone,amount,reference", *lines]).encode())
    place = urlsplit(driver.daraja_url).netloc
    with override_settings(OUTBOUND_ALLOWED_HOSTS=[place]), workers(WORKERS) as pids:
        started = time.perf_counter()
        success, message, data = MpesaPaymentService.pay_out_file(file)
        if not success or data is None:
            raise RuntimeError(f"The file was refused: {message}")
        batch = PayoutBatch.objects.get(public_id=data["batch_id"])
        return (*_follow(batch, pids, started), batch)


def _follow(batch: Any, pids: list[int], started: float) -> tuple[float, float]:
    """(seconds, megabytes that the largest worker grew by) until every row is paid."""
    early = 0.0
    while True:
        done = batch.rows.filter(state="succeeded").count()
        early = early or (_megabytes(pids) if done >= ROWS // 10 else 0.0)
        if done == ROWS:
            return time.perf_counter() - started, _megabytes(pids) - early
        if time.perf_counter() - started > PATIENCE:
            raise RuntimeError(f"{done} of {ROWS} rows were settled in {PATIENCE:.0f} s.")
        time.sleep(0.05)


def _megabytes(pids: list[int]) -> float:
    """The largest resident set."""
    found = []
    for pid in pids:
        text = Path(f"/proc/{pid}/status").read_text()
        found.append(int(text.partition("VmRSS:")[2].split()[0]) / 1024)
    return max(found)


def _phone(number: int, prefix: str) -> str:
    return f"{prefix}{number:06}"


if __name__ == "__main__":
    run_alone(measure)
