"""Tables with a million rows, made by the database itself: payments and what is told of them."""

from __future__ import annotations

from typing import Any

from django.db.models import UniqueConstraint

# What the columns hold, as SQL of the row's number; the others hold their defaults. One business
# of 500; of a thousand payments one is unknown, of ten thousand one is of the sandbox.
PAYMENT = {
    # In order: random ones would double the time that filling takes, and are not looked up here.
    "public_id": "lpad(to_hex(n), 32, '0')::uuid",
    "provider": "'mpesa'",
    "product": "'stk_push'",
    "business": "'b' || n % 500",
    "environment": "CASE n % 10000 WHEN 3 THEN 'sandbox' ELSE 'production' END",
    "amount": "n % 5000 + 1",
    "state": "CASE n % 1000 WHEN 7 THEN 'unknown' WHEN 8 THEN 'failed' ELSE 'succeeded' END",
    "phone": "'2547' || 12000000 + n",
    "account_reference": "'INV-' || lpad(n::text, 7, '0')",
    "checkout_id": "'ws_CO_' || lpad(n::text, 7, '0')",
    "receipt": "'R' || lpad(n::text, 7, '0')",
    "work_state": "'idle'",
    "next_attempt_at": "NULL",
    "created_at": "timestamptz '2026-01-01 00:00+03' + n * interval '20 seconds'",
    "updated_at": "now()",
}
CALL = {
    "provider": "'mpesa'",
    "operation": "CASE n % 3 WHEN 0 THEN 'stk_query' ELSE 'stk_push' END",
    "business": "'b' || n % 500",
    "environment": "'production'",
    "outcome": "CASE n % 10000 WHEN 5 THEN 'failed' ELSE 'ok' END",
    "latency_ms": "n % 900",
    "reference": "'P' || n",
    "created_at": "timestamptz '2026-01-01 00:00+03' + n * interval '20 seconds'",
}
CALLBACK = {
    "route": "'stk'",
    # One in a hundred came to nobody's address.
    "business": "CASE n % 100 WHEN 1 THEN NULL ELSE 'b' || n % 500 END",
    "status": "CASE n % 100 WHEN 1 THEN 'quarantined' ELSE 'processed' END",
    "body": "''",
    "reference": "'P' || n",
    "doubts": "'[]'",
    "headers": "'{}'",
    "work_state": "'done'",
    "next_attempt_at": "NULL",
    "received_at": "timestamptz '2026-01-01 00:00+03' + n * interval '20 seconds'",
}
ENTRY = {
    "at": "timestamptz '2026-01-01 00:00+03' + n * interval '20 seconds'",
    "actor_name": "'clerk ' || n % 40",
    "action": "CASE n % 5 WHEN 0 THEN 'settings.changed' ELSE 'payment.asked' END",
    "object_type": "'integrations.Payment'",
    "object_id": "n::text",
    "object_name": "'KES ' || n % 5000",
    "business": "'b' || n % 500",
    "fields": "'[]'",
}


def tables() -> dict[Any, dict[str, str]]:
    """The columns by model."""
    from integrations.models import AuditEntry, InboundCallback, Payment, ProviderCall

    return {Payment: PAYMENT, ProviderCall: CALL, InboundCallback: CALLBACK, AuditEntry: ENTRY}


def set_logged(is_logged: bool) -> None:
    """Whether the tables are written to the log first, which doubles the time of filling them.

    Reading is the same without. Those that refer to a table are changed before it, or after.
    """
    from django.db import connection

    models = [
        each
        for model in tables()
        for each in (*(known.related_model for known in model._meta.related_objects), model)
    ]
    word = "LOGGED" if is_logged else "UNLOGGED"
    with connection.cursor() as cursor:
        for model in models[::-1] if is_logged else models:
            table = connection.ops.quote_name(model._meta.db_table)
            cursor.execute(f"ALTER TABLE {table} SET {word}")


def fill(first: int, last: int) -> None:
    """Rows of these numbers in every table, statistics up to date."""
    for model, columns in tables().items():
        _fill(model, columns, first, last)


def empty() -> None:
    """Take every row away, and what belongs to them."""
    from django.db import connection

    names = ", ".join(connection.ops.quote_name(model._meta.db_table) for model in tables())
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {names} CASCADE")


def _fill(model: Any, columns: dict[str, str], first: int, last: int) -> None:
    from django.db import connection

    quote = connection.ops.quote_name
    values = dict(columns)
    # A column that came later must not break the script.
    plain: dict[str, Any] = {
        field.column: field.get_db_prep_save(field.get_default(), connection)
        for field in model._meta.concrete_fields
        if not field.primary_key and field.column not in values and not field.null
    }
    values |= dict.fromkeys(plain, "%s")
    table = quote(model._meta.db_table)
    names = ", ".join(map(quote, values))
    # The literals' own per cent signs, for a statement that carries parameters.
    written = ", ".join(
        text if text == "%s" else text.replace("%", "%%") for text in values.values()
    )
    # Built afterwards, an index takes a second instead of ten.
    unique = [each for each in model._meta.constraints if isinstance(each, UniqueConstraint)]
    with connection.schema_editor() as editor:
        for index in model._meta.indexes:
            editor.remove_index(model, index)
        for constraint in unique:
            editor.remove_constraint(model, constraint)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({names}) SELECT {written} "
            f"FROM generate_series({first}, {last}) AS n",
            list(plain.values()),
        )
    with connection.schema_editor() as editor:
        for index in model._meta.indexes:
            editor.add_index(model, index)
        for constraint in unique:
            editor.add_constraint(model, constraint)
    with connection.cursor() as cursor:
        # As time would leave it: statistics, hint bits, the visibility map.
        cursor.execute(f"VACUUM (ANALYZE) {table}")
