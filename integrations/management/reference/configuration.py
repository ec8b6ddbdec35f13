"""The page of every integration's settings, from the fields of their models."""

from __future__ import annotations

from typing import Any

from integrations import registry
from integrations.config.defaults import default_config, plain
from integrations.management.reference.markdown import code, page, table
from integrations.models import SettingsModel

# What every settings model has, in the order of the form.
COMMON = ("business", "shared", "environment")
LONGEST = 60
INTRO = """\
One row for each business and integration, typed into the admin; for M-Pesa one for each of its
short codes. Where the installation has no row for an integration, the environment variables stand
for it, each also as `NAME_FILE`; a row replaces them as a whole. *Secret* fields are encrypted, and
never shown again. Without the *required* ones the integration is not configured. The defaults are
those of a new row; where code and row differ, both are named."""


def configuration_page() -> str:
    """Fields, meaning, defaults and variables of everything that is registered."""
    parts = [INTRO, "## Every integration", _fields_of(SettingsModel, COMMON)]
    for integration in registry.integrations():
        model = registry.settings_model(integration.slug)
        parts += [
            f"## {integration.label}",
            _about(integration),
            _fields_of(model, (*_own(model), *model.config_fields()), integration),
        ]
    return page("Configuration", *parts)


def _own(model: type[Any]) -> tuple[str, ...]:
    """What says whom a row serves, beyond what every integration has."""
    return tuple(name for name in model.owner_fields() if name not in COMMON)


def _about(integration: registry.Integration) -> str:
    refused = "refused" if integration.strict else "served by the installation's settings"
    return (
        f"Slug `{integration.slug}`; row `{integration.name}` of **Integrations**. "
        f"Config dict: `IntegrationConfigService.get_{integration.slug}_config()`; its defaults: "
        f"`{integration.default_constant}`. A business without settings is {refused}, unless "
        "the installation's row is shared."
    )


def _fields_of(
    model: type[Any], names: tuple[str, ...], integration: registry.Integration | None = None
) -> str:
    slug = integration.slug if integration else "<slug>"
    secrets = set(model.secret_fields()) if integration else set()
    required = set(integration.required) if integration else set()
    fields = {field.name: field for field in model._meta.get_fields()}
    rows = []
    for name in names:
        marks = [
            word
            for word, has in (("secret", name in secrets), ("required", name in required))
            if has
        ]
        rows.append(
            [
                code(name),
                _meaning(fields[name]),
                ", ".join(marks),
                _default(fields[name], integration),
                "" if name in ("business", "is_main") else code(f"{slug}_{name}".upper()),
            ]
        )
    return table(["field", "meaning", "marks", "default", "variable"], rows)


def _meaning(field: Any) -> str:
    text = str(field.help_text or field.verbose_name.capitalize() + ".")
    values = ", ".join(code(value) for value, _label in field.choices or ())
    return f"{text} One of {values}." if values else text


def _default(field: Any, integration: registry.Integration | None) -> str:
    shown = _shown(plain(field.get_default()))
    if integration is None:
        return shown
    in_code = default_config(integration.slug).get(field.name)
    other = _shown(in_code)
    return shown if shown == other else f"{shown or 'empty'}; in code {other}"


def _shown(value: Any) -> str:
    if value is None or str(value) == "":
        return ""
    text = str(value) if not isinstance(value, bool) else ("yes" if value else "no")
    return code(text if len(text) <= LONGEST else text[: LONGEST - 1] + "…")
