"""Floors under the delivery of webhooks: libcurl alone, and the claims alone."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from typing import Any

import pycurl

from benchmarks.webhook_stage import CONCURRENCY

BATCH = 100

# As one would write them by hand: the fewest columns, no ORM, the driver's own cursor.
_CLAIM = """
UPDATE integrations_webhookevent SET work_state = 'leased', next_attempt_at = {end}
WHERE id IN (SELECT id FROM integrations_webhookevent WHERE next_attempt_at <= {now}
             ORDER BY next_attempt_at LIMIT {batch} {lock})
RETURNING id
"""
_FINISH = """
UPDATE integrations_webhookevent SET work_state = 'done', status = 'delivered',
    next_attempt_at = NULL WHERE id IN ({ids})
"""


def bare_posts(url: str, headers: Sequence[str], body: bytes, count: int) -> float:
    """Posts a second by one multi handle on kept connections; answers are thrown away."""
    multi = pycurl.CurlMulti()
    handles = [_handle(url, headers, body) for _ in range(min(CONCURRENCY, count))]
    left, under_way = count - len(handles), len(handles)
    started = time.perf_counter()
    for handle in handles:
        multi.add_handle(handle)
    while under_way:
        multi.perform()
        _, done, failed = multi.info_read()
        if failed:
            raise RuntimeError(f"A bare post failed: {failed[0][1:]}")
        for handle in done:
            multi.remove_handle(handle)
            if left:
                left -= 1
                multi.add_handle(handle)
            else:
                under_way -= 1
        if not done:
            multi.select(0.1)
    rate = count / (time.perf_counter() - started)
    multi.close()
    return rate


def _handle(url: str, headers: Sequence[str], body: bytes) -> Any:
    handle = pycurl.Curl()
    handle.setopt(pycurl.URL, url)
    handle.setopt(pycurl.NOSIGNAL, 1)
    handle.setopt(pycurl.PROXY, "")
    handle.setopt(pycurl.HTTPHEADER, list(headers))
    handle.setopt(pycurl.POSTFIELDS, body)
    handle.setopt(pycurl.WRITEFUNCTION, io.BytesIO().write)
    return handle


def bare_claims() -> float:
    """Rows a second claimed and finished in batches until none is due; nothing is sent."""
    from django.db import connection

    connection.ensure_connection()
    is_postgresql = connection.vendor == "postgresql"
    words: dict[str, object] = {
        "now": "now()" if is_postgresql else "strftime('%Y-%m-%d %H:%M:%f', 'now')",
        "end": "now() + interval '60 s'"
        if is_postgresql
        else "strftime('%Y-%m-%d %H:%M:%f', 'now', '+60 seconds')",
        "lock": "FOR UPDATE SKIP LOCKED" if is_postgresql else "",
        "batch": BATCH,
    }
    claim, cursor, count = _CLAIM.format(**words), connection.connection.cursor(), 0
    started = time.perf_counter()
    while found := cursor.execute(claim).fetchall():
        cursor.execute(_FINISH.format(ids=", ".join(str(int(row[0])) for row in found)))
        count += len(found)
    seconds = time.perf_counter() - started
    cursor.close()
    return count / seconds
