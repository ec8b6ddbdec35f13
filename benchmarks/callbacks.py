"""Callback acknowledgements by gunicorn, beside a bare view that inserts one row."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.figures import (
    Figure,
    at_least,
    at_most,
    interleave,
    left_out,
    median_ratio,
    shown,
)
from benchmarks.load import Answers, Load, load
from benchmarks.stage import run_alone, save_mpesa
from benchmarks.web import Web, cpu_seconds, gunicorn

# As docs/how-to/deploy.md has it.
GUNICORN = ("bengoerp.wsgi", "--workers", "2", "--threads", "8")
CONNECTIONS = 16
PAYMENTS = 20_000
ROUNDS = 8
SECONDS = 3.0
CALM_ROUNDS = 4
CALM_SECONDS = 6.0
OURS, BARE = "callbacks", "bare"
RATE = "callbacks acknowledged a second, by those of a bare view with one INSERT"
TAIL = "callbacks, p99 by p50 at half of saturation"


def measure() -> list[Figure]:
    """All figures of this script, on the present stage."""
    from django.db import connection

    if connection.vendor != "postgresql":
        return [
            left_out(RATE, "needs PostgreSQL", ">= 0.5"),
            left_out(TAIL, "needs PostgreSQL", "<= 5"),
        ]
    save_mpesa()
    requests = _requests(Path(os.environ["BENCH_FOLDER"]))
    with gunicorn(*GUNICORN) as web, load(web.port, requests) as client:
        ours, bare = _Leg(web, client, OURS), _Leg(web, client, BARE)
        ours.burst(SECONDS)
        bare.burst(SECONDS)
        _check_stored()
        rates = interleave(ROUNDS, ours.rate, bare.rate)
        halves = [median(each) / 2 for each in rates]
        interleave(CALM_ROUNDS, ours.calm(halves[0]), bare.calm(halves[1]))
    return [*_rates(*rates, ours, bare), *_tail(ours, bare)]


class _Leg:
    """Bursts of one kind, with what they cost the server."""

    def __init__(self, web: Web, client: Load, kind: str) -> None:
        self._web, self._client, self._kind = web, client, kind
        self.cpu: list[float] = []
        self.database_cpu: list[float] = []
        self.cuts: list[list[float]] = []

    def burst(self, seconds: float) -> Answers:
        return self._client.closed(self._kind, connections=CONNECTIONS, seconds=seconds)

    def rate(self) -> float:
        """Answers a second at saturation."""
        before, database_before = self._web.cpu_seconds(), database_cpu()
        answers = self.burst(SECONDS)
        self.cpu.append((self._web.cpu_seconds() - before) / answers.whole)
        self.database_cpu.append((database_cpu() - database_before) / answers.whole)
        return answers.rate

    def calm(self, rate: float) -> Callable[[], float]:
        """A burst at this rate a second; its percentiles are kept."""

        def run() -> float:
            answers = self._client.open(
                self._kind, connections=2 * CONNECTIONS, seconds=CALM_SECONDS, rate=rate
            )
            self.cuts.append(quantiles(answers.latencies, n=100))
            return rate

        return run

    def tail(self) -> tuple[float, float, float]:
        """p99 by p50, and both in ms: medians of the bursts."""
        ratio = median(cut[98] / cut[49] for cut in self.cuts)
        middle, end = (median(cut[at] for cut in self.cuts) * 1000 for at in (49, 98))
        return ratio, middle, end


def database_cpu() -> float:
    """CPU so far of the database's processes that serve this run.

    0 where it is on another host, and for SQLite, which is part of the process.
    """
    from django.db import connection

    if connection.vendor != "postgresql":
        return 0.0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        pids = [pid for (pid,) in cursor.fetchall()]
    return sum(cpu_seconds(pid) for pid in pids if Path(f"/proc/{pid}").exists())


def _rates(ours: list[float], bare: list[float], leg: _Leg, bare_leg: _Leg) -> list[Figure]:
    legs = (leg, bare_leg)
    web = " and ".join(f"{median(each.cpu) * 1000:.2f}" for each in legs)
    database = " and ".join(f"{median(each.database_cpu) * 1000:.2f}" for each in legs)
    return [
        at_least(RATE, median_ratio(ours, bare), "", 0.5),
        shown("  the two, by 2 workers of 8 threads", f"{median(ours):.0f} and {median(bare):.0f}"),
        shown("  CPU of the workers for one", f"{web} ms"),
        shown("  CPU of PostgreSQL's processes for one", f"{database} ms"),
    ]


def _tail(ours: _Leg, bare: _Leg) -> list[Figure]:
    ratio, middle, end = ours.tail()
    bare_ratio, bare_middle, bare_end = bare.tail()
    return [
        at_most(TAIL, ratio, "times", 5),
        shown("  p50 and p99", f"{middle:.1f} and {end:.1f} ms"),
        shown(
            "  the bare view at half of its own",
            f"{bare_middle:.1f} and {bare_end:.1f} ms, {bare_ratio:.2f} times",
        ),
    ]


def _requests(folder: Path) -> dict[str, Path]:
    """Files of requests by kind: each pending payment's callback, and the same to the bare view."""
    tokens = [os.urandom(16).hex() for _ in range(PAYMENTS)]
    _fill(tokens)
    files = {kind: folder / f"{kind}.jsonl" for kind in (OURS, BARE)}
    paths: dict[str, Callable[[str], str]] = {
        OURS: lambda token: f"/api/v1/integrations/cb/stk/{token}/",
        BARE: lambda _token: "/api/v1/integrations/cb/bare/",
    }
    bodies = [_body(number) for number in range(PAYMENTS)]
    for kind, file in files.items():
        pairs = zip(map(paths[kind], tokens), bodies, strict=True)
        file.write_text("\n".join(json.dumps(pair) for pair in pairs))
    return files


