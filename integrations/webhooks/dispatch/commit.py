"""Transactions of the dispatcher that need not wait for the disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper


@contextmanager
def repeatable(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """A transaction whose loss in a crash of the database server costs a repetition only.

    A claim or a result that is lost makes the delivery due again, with the same `webhook-id`; what
    was published is safe. Nobody sees half of it.
    """
    with transaction.atomic(using=connection.alias):
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                # Not for the session: a pooler may give it to others.
                cursor.execute("SET LOCAL synchronous_commit TO off")
        yield
