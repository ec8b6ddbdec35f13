"""The top layer: which row speaks for a business, as plain data that any tier can hold."""

from __future__ import annotations

from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import Error as DatabaseError

from integrations import registry
from integrations.config.defaults import plain
from integrations.config.shared import shared
from integrations.config.snapshot import Snapshot
from integrations.crypto import Secret
from integrations.exceptions import ConfigurationUnavailable
from integrations.models import SettingsModel

NO_ROW: dict[str, Any] = {"row_id": None}


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


def find_row(slug: str, business: str, stamp: str | None) -> dict[str, Any]:
    """The row of `business`, or the installation's where it is shared, or NO_ROW.

    One query, none when the shared tier knows it under `stamp` (None: don't ask or tell the
    shared tier). Raises ConfigurationUnavailable.
    """
    key = f"{slug}:{stamp}:{business}"
    if stamp is not None:
        known = shared.get(key)
        if known is not None:
            return known
    found = _query(slug, business)
    if stamp is not None:
        shared.set(key, _jsonable(found))
    return found


def _query(slug: str, business: str) -> dict[str, Any]:
    model = registry.settings_model(slug)
    rows = model._default_manager.filter(business__in={business, ""}).select_related("integration")
    try:
        by_business = {row.business: row for row in rows}
    except DatabaseError as error:
        raise ConfigurationUnavailable(
            "The settings can't be read: the database does not answer."
        ) from error
    own = by_business.get(business)
    installation = by_business.get("")
    if own is not None:
        return describe_row(own)
    if installation is not None and installation.shared:
        return describe_row(installation)
    return NO_ROW


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
        name: model._meta.get_field(name).to_python(value)
        for name, value in found["values"].items()
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
        tokens=tokens,
    )
