"""One `ProviderCall` row and one log line per call. Telemetry: it never changes an outcome."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from django.db import connections, models, router, transaction
from django.utils import timezone

from integrations import metrics, plain_sql
from integrations.correlation import current_id
from integrations.exceptions import (
    ConfigurationError,
    InvalidInput,
    OutcomeUnknown,
    ProviderError,
    TransportError,
)
from integrations.logs import log_event
from integrations.models.provider_call import ProviderCall

log = logging.getLogger("integrations.outbound")

# Rows that wait for a transaction to end; the oldest go first when one never ends.
MAX_PENDING = 1000
_BLOCKED = frozenset({"blocked_address", "breaker_open", "rate_limited", "timeout"})


# Length of each text column.
_LIMITS = {
    column.name: column.max_length
    for column in ProviderCall._meta.concrete_fields
    if isinstance(column, models.CharField)
}


@dataclass(slots=True)
class Record:
    """What is known of a call so far; whoever makes the call fills in what it learns.

    `outcome` is one of ProviderCall.Outcome; left empty, it follows from how the block ends.
    `credential` is a digest. `cost` is what the provider charges for the call.
    """

    provider: str
    operation: str
    business: str = ""
    environment: str = ""
    credential: str = ""
    reference: str = ""
    is_idempotent: bool = False
    outcome: str = ""
    http_status: int | None = None
    error_code: str = ""
    provider_request_id: str = ""
    cost: Decimal | None = None
    attempts: int = 0
    correlation_id: str = field(default_factory=current_id)

    def begin_attempt(self) -> None:
        """Count an attempt and forget what the one before told."""
        self.attempts += 1
        self.outcome, self.http_status = "", None
        self.error_code = self.provider_request_id = ""


class _Pending(threading.local):
    def __init__(self) -> None:
        self.rows: list[ProviderCall] = []


_pending = _Pending()


@contextmanager
def recorded(
    provider: str,
    operation: str,
    *,
    business: str = "",
    environment: str = "",
    credential: str = "",
    reference: str = "",
    is_idempotent: bool = False,
) -> Iterator[Record]:
    """Record the call made inside the block, however it ends; yields the `Record` to fill in.

    Exceptions pass through unchanged.
    """
    record = Record(
        provider, operation, business, environment, credential, reference, is_idempotent
    )
    started = time.monotonic()
    try:
        yield record
        record.outcome = record.outcome or ProviderCall.Outcome.OK
    except BaseException as error:
        _describe(record, error)
        raise
    finally:
        _store(record, time.monotonic() - started)


def outcome_of_error(error: BaseException, *, is_idempotent: bool) -> str:
    """The outcome that an exception stands for; what may have been carried out is "unknown"."""
    lost = ProviderCall.Outcome.FAILED if is_idempotent else ProviderCall.Outcome.UNKNOWN
    if isinstance(error, TransportError):
        if error.sent:
            return lost
        is_ours = error.code in _BLOCKED
        return ProviderCall.Outcome.BLOCKED if is_ours else ProviderCall.Outcome.FAILED
    if isinstance(error, ConfigurationError | InvalidInput):
        return ProviderCall.Outcome.BLOCKED
    if isinstance(error, ProviderError):
        return ProviderCall.Outcome.REFUSED
    return ProviderCall.Outcome.UNKNOWN if isinstance(error, OutcomeUnknown) else lost


def _describe(record: Record, error: BaseException) -> None:
    if not record.outcome:
        record.outcome = outcome_of_error(error, is_idempotent=record.is_idempotent)
    if not record.error_code:
        record.error_code = str(getattr(error, "code", "") or type(error).__name__)


def _store(record: Record, seconds: float) -> None:
    latency_ms = int(seconds * 1000)
    try:
        metrics.provider_calls.add(record.provider, record.operation, record.outcome)
        metrics.provider_call_seconds.note(record.provider, record.operation, seconds=seconds)
        _log(record, latency_ms)
        _pending.rows.append(_row(record, latency_ms))
        flush()
    except Exception:  # noqa: BLE001 - telemetry never changes an outcome
        _complain(provider=record.provider)


def _complain(**fields: object) -> None:
    log_event(log, logging.ERROR, "provider_call_not_recorded", exc_info=True, **fields)


def _log(record: Record, latency_ms: int) -> None:
    log_event(
        log,
        logging.INFO,
        "provider_call",
        provider=record.provider,
        operation=record.operation,
        outcome=record.outcome,
        status=record.http_status,
        code=record.error_code,
        latency_ms=latency_ms,
        attempts=record.attempts,
        environment=record.environment,
        business=record.business,
        reference=record.reference,
        provider_request_id=record.provider_request_id,
        credential=record.credential,
    )


def _row(record: Record, latency_ms: int) -> ProviderCall:
    row = ProviderCall(
        http_status=record.http_status,
        latency_ms=latency_ms,
        cost=record.cost,
        created_at=timezone.now(),
    )
    for name, limit in _LIMITS.items():
        # Some of these come from the provider: PostgreSQL refuses NUL and what is too long.
        setattr(row, name, str(getattr(record, name)).replace("\0", "")[:limit])
    return row


def flush() -> None:
    """Write this thread's waiting rows, unless a transaction is open; then after it has ended.

    Called at each record and at each commit; a row of a transaction that was rolled back waits
    for the next of these. Never raises: what can't be written is logged and dropped.
    """
    rows = _pending.rows
    if not rows:
        return
    try:
        using = router.db_for_write(ProviderCall)
        connection = connections[using]
        if connection.in_atomic_block or not connection.get_autocommit():
            del rows[:-MAX_PENDING]
            transaction.on_commit(flush, using=using, robust=True)
            return
        _pending.rows = []
        _insert(rows, using)
    except Exception:  # noqa: BLE001 - telemetry never changes an outcome
        _pending.rows = []
        _complain(rows=len(rows))


def discard_pending() -> None:
    """Forget this thread's waiting rows; for tests whose transaction never commits."""
    _pending.rows = []


# A child would write its parent's rows a second time.
os.register_at_fork(after_in_child=discard_pending)


def _insert(rows: list[ProviderCall], using: str) -> None:
    if len(rows) == 1:
        plain_sql.insert(rows[0], using=using)
    else:
        ProviderCall.objects.using(using).bulk_create(rows)
