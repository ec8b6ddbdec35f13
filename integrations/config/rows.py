"""The top layer: which row speaks for a business, as plain data that any tier can hold."""

from __future__ import annotations

from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import Error as DatabaseError
from django.db.models import Q, QuerySet

from integrations import registry
from integrations.config.defaults import plain
from integrations.config.shared import shared
from integrations.config.snapshot import Snapshot
from integrations.crypto import Secret
from integrations.exceptions import ConfigurationUnavailable
from integrations.models import SettingsModel

NO_ROW: dict[str, Any] = {"row_id": None}
# The business has rows of its own, and none of them is meant where no account is named.
NO_MAIN: dict[str, Any] = {"row_id": None, "no_main": True}


def describe_row(row: SettingsModel) -> dict[str, Any]:
    """The row as JSON-safe data; secrets as ciphertext."""
    values = row.config_values()
    tokens = {name: value.token for name, value in values.items() if isinstance(value, Secret)}
    others = {name: plain(value) for name, value in values.items() if name not in tokens}
    link = getattr(row, "integration", None)
    return {
        "row_id": row.pk,
        "shared": row.shared,
        "business": row.business,
        "active": link is None or link.is_active,
        "environment": plain(row.environment),
        "hosts": list(row.secret_hosts),
        "values": others,
        "tokens": tokens,
    }


def find_row(slug: str, business: str, stamp: str | None, account: str = "") -> dict[str, Any]:
    """The row of `business`, or the installation's where it is shared, or NO_ROW, or NO_MAIN.

    `account` chooses among several rows; "" is the main one. One query, none when the shared tier
    knows it under `stamp` (None: don't ask or tell the shared tier). Raises
    ConfigurationUnavailable.
    """
    # Told apart whatever the texts hold: a business must not be able to name another's account.
    key = f"{slug}:{stamp}:{business}" if not account else repr((slug, stamp, business, account))
    if stamp is not None:
        known = shared.get(key)
        if known is not None:
            return known
    found = _query(slug, business, account)
    if stamp is not None:
        shared.set(key, _jsonable(found))
    return found


def _query(slug: str, business: str, account: str) -> dict[str, Any]:
    model = registry.settings_model(slug)
    rows = model._default_manager.filter(business__in={business, ""}).select_related("integration")
    try:
        found = list(_narrowed(rows, business, account))
    except DatabaseError as error:
        raise ConfigurationUnavailable(
            "The settings can't be read: the database does not answer."
        ) from error
    meant = [row for row in found if account or getattr(row, "is_main", True)]
    own = next((row for row in meant if row.business == business), None)
    if own is not None:
        return describe_row(own)
    if not account and business and any(row.business == business for row in found):
        return NO_MAIN
    shared_row = next((row for row in meant if row.shared), None)
    return describe_row(shared_row) if shared_row is not None else NO_ROW


def _narrowed(rows: QuerySet[Any], business: str, account: str) -> QuerySet[Any]:
    """Those that may be meant, and for a business the rows which show that it has its own."""
    field = rows.model.account_field
    if not field:
        return rows
    if account:
        return rows.filter(**{field: account})
    is_main = Q(is_main=True)
    return rows.filter(is_main | Q(business=business) if business else is_main)


def _jsonable(found: dict[str, Any]) -> dict[str, Any]:
    encoder = DjangoJSONEncoder()
    values = found.get("values", {})
    simple = {
        name: value if isinstance(value, str | int | bool | None) else encoder.default(value)
        for name, value in values.items()
    }
    return {**found, "values": simple} if values else found


def row_snapshot(slug: str, business: str, found: dict[str, Any], *, source: str) -> Snapshot:
    """A snapshot of what `find_row` found (or of a described unsaved row)."""
    integration = registry.get_integration(slug)
    model = registry.settings_model(slug)
    values = {
        name: model.field_of(name).to_python(value) for name, value in found["values"].items()
    }
    tokens = found["tokens"]
    row = f"row {found['row_id']}" if found["row_id"] else source
    return Snapshot(
        slug=slug,
        label=integration.label,
        business=business,
        source=source,
        where=f"{model._meta.label}.{{}} ({row})",
        configured=all(tokens.get(name) or values.get(name) for name in integration.required),
        active=found["active"],
        environment=found["environment"],
        hosts=frozenset(found["hosts"]),
        values=values,
        row_id=found["row_id"],
        owner=found["business"],
        tokens=tokens,
    )
