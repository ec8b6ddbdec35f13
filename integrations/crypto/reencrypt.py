"""Re-encryption: stored tokens are put under the first key while others read and write them.

Every write is a compare-and-set on the token that was read, so a value saved meanwhile is never
overwritten, and no row is waited for: what somebody else holds is left to the next pass.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InternalError,
    NotSupportedError,
    connections,
    models,
    router,
)
from django.db.backends.base.base import BaseDatabaseWrapper

from integrations.crypto.fields import EncryptedTextField
from integrations.crypto.keys import make_ring
from integrations.crypto.secret import Secret, is_token_shaped
from integrations.exceptions import IntegrationError

log = logging.getLogger("integrations.crypto")

# A CTE with row locks that skips what is locked: who never waits can't be part of a deadlock.
# SQLite has one writer and knows no row locks.
_SWAP = """
WITH swap (swap_pk, swap_old, swap_new) AS (VALUES {values}){free}
UPDATE {table} AS target SET {column} = swap_new FROM swap
WHERE target.{pk} = swap_pk AND target.{column} = swap_old{only_free}
RETURNING {pk}
"""
_FREE = """,
free AS MATERIALIZED (
    SELECT target.{pk} AS free_pk FROM {table} AS target JOIN swap ON target.{pk} = swap_pk
    WHERE target.{column} = swap_old FOR NO KEY UPDATE OF target SKIP LOCKED
)"""
_ONLY_FREE = " AND target.{pk} IN (SELECT free_pk FROM free)"
# One statement carries no more than this, however large the single texts are.
BATCH_BYTES = 4_000_000
# What a row itself may answer: its constraints and triggers are not ours.
_ROW_ERRORS = (IntegrityError, DataError, InternalError, NotSupportedError)


@dataclass(frozen=True)
class Column:
    """An encrypted column of a model."""

    model: type[models.Model]
    field: models.Field[Any, Any]

    @property
    def label(self) -> str:
        """ "app.Model.field"."""
        return f"{self.model._meta.label}.{self.field.attname}"

    @property
    def is_wrapped(self) -> bool:
        """Whether it holds keys, which the environment's key opens, instead of secrets."""
        field = self.field
        return not (isinstance(field, EncryptedTextField) and field.opens_with_keyring)

    def filled(self) -> models.QuerySet[Any]:
        """The rows that have something in this column."""
        rows = self.model._base_manager.using(self.alias)
        name = self.field.attname
        return rows.exclude(**{f"{name}__isnull": True}).exclude(**{name: ""})

    @property
    def alias(self) -> str:
        """The database that is worked on."""
        return router.db_for_write(self.model)

    def refusal(self) -> str:
        """Why the column can't be re-encrypted, "" where it can."""
        meta = self.model._meta
        if meta.db_table not in _tables(self.alias):
            return f"{self.label}: its table {meta.db_table} does not exist; migrate first."
        if len(meta.pk_fields) > 1 or isinstance(meta.pk, models.BinaryField):
            return f"{self.label}: rows with such a primary key can't be walked through."
        return ""


