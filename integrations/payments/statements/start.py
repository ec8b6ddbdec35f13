"""A statement file becomes a run: judged whole, stored, then compared by a worker."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import IO

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from integrations.exceptions import InvalidInput
from integrations.models import AuditEntry, LineSource, RunState, StatementRun, has_actor
from integrations.payments.statements.account import Books, books_of
from integrations.payments.statements.cells import cut
from integrations.payments.statements.compare import QUEUE
from integrations.payments.statements.reader import Survey, read_lines, survey
from integrations.payments.statements.store import store_file
from integrations.work import WorkState, ring, schedule

MAX_BYTES = 128 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Started:
    """The run of a file, and whether the file is new; a known file is not stored again."""

    run: StatementRun
    is_new: bool


def import_file(
    file: IO[bytes], *, name: str = "", business: str = "", short_code: str = "", by: str = ""
) -> Started:
    """Store a statement's lines and have them compared with the ledger.

    `file` is opened for reading bytes and can be rewound. `by` names who did it. Raises
    BadStatement with every bad line, InvalidInput for a file of another account or of none, and
    ConfigurationError. Not inside a transaction: pieces are committed one by one, and a file
    whose import was cut off goes on when it is given again.
    """
    books, config = books_of(business, short_code)
    digest = _digest(file)
    known = _runs(books, digest).first()
    if known is not None and known.state != RunState.IMPORTING:
        return Started(known, is_new=False)
    found = survey(file)
    till = str(config.values["till_number"] or "")
    if found.short_code and found.short_code not in (books.short_code, till):
        raise InvalidInput(
            "file", f"is a statement of {found.short_code}, not of {books.short_code}.",
            code="statement_account",
        )  # fmt: skip
    run = known or _open(books, found, name=name, digest=digest, by=by)
    new = 0
    for _count, added in store_file(books, read_lines(file)):
        new += added
    _begin(run, new)
    return Started(run, is_new=True)


def _digest(file: IO[bytes]) -> str:
    """SHA-256 of the whole file; raises InvalidInput for one that is too large."""
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    while piece := file.read(1 << 20):
        size += len(piece)
        if size > MAX_BYTES:
            raise InvalidInput(
                "file", f"is larger than {MAX_BYTES // 1024 // 1024} MB.", code="bad_statement"
            )
        digest.update(piece)
    return digest.hexdigest()


def _runs(books: Books, digest: str) -> QuerySet[StatementRun]:
    return StatementRun.objects.filter(**books.as_values(), file_digest=digest)


def _open(books: Books, found: Survey, *, name: str, digest: str, by: str) -> StatementRun:
    begin, end = found.period or (found.first, found.last)
    # A file can't list what has not happened yet; the last second that it names is meant whole.
    end = max(min(end, timezone.now()), found.last).replace(microsecond=999_999)
    try:
        with transaction.atomic():
            run = StatementRun.objects.create(
                **books.as_values(), source=LineSource.FILE, state=RunState.IMPORTING,
                period_from=begin, period_to=end, is_complete=found.period is not None,
                account=found.account,
                file_name=cut(PurePath(name.replace("\\", "/")).name, 200), file_digest=digest,
                lines=found.lines, started_by=by[:150], work_state=WorkState.IDLE,
                next_attempt_at=None,
            )  # fmt: skip
            _audit(run)
    except IntegrityError:
        # The same file, given twice at once.
        return _runs(books, digest).get()
    return run


def _audit(run: StatementRun) -> None:
    if has_actor():
        AuditEntry.objects.record(
            "statement.imported", target=run, business=run.business,
            detail=f"{run.lines} lines",
        )  # fmt: skip


def _begin(run: StatementRun, new: int) -> None:
    with transaction.atomic():
        importing = StatementRun.objects.filter(pk=run.pk, state=RunState.IMPORTING)
        if importing.update(state=RunState.COMPARING, new_lines=new):
            schedule(run)
    run.refresh_from_db()
    ring(QUEUE)


def compare_day(books: Books, begin: datetime, end: datetime) -> StatementRun:
    """A run over lines that are already here, pulled or from files: incoming money only.

    The same account and period is one run.
    """
    known = StatementRun.objects.filter(
        **books.as_values(), source=LineSource.PULL, period_from=begin, period_to=end
    ).first()
    if known is not None:
        return known
    lines = books.lines().filter(at__range=(begin, end)).count()
    run = StatementRun.objects.create(
        **books.as_values(), source=LineSource.PULL, period_from=begin, period_to=end,
        is_complete=True, lines=lines,
    )  # fmt: skip
    ring(QUEUE)
    return run


def yesterday() -> tuple[datetime, datetime]:
    """The day before this one in the installation's time zone, whole."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=1), midnight - timedelta(microseconds=1)
