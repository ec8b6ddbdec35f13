"""The middle layer: `<SLUG>_<FIELD>` environment variables, each also as a file.

They stand for the installation's row where there is none. A row replaces them as a whole.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError

from integrations import registry
from integrations.exceptions import ConfigurationError
from integrations.models import SettingsModel


def read_variable(name: str) -> str | None:
    """The variable, or the text of the file that NAME_FILE points at; None where unset."""
    path = os.environ.get(f"{name}_FILE")
    if path:
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise ConfigurationError(f"{name}_FILE can't be read: {error.strerror}.") from None
    return os.environ.get(name)


def environment_row(slug: str) -> SettingsModel | None:
    """An unsaved settings row made of this integration's variables, or None without any.

    Raises ConfigurationError naming the variable whose value does not fit its field.
    """
    model = registry.settings_model(slug)
    defaults = registry.get_integration(slug).defaults
    found: dict[str, Any] = {}
    for field in ("environment", *model.config_fields()):
        name = f"{slug}_{field}".upper()
        text = read_variable(name)
        if text is None:
            continue
        try:
            found[field] = model._meta.get_field(field).to_python(text)
        except ValidationError:
            raise ConfigurationError(f"{name} has a value that does not fit.") from None
    if not found:
        return None
    # The documented base_url default is the sandbox; a row keeps both URLs and chooses.
    preset = {name: value for name, value in defaults.items() if name != "base_url"}
    row: SettingsModel = model(**{**preset, **found})
    row.secret_hosts = row.outbound_hosts()
    return row