def _fill(tokens: list[str]) -> None:
    """A pending payment for each token, as pushes would have left them."""
    from django.db import connection

    from integrations.models import Payment, PaymentState
    from integrations.payments.opening import digest_of

    Payment.objects.bulk_create(
        [
            Payment(
                provider="mpesa", product="stk_push", environment="sandbox", amount=150,
                state=PaymentState.PENDING, phone="254712345678", account_reference="INV001",
                short_code="174379", party_b="174379", callback_digest=digest_of(token),
                checkout_id=_checkout_id(number), work_state="idle", next_attempt_at=None,
            )
            for number, token in enumerate(tokens)
        ],
        batch_size=2000,
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _checkout_id(number: int) -> str:
    return f"ws_CO_19122027102{number:06d}254712345678"


def _body(number: int) -> str:
    """A success, as Daraja words it (reference, section 4)."""
    items = {"Amount": 150.0, "MpesaReceiptNumber": f"TGH{number:07d}", "Balance": None,
             "TransactionDate": 20271219102115, "PhoneNumber": 254712345678}  # fmt: skip
    told: dict[str, Any] = {
        "MerchantRequestID": f"29115-{number}-1",
        "CheckoutRequestID": _checkout_id(number),
        "ResultCode": 0,
        "ResultDesc": "The service request is processed successfully.",
        "CallbackMetadata": {"Item": [{"Name": name, "Value": v} for name, v in items.items()]},
    }
    return json.dumps({"Body": {"stkCallback": told}})


def _check_stored() -> None:
    """RuntimeError unless both legs store what they acknowledge."""
    from benchmarks.models import BareInbox
    from integrations.models import CallbackStatus, InboundCallback

    if InboundCallback.objects.exclude(status=CallbackStatus.STORED).exists():
        raise RuntimeError("Callbacks were refused.")
    if not InboundCallback.objects.exists() or not BareInbox.objects.exists():
        raise RuntimeError("A leg stored nothing.")


if __name__ == "__main__":
    run_alone(measure)
