"""The warm config read beside django-solo and django-constance, for the same eight fields."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import repeat
from operator import attrgetter, itemgetter
from statistics import mean, median

from benchmarks import peers
from benchmarks.figures import Figure, at_least, interleave, left_out, median_ratio, shown
from benchmarks.stage import has_redis, run_alone, save_mpesa
from benchmarks.values import FIELDS

ROUNDS = 40
READS = 10_000
# One of theirs lasts as long as hundreds of ours: fewer in a round, so that rounds stay short.
PEER_READS = 60
SOLO = "config read, times faster than django-solo on django-redis"
CONSTANCE = "config read, times faster than django-constance"
EXPECTED = tuple(FIELDS.values())


def measure() -> list[Figure]:
    """All figures of this script, on the present stage."""
    if not peers.are_installed() or not has_redis():
        needed = "needs requirements-bench.txt" if has_redis() else "needs REDIS_URL"
        return [left_out(SOLO, needed, ">= 30 times"), left_out(CONSTANCE, needed, ">= 200 times")]
    legs = (_ours(), _solo(), _constance(), _constance_at_once(), _constance_in_process())
    ours, solo, constance, at_once, in_process = interleave(ROUNDS, *legs)
    return [
        at_least(SOLO, median_ratio(solo, ours), "times", 30),
        at_least(CONSTANCE, median_ratio(constance, ours), "times", 200),
        shown("  eight fields from ours, five of them secrets", f"{median(ours):.2f} µs"),
        shown("  django-solo, SOLO_CACHE on django-redis", f"{median(solo):.0f} µs"),
        shown("  django-constance, its default backend", f"{median(constance):.0f} µs"),
        shown("  the same by get_values(), one MGET", _against(at_once, ours)),
        shown("  its in-process cache, stale for up to 60 s", _against(in_process, ours)),
        shown("  by means, stamp queries included", f"{_by_means(solo, constance, ours)}"),
    ]


def _against(theirs: list[float], ours: list[float]) -> str:
    return f"{median(theirs):.1f} µs, {median_ratio(theirs, ours):.0f} times ours"


def _by_means(solo: list[float], constance: list[float], ours: list[float]) -> str:
    return f"{mean(solo) / mean(ours):.0f} and {mean(constance) / mean(ours):.0f} times"


def _leg(read: Callable[[], tuple[str, ...]], reads: int) -> Callable[[], float]:
    """Microseconds per read of the eight values; RuntimeError where they are not the saved ones."""
    if read() != EXPECTED:
        raise RuntimeError(f"{read} does not return the saved values.")

    def run() -> float:
        started = time.perf_counter()
        for _ in repeat(None, reads):
            read()
        return (time.perf_counter() - started) / reads * 1e6

    run()
    return run


def _ours() -> Callable[[], float]:
    from integrations.services import IntegrationConfigService

    save_mpesa()
    pick = itemgetter(*FIELDS)
    service = IntegrationConfigService
    return _leg(lambda: pick(service.get_mpesa_config(decrypt_secrets=True)), READS)


def _solo() -> Callable[[], float]:
    from benchmarks.peers.models import SoloConfig

    SoloConfig(**FIELDS).save()
    pick = attrgetter(*FIELDS)
    return _leg(lambda: pick(SoloConfig.get_solo()), PEER_READS)


def _constance() -> Callable[[], float]:
    from constance import config

    for name, value in FIELDS.items():
        setattr(config, name, value)
    pick = attrgetter(*FIELDS)
    return _leg(lambda: pick(config), PEER_READS)


def _constance_at_once() -> Callable[[], float]:
    from constance.utils import get_values

    pick = itemgetter(*FIELDS)
    return _leg(lambda: pick(get_values()), PEER_READS)


def _constance_in_process() -> Callable[[], float]:
    from constance.backends.redisd import CachingRedisBackend
    from constance.base import Config

    config = Config()
    object.__setattr__(config, "_backend", CachingRedisBackend())
    pick = attrgetter(*FIELDS)
    return _leg(lambda: pick(config), PEER_READS)


if __name__ == "__main__":
    run_alone(measure)
