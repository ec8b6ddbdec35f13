"""The middle layer: `<SLUG>_<FIELD>` environment variables, each also as a file.

They stand for the installation's row where there is none. A row replaces them as a whole. An
empty variable is as good as none: deployments pass on what they don't set.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import BooleanField

from integrations import registry
from integrations.conf import read_variable
from integrations.exceptions import ConfigurationError
from integrations.models import SettingsModel


def _parse(field: Any, text: str) -> Any:
    """The field's value of a text; raises ValidationError. "true" is as good as "True"."""
    return field.clean(text.title() if isinstance(field, BooleanField) else text, None)


def _value(model: type[SettingsModel], field: str, name: str, text: str) -> Any:
    try:
        return _parse(model._meta.get_field(field), text)
    except ValidationError as error:
        raise ConfigurationError(f"{name}: {' '.join(error.messages)}") from None


def environment_row(slug: str) -> SettingsModel | None:
    """An unsaved settings row made of this integration's variables, or None without any.

    Raises ConfigurationError naming the variable whose value does not fit its field.
    """
    model = registry.settings_model(slug)
    defaults = registry.get_integration(slug).defaults
    found: dict[str, Any] = {}
    for key in ("environment", "shared", *model.config_fields(), *model.aliases):
        name = f"{slug}_{key}".upper()
        text = read_variable(name)
        if not text:
            continue
        field = model.aliases.get(key, key)
        value = text if field in model.secret_fields() else _value(model, field, name, text)
        if found.setdefault(field, value) != value:
            other = f"{slug}_{field}".upper()
            raise ConfigurationError(f"{name} and {other} contradict each other.")
    if not found:
        return None
    # The documented base_url default is the sandbox; a row keeps both URLs and chooses.
    preset = {name: value for name, value in defaults.items() if name != "base_url"}
    row: SettingsModel = model(**{**preset, **found})
    try:
        row.clean()
    except ValidationError as error:
        told = [
            f"{slug}_{name}".upper() + ": " + " ".join(why)
            for name, why in error.message_dict.items()
        ]
        raise ConfigurationError(" ".join(told)) from None
    row.secret_hosts = row.outbound_hosts()
    return row
