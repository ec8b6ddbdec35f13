"""Claims while 1,000,000 rows are due, beside the same with 10,000, on PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

from benchmarks.figures import Figure, at_least, interleave, left_out, median_ratio, shown
from benchmarks.stage import run_alone

SHORT, LONG = 10_000, 1_000_000
ROUNDS = 100
# Rows of one leg in one round: small, so that the legs share the disk's good and bad moments.
CHUNK = 20
BOUND = 0.8
TITLE = f"claims a second, {LONG:,} rows due, by that of {SHORT:,}"

# As `bulk_create` would leave them, in the order in which they became due.
_FILL = """
INSERT INTO {table} (work_state, attempts, next_attempt_at, claim_token, work_error, payload)
SELECT 'due', 0, now() - interval '1 day' + n * interval '50 ms', '', '', '{{"n": 1}}'
FROM generate_series(1, {rows}) AS n
"""


def measure() -> list[Figure]:
    """All figures of this script, on the present stage."""
    from django.db import connection

    if connection.vendor != "postgresql":
        return [left_out(TITLE, "needs PostgreSQL", f">= {BOUND}")]
    from benchmarks.models import LongBacklog, ShortBacklog

    tables = {ShortBacklog: SHORT, LongBacklog: LONG}
    for model, rows in tables.items():
        _fill(model, rows)
    _settle(tables)
    return [
        *_beside(f"{TITLE}, 1 a claim", *tables, batch=1),
        *_beside(f"{TITLE}, 20 a claim", *tables, batch=20),
        *_without_the_disk(*tables),
    ]


def _without_the_disk(shorter: Any, longer: Any) -> list[Figure]:
    """The same where commits don't wait for the disk, which would hide what a claim costs."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        figures = _beside(f"{TITLE}, without disk flushes", shorter, longer, batch=1)
        cursor.execute("RESET synchronous_commit")
    return figures


def _beside(name: str, shorter: Any, longer: Any, *, batch: int) -> list[Figure]:
    few, many = _claims(shorter, batch), _claims(longer, batch)
    for _ in range(5):
        few()
        many()
    short, long = interleave(ROUNDS, few, many)
    rates = f"{median(long):,.0f} beside {median(short):,.0f} rows/s"
    return [at_least(name, median_ratio(long, short), "", BOUND), shown("  the two", rates)]


def _fill(model: Any, rows: int) -> None:
    from django.db import connection

    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {table}")
        cursor.execute(_FILL.format(table=table, rows=rows))


def _settle(models: Iterable[Any]) -> None:
    """What time would do to tables that were not filled a moment ago.

    Hint bits and the visibility map are set and the pages written, so that no leg pays for the
    filling. Both tables are touched alike: full-page images after the checkpoint hit both.
    """
    from django.db import connection

    with connection.cursor() as cursor:
        for model in models:
            cursor.execute(f"VACUUM ANALYZE {connection.ops.quote_name(model._meta.db_table)}")
        cursor.execute("SELECT pg_has_role(current_user, 'pg_checkpoint', 'USAGE')")
        if cursor.fetchone()[0]:
            cursor.execute("CHECKPOINT")


def _claims(model: Any, batch: int) -> Callable[[], float]:
    """Rows a second, claimed only: their finishing has nothing to do with the backlog."""
    from integrations.work import Queue, claim_rows

    queue = Queue(
        name=f"bench {model.__name__}",
        model=model,
        handle=lambda _row: None,
        batch=batch,
        lease_seconds=3600.0,
    )

    def run() -> float:
        started = time.perf_counter()
        for _ in range(CHUNK // batch):
            if len(claim_rows(queue, limit=batch).rows) != batch:
                raise RuntimeError("The backlog is used up.")
        return CHUNK / (time.perf_counter() - started)

    return run


if __name__ == "__main__":
    run_alone(measure)