class Keys:
    """The keys of a pass: the first one encrypts, all of them decrypt."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.first = Fernet(texts[0])
        self.every: MultiFernet = make_ring(list(texts))

    def is_first(self, token: str) -> bool:
        """Whether the first key alone opens the token; looks at its signature only."""
        return _is_signed(self.first, token)

    def opens(self, token: str) -> bool:
        """Whether any key opens the token."""
        return _is_signed(self.every, token)

    def renew(self, token: str) -> str:
        """The same text under the first key; raises InvalidToken."""
        return self.every.rotate(token.encode("ascii", "replace")).decode()


def _is_signed(ring: Fernet | MultiFernet, token: str) -> bool:
    try:
        ring.extract_timestamp(token.encode("ascii", "replace"))
    except InvalidToken:
        return False
    return True


@dataclass
class Survey:
    """How many stored values of a column the first key, only an older key, or no key opens."""

    first: int = 0
    older: int = 0
    unreadable: int = 0

    @property
    def total(self) -> int:
        """All values."""
        return self.first + self.older + self.unreadable


@dataclass(frozen=True)
class Batch:
    """What became of one batch. `last` is its last primary key, None at the column's end.

    `skipped` rows were held or changed by somebody else: the next pass comes to them.
    `unreadable` ones open with no key, or their table refuses the write.
    """

    last: Any
    seen: int = 0
    changed: int = 0
    skipped: int = 0
    unreadable: int = 0


def encrypted_columns() -> list[Column]:
    """Every encrypted column of every installed model, the host project's included.

    Unmanaged models count where their table exists (a view is none).
    """
    return [
        Column(model, field)
        for model in apps.get_models(include_auto_created=True)
        if not model._meta.proxy and not model._meta.swapped
        for field in model._meta.local_concrete_fields
        if isinstance(field, EncryptedTextField)
        and (model._meta.managed or model._meta.db_table in _tables(router.db_for_write(model)))
    ]


def _tables(alias: str) -> set[str]:
    connection = connections[alias]
    with connection.cursor() as cursor:
        found = connection.introspection.get_table_list(cursor)
    return {table.name for table in found if table.type in ("t", "p")}


def survey(column: Column, keys: Keys) -> Survey:
    """Look at every value of a column; changes nothing."""
    found = Survey()
    for _pk, token in _tokens(column.filled().order_by(), column):
        if keys.is_first(token):
            found.first += 1
        elif keys.opens(token):
            found.older += 1
        else:
            found.unreadable += 1
    return found


def reencrypt_batch(column: Column, keys: Keys, after: Any, size: int) -> Batch:
    """Put the next `size` values (by primary key, `after` that one) under the first key."""
    rows = column.filled().order_by("pk")
    if after is not None:
        rows = rows.filter(pk__gt=after)
    found, is_end = _cut(_tokens(rows[:size], column), size)
    swaps, unreadable = [], 0
    for pk, token in found:
        if keys.is_first(token):
            continue
        try:
            swaps.append((pk, token, keys.renew(token)))
        except InvalidToken:
            unreadable += 1
    changed, refused = _store(column, swaps) if swaps else (0, 0)
    return Batch(
        last=None if is_end else found[-1][0],
        seen=len(found),
        changed=changed,
        skipped=len(swaps) - changed - refused,
        unreadable=unreadable + refused,
    )


def _cut(tokens: Iterator[tuple[Any, str]], size: int) -> tuple[list[tuple[Any, str]], bool]:
    """Up to `size` tokens and BATCH_BYTES of them; whether the column ends with them."""
    found, length = [], 0
    for pk, token in tokens:
        found.append((pk, token))
        length += len(token)
        if length >= BATCH_BYTES:
            return found, False
    return found, len(found) < size


def _store(column: Column, swaps: Sequence[tuple[Any, str, str]]) -> tuple[int, int]:
    """Swap the tokens: (changed, refused by the table). One bad row holds up no other.

    Raises IntegrationError in place of the database's, whose text may quote whole rows.
    """
    try:
        try:
            return _swap(column, swaps), 0
        except _ROW_ERRORS:
            if len(swaps) == 1:
                log.warning("event=reencryption_refused column=%s", column.label)
                return 0, 1
        results = [_store(column, [swap]) for swap in swaps]
    except DatabaseError as error:
        raise IntegrationError(f"{column.label}: {type(error).__name__}") from None
    return sum(changed for changed, _ in results), sum(refused for _, refused in results)


def _tokens(rows: models.QuerySet[Any], column: Column) -> Iterator[tuple[Any, str]]:
    """Primary keys and tokens; a key that is stored bare (no token) is passed over."""
    for pk, value in rows.values_list("pk", column.field.attname).iterator(chunk_size=100):
        token = value.token if isinstance(value, Secret) else str(value)
        if not column.is_wrapped or is_token_shaped(token):
            yield pk, token


def _swap(column: Column, swaps: Sequence[tuple[Any, str, str]]) -> int:
    """Store the new tokens where the old ones still are; how many were."""
    connection = connections[column.alias]
    to_database = column.model._meta.pk.get_db_prep_value
    parameters = [
        value
        for pk, old, new in swaps
        for value in (to_database(pk, connection, prepared=False), old, new)
    ]
    with connection.cursor() as cursor:
        cursor.execute(_statement(column, connection, count=len(swaps)), parameters)
        # SQLite's driver counts no rows of a statement that begins with WITH.
        return len(cursor.fetchall())


def _statement(column: Column, connection: BaseDatabaseWrapper, *, count: int) -> str:
    quote = connection.ops.quote_name
    names = {
        "table": quote(column.model._meta.db_table),
        "pk": quote(str(column.model._meta.pk.column)),
        "column": quote(str(column.field.column)),
    }
    locks = connection.vendor == "postgresql"
    return _SWAP.format(
        **names,
        values=", ".join(["(%s, %s, %s)"] * count),
        free=_FREE.format(**names) if locks else "",
        only_free=_ONLY_FREE.format(**names) if locks else "",
    )
