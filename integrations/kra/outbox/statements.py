"""The few statements that every turn of a document makes, written out.

With 20 branches side by side a worker's processor is what bounds them, and most of it went into
putting these statements together anew for each document.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from django.core.exceptions import ObjectDoesNotExist
from django.db import connections, models

from integrations import plain_sql
from integrations.models import KRABranch, KRAInvoice, KRAWrite, WriteKind
from integrations.work.clock import now_sql

_Row = TypeVar("_Row", bound=models.Model)
# What never changes, or only by whoever holds the claim, is not read again: the branch stays as
# it was read, and the two large columns too. Nor is the claim: whoever was overtaken must not act
# under the one of its successor.
_STILL = frozenset(
    {"public_id", "business", "environment", "branch", "document", "body", "claim_token"}
)
_MOVING = {f.name: f.attname for f in KRAInvoice._meta.concrete_fields if f.name not in _STILL}
# What KRA has to know before it takes a sale.
_BEFORE_SALES = tuple(
    kind.value for kind in WriteKind if kind not in (WriteKind.CUSTOMER, WriteKind.INSURANCE)
)
_NAMES = {
    "invoices": KRAInvoice._meta.db_table,
    "writes": KRAWrite._meta.db_table,
    "branches": KRABranch._meta.db_table,
    "kinds": ", ".join(["%s"] * len(_BEFORE_SALES)),
}


def _named(template: str) -> str:
    return template.format(**_NAMES)


_ROW = "SELECT {columns} FROM {table} WHERE id = %s"
_BRANCH = """
    SELECT {columns}, EXISTS (
        SELECT 1 FROM {writes} WHERE branch_id = {branches}.id AND next_attempt_at IS NOT NULL
    ) FROM {branches} WHERE id = %s
"""
# Both instants are of the database's clock.
_EARLIER = _named("""
    SELECT id FROM {writes}
    WHERE branch_id = %s AND next_attempt_at IS NOT NULL AND attention = ''
        AND kind IN ({kinds}) AND created_at < (SELECT queued_at FROM {invoices} WHERE id = %s)
        AND '' = (
            SELECT attention FROM {writes} WHERE branch_id = %s AND next_attempt_at IS NOT NULL
            ORDER BY id LIMIT 1
        )
    ORDER BY id LIMIT 1
""")
_UNPARK = """
    UPDATE {invoices} SET parked_at = NULL, work_state = 'due', next_attempt_at = {now}
    WHERE branch_id = %s AND parked_at IS NOT NULL
"""


def lock(invoice: KRAInvoice) -> None:
    """Reread the row, locked where the database can (SQLite has one writer anyway)."""
    found = _row(KRAInvoice, invoice.pk, names=_MOVING, is_locked=True)
    for attname in _MOVING.values():
        setattr(invoice, attname, getattr(found, attname))


def read_branch(invoice: KRAInvoice) -> tuple[KRABranch, bool]:
    """The document's branch as it is now, which it keeps; and whether any report of it waits."""
    connection = connections["default"]
    columns = plain_sql.columns_of(KRABranch, connection)
    with connection.cursor() as cursor:
        cursor.execute(_BRANCH.format(columns=columns.sql, **_NAMES), [invoice.branch_id])
        found = cursor.fetchone()
    if found is None:
        raise ObjectDoesNotExist(f"The branch {invoice.branch_id} is gone.")
    invoice.branch = columns.instance(found[:-1], connection)
    return invoice.branch, bool(found[-1])


def lock_counter(branch_id: int) -> int:
    """The last number that KRA has taken of a branch, which nobody moves until this commits."""
    branch = _row(KRABranch, branch_id, names=["last_invoice_number"], is_locked=True)
    return branch.last_invoice_number


def earlier_write(invoice: KRAInvoice) -> KRAWrite | None:
    """A report of the branch that was handed in before the document and is still on its way.

    What is sold must be known before. A report that was given up holds nobody back, nor does one
    of customers or insurers, or one that a person has to look at, with the reports that stand
    behind it: invoices must go on.
    """
    branch = invoice.branch_id
    with connections["default"].cursor() as cursor:
        cursor.execute(_EARLIER, [branch, *_BEFORE_SALES, invoice.pk, branch])
        found = cursor.fetchone()
    return KRAWrite.objects.filter(pk=found[0]).first() if found else None


def unpark(branch_id: int) -> int:
    """Make due what stood aside; how many there were."""
    connection = connections["default"]
    with connection.cursor() as cursor:
        cursor.execute(_UNPARK.format(**_NAMES, now=now_sql(connection)), [branch_id])
        return int(cursor.rowcount)


def _row(
    model: type[_Row], key: Any, *, names: Iterable[str] = (), is_locked: bool = False
) -> _Row:
    """The row, or these of its fields; raises ObjectDoesNotExist."""
    connection = connections["default"]
    columns = plain_sql.columns_of(model, connection, names)
    suffix = " FOR NO KEY UPDATE" if is_locked and connection.vendor == "postgresql" else ""
    sql = _ROW.format(columns=columns.sql, table=model._meta.db_table) + suffix
    found = plain_sql.read(columns, connection, sql, [key])
    if not found:
        raise ObjectDoesNotExist(f"{model._meta.label} {key} is gone.")
    return found[0]
