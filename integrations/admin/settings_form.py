"""The form of any settings model, derived from its fields."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import URLField
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from integrations.access import NOTHING, Scope
from integrations.admin.secret_form import SecretForm
from integrations.exceptions import ConfigurationError, InvalidInput
from integrations.models import SettingsModel
from integrations.outbound import check_typed_url

WRITE_ONLY = (
    "Nobody can read these back. Leave one blank to keep it, tick Clear to remove it. "
    "When the host changes, every kept secret must be typed again."
)


class SettingsForm(SecretForm):
    """Fields of a settings model; secrets write-only, rows only of the user's businesses."""

    instance: SettingsModel
    # Set for each request by the admin; without it nobody may put a row anywhere.
    scope: Scope = NOTHING

    def clean_business(self) -> str:
        """The typed business; refused where it is not one of the user's."""
        business = str(self.cleaned_data["business"])
        if not self.scope.allows(business):
            raise ValidationError(
                f"You can't keep settings for {describe_owner(business)}. "
                f"You work on: {describe_scope(self.scope)}.",
                code="wrong_business",
            )
        return business

    @classmethod
    def address_names(cls) -> list[str]:
        """The fields with addresses that we call; callbacks come to the others."""
        model: type[SettingsModel] = cls._meta.model
        return [
            field.name
            for field in model._meta.concrete_fields
            if isinstance(field, URLField) and field.name not in model.guarded_fields
        ]

    def clean(self) -> dict[str, Any] | None:
        """Refuse a typed address that no call would be made to, on its field."""
        cleaned = super().clean()
        for name in set(self.address_names()) & set(self.cleaned_data) & set(self.changed_data):
            try:
                check_typed_url(self.cleaned_data[name])
            except InvalidInput as error:
                self.add_error(name, f"This address can't be used: {error.reason}.")
            except ConfigurationError as error:
                self.add_error(name, error.message)
        return cleaned

    def typed_names(self) -> list[str]:
        """Names of the fields that differ from what is saved."""
        return [str(name) for name in self.changed_data]


def describe_owner(business: str) -> str:
    """A business as people read it."""
    return f"the business {business!r}" if business else "the whole installation"


def describe_scope(scope: Scope) -> str:
    """The businesses of a scope, in words."""
    if scope.is_all:
        return "everything"
    return ", ".join(key or "the whole installation" for key in sorted(scope.businesses)) or (
        "no business"
    )


def make_fieldsets(
    model: type[SettingsModel], shown: Iterable[str]
) -> list[tuple[str | None, dict[str, Any]]]:
    """Who it is for, credentials, account, the model's own sections, addresses.

    `shown` are read-only fields of the page.
    """
    present = {field.name for field in model._meta.fields}
    placed = {name for names in model.sections.values() for name in names}
    secrets = [name for name in model.secret_fields() if name not in placed]
    others = [
        name
        for name in model.config_fields()
        if name not in placed and name not in model.secret_fields()
    ]
    addresses = [name for name in others if _is_address(model, name)]
    shown = list(shown)
    dates = [name for name in shown if name in present]
    link = [name for name in ("integration",) if name in present]
    return [
        ("Who it is for", {"fields": [*link, *model.owner_fields()]}),
        *([("Credentials", _section(model, secrets))] if secrets else []),
        ("Account", {"fields": [name for name in others if name not in addresses]}),
        *((title, _section(model, names)) for title, names in model.sections.items()),
        ("Addresses", {"fields": [*addresses, *(n for n in shown if n not in dates)]}),
        *([("History", {"fields": dates})] if dates else []),
    ]


def _section(model: type[SettingsModel], names: Iterable[str]) -> dict[str, Any]:
    """Fields together; where some are secrets, with where those are found."""
    fields = list(names)
    if not set(fields) & set(model.secret_fields()):
        return {"fields": fields}
    return {"fields": fields, "description": credentials_help(model)}


def _is_address(model: type[SettingsModel], name: str) -> bool:
    """Whether the field says where calls go to or callbacks come from."""
    return isinstance(model._meta.get_field(name), URLField) or name.startswith("callback_")


def credentials_help(model: type[SettingsModel]) -> SafeString:
    """Where the credentials are found, with links, and what happens to them."""
    info = model.info
    links = [
        (info.portal_url, f"Open the {info.label} portal"),
        (info.docs_url, f"{info.label} documentation"),
    ]
    shown = format_html_join(
        " · ",
        '<a class="text-link" href="{}" target="_blank" rel="noopener noreferrer">{}</a>',
        [link for link in links if link[0]],
    )
    return format_html('<p>{} {}</p><p class="portal-links">{}</p>',
                       WRITE_ONLY, info.portal_help, shown)  # fmt: skip
