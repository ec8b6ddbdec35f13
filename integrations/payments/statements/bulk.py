"""Inserting very many rows: one prepared statement, without the ORM's work for each value.

`bulk_create` builds the text of an INSERT anew for every few rows and asks every field to prepare
every value, which is most of the time of a large statement. Only columns of our own tables are
written here, whose values are texts, numbers, booleans, Decimals and aware datetimes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connections, models, router


def insert_rows(
    model: type[models.Model],
    names: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    unique: Sequence[str] = (),
    update: Sequence[str] = (),
) -> None:
    """Insert rows, each the values of the fields `names`, in the caller's transaction.

    With `unique`, a row that exists by these fields is left alone, or gets the values of the
    fields `update`. Every other column needs a default of the database.
    """
    connection = connections[router.db_for_write(model)]
    quote = connection.ops.quote_name
    columns = {name: quote(_column(model, name)) for name in names}
    marks = ", ".join(["%s"] * len(names))
    statement = (
        f"INSERT INTO {quote(model._meta.db_table)} ({', '.join(columns.values())}) "  # noqa: S608
        f"VALUES ({marks})"
    )
    if unique:
        target = ", ".join(quote(_column(model, name)) for name in unique)
        action = ", ".join(f"{columns[name]} = EXCLUDED.{columns[name]}" for name in update)
        statement += f" ON CONFLICT ({target}) DO "
        statement += f"UPDATE SET {action}" if action else "NOTHING"
    adapt = _adapter(connection.vendor, connection.ops.adapt_datetimefield_value)
    with connection.cursor() as cursor:
        cursor.executemany(statement, [[adapt(value) for value in row] for row in rows])


def _column(model: type[models.Model], name: str) -> str:
    field = model._meta.get_field(name.removesuffix("_id"))
    return str(field.column)  # type: ignore[union-attr]


def _adapter(vendor: str, moment: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What a value is given to the driver as. PostgreSQL's knows every type that we have."""
    if vendor == "postgresql":
        return lambda value: value

    def adapt(value: Any) -> Any:
        kind = type(value)
        if kind is Decimal:
            return f"{value:.2f}"
        return moment(value) if kind is datetime else value

    return adapt
