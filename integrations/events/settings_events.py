"""Events of settings: who created, changed or deleted which row. Field names, never values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from integrations.events.catalogue import EventType
from integrations.events.keys import Key, choice, declare, names, text
from integrations.events.publishing import publish
from integrations.models import Environment, SettingsModel, current_actor

EVENTS: Mapping[str, str] = MappingProxyType(
    {
        "settings.created": "An integration got settings, for the installation or a business.",
        "settings.changed": "Fields of an integration's settings were changed.",
        "settings.deleted": "An integration's settings were deleted.",
    }
)
PAYLOAD: Mapping[str, Key] = MappingProxyType(
    {
        "integration": text("Its slug, such as `mpesa`.", "mpesa"),
        "settings_id": text("The row's key, text.", "7"),
        "business": text("Whose settings they are; empty: the installation's.", "branch-7"),
        "environment": choice("`sandbox` or `production`.", Environment.values, "production"),
        "fields": names(
            "Names of the fields that were set or changed, secret ones too; never a value. Empty "
            "for `settings.deleted`.",
            ["passkey", "short_code"],
        ),
        "changed_by": text("Who did it, by name; `system` for the product itself.", "wanjiku"),
    }
)


def event_types() -> list[EventType]:
    """All of them as the catalogue has them."""
    return declare("Settings", EVENTS, PAYLOAD, examples={"settings.deleted": {"fields": []}})


def tell(action: str, row: SettingsModel, fields: Sequence[str]) -> None:
    """Publish a change of settings: a hook of the models. A save that changes nothing is silent."""
    if action == "changed" and not fields:
        return
    actor = current_actor()
    payload = {
        "integration": row.info.slug,
        "settings_id": str(row.pk),
        "business": row.business,
        "environment": str(row.environment),
        "fields": sorted(fields),
        # Without the token that a program used: receivers are strangers to it.
        "changed_by": str(actor)[:200] if actor else "system",
    }
    publish(f"settings.{action}", payload, row.business)
