"""The few statements that every turn of a document makes, written out.

With 20 branches side by side a worker's processor is what bounds them, and most of it went into
putting these statements together anew for each document.
"""

from __future__ import annotations

from typing import Any, TypeVar

from django.core.exceptions import ObjectDoesNotExist
from django.db import connections, models

from integrations.models import KRABranch, KRAInvoice, KRAWrite, WriteKind
from integrations.work.clock import now_sql

_Row = TypeVar("_Row", bound=models.Model)
# What never changes, or only by whoever holds the claim, is not read again: the branch stays as
# it was read, and the two large columns too. Nor is the claim: whoever was overtaken must not act
# under the one of its successor.
_STILL = frozenset(
    {"public_id", "business", "environment", "branch", "document", "body", "claim_token"}
)
_MOVING = [field for field in KRAInvoice._meta.concrete_fields if field.name not in _STILL]
# What KRA has to know before it takes a sale.
_BEFORE_SALES = tuple(
    kind.value for kind in WriteKind if kind not in (WriteKind.CUSTOMER, WriteKind.INSURANCE)
)
_NAMES = {
    "moving": ", ".join(str(field.column) for field in _MOVING),
    "invoices": KRAInvoice._meta.db_table,
    "writes": KRAWrite._meta.db_table,
    "branches": KRABranch._meta.db_table,
    "kinds": ", ".join(["%s"] * len(_BEFORE_SALES)),
}


def _named(template: str) -> str:
    return template.format(**_NAMES)


_LOCK = _named("SELECT {moving} FROM {invoices} WHERE id = %s")
_BRANCH = _named("SELECT * FROM {branches} WHERE id = %s")
# Both instants are of the database's clock.
_EARLIER = _named("""
    SELECT id, kind, key, state, next_attempt_at FROM {writes}
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
    alias = invoice._state.db or "default"
    is_postgresql = connections[alias].vendor == "postgresql"
    found = _one(KRAInvoice, _LOCK + (" FOR NO KEY UPDATE" if is_postgresql else ""), invoice.pk)
    for field in _MOVING:
        setattr(invoice, field.attname, getattr(found, field.attname))


def read_branch(invoice: KRAInvoice) -> KRABranch:
    """The document's branch as it is now; the document keeps it."""
    invoice.branch = _one(KRABranch, _BRANCH, invoice.branch_id)
    return invoice.branch


def earlier_write(invoice: KRAInvoice) -> KRAWrite | None:
    """A report of the branch that was handed in before the document and is still on its way.

    What is sold must be known before. A report that was given up holds nobody back, nor does one
    of customers or insurers, or one that a person has to look at, with the reports that stand
    behind it: invoices must go on.
    """
    branch = invoice.branch_id
    found = KRAWrite._base_manager.raw(_EARLIER, [branch, *_BEFORE_SALES, invoice.pk, branch])
    return next(iter(found), None)


def unpark(branch_id: int) -> int:
    """Make due what stood aside; how many there were."""
    connection = connections["default"]
    with connection.cursor() as cursor:
        cursor.execute(_UNPARK.format(**_NAMES, now=now_sql(connection)), [branch_id])
        return int(cursor.rowcount)


def _one(model: type[_Row], sql: str, key: Any) -> _Row:
    """The row; raises ObjectDoesNotExist."""
    found: _Row | None = next(iter(model._base_manager.raw(sql, [key])), None)
    if found is None:
        raise ObjectDoesNotExist(f"{model._meta.label} {key} is gone.")
    return found
