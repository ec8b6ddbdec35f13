"""Rows read, added and changed by plain statements, for the few paths that are walked all day.

Django puts each statement together anew from expressions, which costs a busy worker more than the
database needs to run it. Here what depends on the model alone is worked out once. Values are
converted by the models' own fields, so encrypted, JSON and decimal columns are what they always
are. No signals are sent and no `save` is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

from django.db import connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import DatabaseDefault

Row = TypeVar("Row", bound=models.Model)
_INSERT = "INSERT INTO {table} ({columns}) VALUES ({marks}) RETURNING {back}"
_UPDATE = "UPDATE {table} SET {sets} WHERE {tests}"
Converter = Callable[[Any, Any, BaseDatabaseWrapper], Any]


@dataclass(frozen=True)
class Columns(Generic[Row]):
    """Columns of a model as SQL, and how their values become attributes."""

    model: type[Row]
    sql: str
    names: tuple[str, ...]
    converters: tuple[tuple[int, Any, tuple[Converter, ...]], ...]

    def values(self, found: Sequence[Any], connection: BaseDatabaseWrapper) -> list[Any]:
        """One row of an answer as attribute values."""
        values = list(found)
        for place, column, converters in self.converters:
            for convert in converters:
                values[place] = convert(values[place], column, connection)
        return values

    def instance(self, found: Sequence[Any], connection: BaseDatabaseWrapper) -> Row:
        """One row of an answer as an instance; columns that were left out are deferred."""
        return self.model.from_db(connection.alias, self.names, self.values(found, connection))


def columns_of(
    model: type[Row], connection: BaseDatabaseWrapper, names: Iterable[str] = ()
) -> Columns[Row]:
    """The columns of these fields, in the model's order; of all where none is named."""
    return _columns(model, connection.alias, frozenset(names))


@lru_cache(maxsize=256)
def _columns(model: type[Row], alias: str, names: frozenset[str]) -> Columns[Row]:
    connection = connections[alias]
    fields = [field for field in model._meta.concrete_fields if not names or field.name in names]
    if len(fields) < len(names):
        unknown = sorted(names - {field.name for field in fields})
        raise ValueError(f"{model._meta.label} has no column {', '.join(unknown)}.")
    converters = []
    for place, field in enumerate(fields):
        # Of a foreign key that of the key it points to.
        column = field.get_col(model._meta.db_table)
        found = (
            *connection.ops.get_db_converters(column),
            *column.get_db_converters(connection),
        )
        if found:
            converters.append((place, column, found))
    quote = connection.ops.quote_name
    return Columns(
        model=model,
        sql=", ".join(quote(str(field.column)) for field in fields),
        names=tuple(field.attname for field in fields),
        converters=tuple(converters),
    )


def read(
    columns: Columns[Row], connection: BaseDatabaseWrapper, sql: str, params: Sequence[Any]
) -> list[Row]:
    """What a statement answers that returns exactly `columns.sql`."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [columns.instance(found, connection) for found in cursor.fetchall()]


def insert(row: Row, *, using: str | None = None) -> Row:
    """Add the row and set its key, and whatever the database filled in."""
    connection = connections[using or router.db_for_write(type(row))]
    values: dict[str, Any] = {}
    filled: list[str] = []
    for field in type(row)._meta.concrete_fields:
        value = field.pre_save(row, add=True)
        if isinstance(value, DatabaseDefault) or (field.primary_key and value is None):
            filled.append(field.name)
        else:
            values[field.name] = field.get_db_prep_save(value, connection)
    answered = columns_of(type(row), connection, filled or [row._meta.pk.name])
    sql = _insert_sql(type(row), tuple(values), answered.sql)
    with connection.cursor() as cursor:
        cursor.execute(sql, list(values.values()))
        found = answered.values(cursor.fetchone(), connection)
    for name, value in zip(answered.names, found, strict=True):
        setattr(row, name, value)
    row._state.adding, row._state.db = False, connection.alias
    return row


@lru_cache(maxsize=256)
def _insert_sql(model: type[models.Model], names: tuple[str, ...], back: str) -> str:
    return _INSERT.format(
        table=_table(model),
        columns=", ".join(_column(model, name)[0] for name in names),
        marks=", ".join(["%s"] * len(names)),
        back=back,
    )


def update(
    model: type[models.Model],
    values: Mapping[str, Any],
    *,
    where: Mapping[str, Any],
    using: str | None = None,
) -> int:
    """Set fields of the rows that match `where` (field by field, by `=`); how many matched.

    A value may be an expression of the row's own columns, such as `F("attempts") + 1`.
    """
    connection = connections[using or router.db_for_write(model)]
    sets, params = [], []
    for name, value in values.items():
        column, field = _column(model, name)
        if hasattr(value, "resolve_expression"):
            sql, own = _compiled(model, value, connection)
        else:
            key = value.pk if isinstance(value, models.Model) else value
            sql, own = "%s", [field.get_db_prep_save(key, connection)]
        sets.append(f"{column} = {sql}")
        params.extend(own)
    tests = []
    for name, value in where.items():
        column, field = _column(model, name)
        tests.append(f"{column} = %s")
        params.append(field.get_db_prep_value(value, connection))
    sql = _UPDATE.format(table=_table(model), sets=", ".join(sets), tests=" AND ".join(tests))
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)


def _compiled(
    model: type[models.Model], value: Any, connection: BaseDatabaseWrapper
) -> tuple[str, list[Any]]:
    query = models.sql.UpdateQuery(model)
    compiler = query.get_compiler(connection=connection)
    sql, params = compiler.compile(value.resolve_expression(query, for_save=True))
    return str(sql), list(params)


@lru_cache(maxsize=1024)
def _column(model: type[models.Model], name: str) -> tuple[str, models.Field[Any, Any]]:
    field = model._meta.pk if name == "pk" else model._meta.get_field(name)
    return f'"{field.column}"', field  # type: ignore[union-attr, return-value]


def _table(model: type[models.Model]) -> str:
    return f'"{model._meta.db_table}"'
