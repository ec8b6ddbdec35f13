"""Figures of the summary endpoint."""

from __future__ import annotations

from typing import Any

from integrations import registry
from integrations.access import EVERYTHING, Scope
from integrations.models import Integrations

# Documented keys, present before their integration is built.
DOCUMENTED_COUNTS = ("mpesa", "kra", "bank_api", "govt_services", "sms", "email")


def summarize(scope: Scope = EVERYTHING) -> dict[str, Any]:
    """The documented `data` of the summary, within the caller's businesses.

    Settings are counted where nothing required lacks.
    """
    counts = dict.fromkeys(DOCUMENTED_COUNTS, 0)
    declared = registry.integrations()
    counts.update({item.slug: count_configured(item.slug, scope) for item in declared})
    return {
        "payment_integrations": Integrations.objects.filter(integration_type="PAYMENT"),
        "notification_integrations": [],
        "settings_configured": counts,
    }


def count_configured(slug: str, scope: Scope = EVERYTHING) -> int:
    """How many rows have everything that the integration requires. One query, no decryption."""
    model = registry.settings_model(slug)
    rows = scope.narrow(model._default_manager.all())
    for name in registry.get_integration(slug).required:
        rows = rows.exclude(**{f"{name}__isnull": True})
        if model._meta.get_field(name).empty_strings_allowed:
            rows = rows.exclude(**{name: ""})
    return int(rows.count())
