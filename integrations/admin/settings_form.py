"""The form of any settings model, derived from its fields."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from integrations.admin.secret_form import SecretForm
from integrations.models import SettingsModel

OWNER_FIELDS = ("integration", "business", "shared", "environment")
WRITE_ONLY = (
    "Nobody can read these back. Leave one blank to keep it, tick Clear to remove it. "
    "When the host changes, every kept secret must be typed again."
)


class SettingsForm(SecretForm):
    """Fields of a settings model; secrets write-only."""

    instance: SettingsModel

    def typed_names(self) -> list[str]:
        """Names of the fields that differ from what is saved."""
        return [str(name) for name in self.changed_data]


def make_fieldsets(
    model: type[SettingsModel], shown: Iterable[str]
) -> list[tuple[str | None, dict[str, Any]]]:
    """Who it is for, credentials, the rest; `shown` are read-only fields of the page."""
    present = {field.name for field in model._meta.fields}
    secrets = model.secret_fields()
    others = [name for name in model.config_fields() if name not in secrets]
    return [
        ("Who it is for", {"fields": [name for name in OWNER_FIELDS if name in present]}),
        ("Credentials", {"fields": list(secrets), "description": WRITE_ONLY}),
        ("Account and addresses", {"fields": [*others, *shown]}),
    ]
