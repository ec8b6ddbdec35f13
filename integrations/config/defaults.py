"""The lowest layer: code defaults (sandbox), derived from the settings model's fields."""

from __future__ import annotations

from enum import Enum
from typing import Any

from integrations import registry


def default_config(slug: str) -> dict[str, Any]:
    """A fresh dict of the documented defaults; secrets are ""."""
    model = registry.settings_model(slug)
    # As an empty row tells them: what it derives from other fields is right here too.
    values = {**model().config_values(), **registry.get_integration(slug).defaults}
    secrets = dict.fromkeys(model.secret_fields(), "")
    return {name: plain(value) for name, value in {**values, **secrets}.items()}


def plain(value: Any) -> Any:
    """The value of a choice, anything else as it is: dicts hold plain values."""
    return value.value if isinstance(value, Enum) else value
