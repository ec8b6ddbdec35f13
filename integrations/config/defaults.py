"""The lowest layer: code defaults (sandbox), derived from the settings model's fields."""

from __future__ import annotations

from enum import Enum
from typing import Any

from integrations import registry


def default_config(slug: str) -> dict[str, Any]:
    """A fresh dict of the documented defaults; secrets are ""."""
    model = registry.settings_model(slug)
    overrides = registry.get_integration(slug).defaults
    fields = {name: model._meta.get_field(name) for name in model.config_fields()}
    values = {name: overrides.get(name, field.get_default()) for name, field in fields.items()}
    return {name: plain(value) for name, value in values.items()}


def plain(value: Any) -> Any:
    """The value of a choice, anything else as it is: dicts hold plain values."""
    return value.value if isinstance(value, Enum) else value
