"""Storing lines: each once, however often and by whatever way it comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from django.db import transaction
from django.utils import timezone

from integrations.models import LineSource, StatementLine
from integrations.payments.statements.account import Books
from integrations.payments.statements.bulk import insert_rows
from integrations.payments.statements.reader import ReadLine

CHUNK = 2000
KEY = ("receipt", "direction", "kind", "amount", "number")
TOLD = ("at", "status", "is_completed", "details", "party", "reference", "linked", "balance")
READ = (*KEY, *TOLD, "currency")
UNIQUE = ("provider", "environment", "short_code", "business", *KEY)


def store_file(books: Books, lines: Iterable[ReadLine]) -> Iterator[tuple[int, int]]:
    """Store a file's lines in pieces, each in a transaction of its own: (lines, new ones).

    A file tells more than a pull, and later than an earlier file: it overwrites what was told.
    """
    source = iter(lines)
    while chunk := list(islice(source, CHUNK)):
        with transaction.atomic():
            yield len(chunk), _store(books, chunk, LineSource.FILE)


def store_pulled(books: Books, lines: list[ReadLine]) -> int:
    """Store pulled lines in the caller's transaction; how many were new."""
    return _store(books, lines, LineSource.PULL)


def _store(books: Books, lines: list[ReadLine], source: LineSource) -> int:
    known = _known(books, lines)
    new = [line for line in lines if _key(line) not in known]
    # A pulled line that a file is told again is left as it is; the other way round it is filled.
    changed = []
    if source == LineSource.FILE:
        changed = [line for line in lines if _is_changed(line, known.get(_key(line)))]
    applied = timezone.now() if source == LineSource.FILE else None
    common = (*books.as_values().values(), source.value, applied)
    insert_rows(
        StatementLine,
        (*books.as_values(), "source", "applied_at", *READ),
        [(*common, *(getattr(line, name) for name in READ)) for line in (*new, *changed)],
        unique=UNIQUE,
        update=TOLD if source == LineSource.FILE else (),
    )
    return len(new)


def _known(books: Books, lines: list[ReadLine]) -> dict[tuple[object, ...], tuple[object, ...]]:
    receipts = {line.receipt for line in lines}
    found = books.lines().filter(receipt__in=receipts).values_list(*KEY, *TOLD)
    return {row[: len(KEY)]: row[len(KEY) :] for row in found}


def _key(line: ReadLine) -> tuple[object, ...]:
    return tuple(getattr(line, name) for name in KEY)


def _is_changed(line: ReadLine, known: tuple[object, ...] | None) -> bool:
    return known is not None and known != tuple(getattr(line, name) for name in TOLD)
