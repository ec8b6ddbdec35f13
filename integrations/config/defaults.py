"""The lowest layer: code defaults (sandbox), derived from the settings model's fields."""

from __future__ import annotations

from typing import Any

from integrations import registry


def default_config(slug: str) -> dict[str, Any]:
    """A fresh dict of the documented defaults; secrets are ""."""
    model = registry.settings_model(slug)
    overrides = registry.get_integration(slug).defaults
    fields = {name: model._meta.get_field(name) for name in model.config_fields()}
    return {name: overrides.get(name, field.get_default()) for name, field in fields.items()}
