"""The generation stamp: one row whose token changes with every change of any setting.

Written in the same transaction as the change, so there is no gap between commit and
invalidation, and every process agrees without Redis (decision record 0002).
"""

from __future__ import annotations

import itertools
import secrets
import threading
from collections.abc import Iterable
from functools import partial
from typing import Any

from django.db import models, transaction
from django.db.models.signals import post_save
from django.utils import timezone

from integrations.models.audit import AuditEntry

# Threads whose connection has written settings in a transaction that may still be open; they
# must not trust any cache until it ends.
_writers: set[int] = set()


class StampManager(models.Manager["ConfigStamp"]):
    """Reads and changes the one row."""

    def touch(self) -> None:
        """Change the token; call inside the transaction of the change."""
        values = {"token": secrets.token_hex(8), "changed_at": timezone.now()}
        if not self.filter(pk=1).update(**values):
            self.bulk_create([ConfigStamp(pk=1, **values)], ignore_conflicts=True)
            self.filter(pk=1).update(**values)
        ident = threading.get_ident()
        _writers.add(ident)
        transaction.on_commit(partial(_committed, ident), robust=True)

    def read(self) -> str:
        """The present token, "" before the first change. One query."""
        return self.filter(pk=1).values_list("token", flat=True).first() or ""


class ConfigStamp(models.Model):
    """The single stamp row (pk 1)."""

    id = models.PositiveSmallIntegerField(primary_key=True)
    token = models.CharField(max_length=16)
    changed_at = models.DateTimeField()

    objects = StampManager()

    class Meta:
        verbose_name = "configuration stamp"

    def __str__(self) -> str:
        return self.token


def stamp_loaded(model: type[models.Model]) -> None:
    """Have `loaddata`, which calls no `save` of the model, change the stamp too."""
    post_save.connect(_stamp_raw, sender=model, dispatch_uid="integrations.stamp")


def _stamp_raw(*, raw: bool, **_: Any) -> None:
    if raw:
        ConfigStamp.objects.touch()


class StampedQuerySet(models.QuerySet[Any]):
    """Bulk writes that change the stamp and are audited, in the same transaction."""

    def update(self, **kwargs: Any) -> int:
        """As Django's, plus the stamp."""
        with transaction.atomic():
            count = super().update(**kwargs)
            self.written("updated", kwargs, count)
            return count

    update.alters_data = True  # type: ignore[attr-defined]

    def delete(self) -> tuple[int, dict[str, int]]:
        """As Django's, plus the stamp."""
        with transaction.atomic():
            answer = super().delete()
            self.written("deleted", (), answer[0])
            return answer

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def bulk_create(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:
        """As Django's, plus the stamp."""
        with transaction.atomic():
            made = super().bulk_create(objs, *args, **kwargs)
            self.written("created", (), len(made))
            return made

    def written(self, action: str, fields: Iterable[str], count: int) -> None:
        """Called inside the transaction of each bulk write."""
        if not count:
            return
        ConfigStamp.objects.touch()
        AuditEntry.objects.record(
            f"settings.bulk_{action}",
            fields=tuple(fields),
            detail=f"{count} rows of {self.model._meta.label}",
        )


# Two threads that commit at once must leave a number that no reader has seen before.
_numbers = itertools.count(1)
_generation = 0


def commits_seen() -> int:
    """A number that is new after every settings change committed by this process."""
    return _generation


def is_writing() -> bool:
    """Whether this thread has changed settings in a transaction that is still open."""
    if not _writers:
        return False
    ident = threading.get_ident()
    if ident not in _writers:
        return False
    if transaction.get_connection().in_atomic_block:
        return True
    _committed(ident)  # The transaction was rolled back; no on_commit came.
    return False


def _committed(ident: int) -> None:
    global _generation
    _writers.discard(ident)
    _generation = next(_numbers)
