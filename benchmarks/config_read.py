"""Configuration: the warm read beside a Redis GET, the cold read, and how changes spread."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import repeat
from statistics import mean, median
from typing import Any
from unittest import mock

from benchmarks.figures import (
    Figure,
    at_least,
    at_most,
    exactly,
    interleave,
    left_out,
    median_ratio,
    shown,
)
from benchmarks.stage import child, forget_shared, has_redis, read_line, run_alone, save_mpesa

ROUNDS = 60
READS = 10_000
GETS = 250
CHANGES = 15
# Issue: interval + 0.2 s.
ALLOWANCE = 0.2


def measure() -> list[Figure]:
    """All figures of this script, on the present stage."""
    save_mpesa()
    return [*_warm(), *_cold(), *_changes()]


def _warm() -> list[Figure]:
    from integrations.services import IntegrationConfigService

    service = IntegrationConfigService
    first = service.get_mpesa_config(decrypt_secrets=True)
    if first["consumer_key"] != "bench-consumer-key":
        raise RuntimeError("The config read does not return the saved secret.")

    def read() -> float:
        started = time.perf_counter()
        for _ in repeat(None, READS):
            service.get_mpesa_config(decrypt_secrets=True)
        return (time.perf_counter() - started) / READS * 1e6

    read()
    if not has_redis():
        (reads,) = interleave(ROUNDS, read)
        note = left_out("config, times faster than one Redis GET", "needs REDIS_URL", ">= 30 times")
        return [*_warm_figures(reads), note]
    reads, gets = interleave(ROUNDS, read, _redis_get())
    ratio = median_ratio(gets, reads)
    return [
        *_warm_figures(reads),
        shown("  one raw Redis GET (16 bytes, keep-alive)", f"{median(gets):.1f} µs"),
        at_least("config, times faster than one Redis GET", ratio, "times", 30),
    ]


def _warm_figures(reads: list[float]) -> list[Figure]:
    return [
        at_most("config read, warm, secrets revealed", median(reads), "µs", 5, " (aim 2)"),
        shown("  mean of all reads, stamp queries included", f"{mean(reads):.3g} µs"),
    ]


def _redis_get() -> Callable[[], float]:
    import redis

    client = redis.Redis.from_url(os.environ["REDIS_URL"])
    # Shaped like the keys of this run's cache, so it leaves with them.
    key = f"{os.environ['BENCH_NAME']}:1:raw"
    client.set(key, b"x" * 16, ex=600)

    def get() -> float:
        started = time.perf_counter()
        for _ in repeat(None, GETS):
            client.get(key)
        return (time.perf_counter() - started) / GETS * 1e6

    get()
    return get


@contextmanager
def _counting() -> Iterator[dict[str, int]]:
    """Counts queries of this connection and decryptions of Fernet tokens."""
    from cryptography.fernet import MultiFernet
    from django.db import connection

    counts = {"queries": 0, "decrypts": 0}
    original = MultiFernet.decrypt

    def query(execute: Callable[..., Any], *args: Any) -> Any:
        counts["queries"] += 1
        return execute(*args)

    def decrypt(self: MultiFernet, *args: Any, **kwargs: Any) -> bytes:
        counts["decrypts"] += 1
        return original(self, *args, **kwargs)

    with connection.execute_wrapper(query), mock.patch.object(MultiFernet, "decrypt", decrypt):
        yield counts


def _cold() -> list[Figure]:
    from integrations.config import clear_cache
    from integrations.crypto import keyring
    from integrations.models import MpesaSettings
    from integrations.services import IntegrationConfigService

    keyring.encrypt("load the keys")
    secrets = len(MpesaSettings.secret_fields())
    forget_shared()
    clear_cache()
    with _counting() as cold:
        IntegrationConfigService.get_mpesa_config(decrypt_secrets=True)
    clear_cache()
    with _counting() as shared:
        IntegrationConfigService.get_mpesa_config(decrypt_secrets=True)
    return [
        at_most("config read, cold: queries", cold["queries"], "", 2),
        exactly(f"config read, cold: decrypts of {secrets} secrets", cold["decrypts"], "", secrets),
        shown("  queries where the shared cache knows the row", str(shared["queries"])),
    ]


def _changes() -> list[Figure]:
    from django.conf import settings

    from integrations.models import MpesaSettings
    from integrations.services import IntegrationConfigService

    interval = float(settings.INTEGRATIONS_STAMP_SECONDS)
    row = MpesaSettings.objects.get()
    delays, stale = [], 0
    with child("-m", "benchmarks.config_watcher") as watcher:
        read_line(watcher)
        for number in range(CHANGES):
            # Any phase of the other process's interval is as likely as any other.
            time.sleep(random.uniform(0.05, 0.05 + interval))
            row.short_code = str(200_000 + number)
            row.save()
            saved = time.monotonic()
            stale += IntegrationConfigService.get_mpesa_config()["short_code"] != row.short_code
            seen, moment = read_line(watcher).split()
            if seen != row.short_code:
                raise RuntimeError(f"The other process saw {seen} instead of {row.short_code}.")
            delays.append(float(moment) - saved)
    return [
        exactly(f"change, stale reads of the writer in {CHANGES}", stale, "", 0),
        at_most(
            f"change seen by another process, slowest of {CHANGES}",
            max(delays),
            "s",
            interval + ALLOWANCE,
        ),
        shown("  median", f"{median(delays):.2f} s"),
    ]


if __name__ == "__main__":
    run_alone(measure)
