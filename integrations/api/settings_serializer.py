"""The serializer of any settings model, derived from its fields."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS
from django.core.exceptions import ValidationError as ModelError
from django.db import IntegrityError, transaction
from django.db.models import URLField
from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from integrations.api.bodies import StrictSerializer
from integrations.api.fields import SecretField
from integrations.api.rights import require_business
from integrations.crypto import Secret, fingerprint
from integrations.exceptions import ConfigurationError, DecryptionError, InvalidInput
from integrations.health import RowStatus, row_status
from integrations.models import Integrations, SettingsModel
from integrations.outbound import check_typed_url

TAKEN = "This business already has settings."
UNREADABLE = "set, but it can't be read: the encryption key does not match"


@extend_schema_field(str)
class PreviewField(serializers.Field[Secret, Any, str, Secret]):
    """ "set, fingerprint 4f2a", or "": never any part of a secret or of its ciphertext."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "read_only": True})

    def to_representation(self, value: Secret) -> str:
        """What may be told."""
        if not value:
            return ""
        try:
            return f"set, fingerprint {fingerprint(value.reveal())}"
        except (DecryptionError, ConfigurationError):
            return UNREADABLE


class LastTestSerializer(serializers.Serializer[SettingsModel]):
    """The last connection test of a row."""

    at = serializers.DateTimeField(source="last_test_at")
    ok = serializers.BooleanField(source="last_test_ok")
    message = serializers.CharField(source="last_test_message")
    milliseconds = serializers.IntegerField(source="last_test_ms")


class SettingsSerializer(
    StrictSerializer[SettingsModel], serializers.ModelSerializer[SettingsModel]
):
    """Settings of one business, or of the installation.

    A secret that is left out stays, "" clears it, the mask is refused. The model's own rules
    hold: a new host, for one, demands the secrets again.
    """

    business = serializers.CharField(
        max_length=64,
        allow_blank=True,
        required=False,
        help_text="The host ERP's key of a business; empty for the whole installation.",
    )
    status = serializers.SerializerMethodField(help_text="What is known without asking.")
    last_test = serializers.SerializerMethodField(help_text="null before the first one.")

    class Meta:
        model: type[SettingsModel]
        fields: list[str]

    @extend_schema_field(serializers.ChoiceField(choices=RowStatus.choices))
    def get_status(self, row: SettingsModel) -> str:
        """Whether it is complete, switched on, and worked when it was last tested."""
        return row_status(row).value

    @extend_schema_field(LastTestSerializer(allow_null=True))
    def get_last_test(self, row: SettingsModel) -> dict[str, Any] | None:
        """When, how long, what was found."""
        return None if row.last_test_at is None else dict(LastTestSerializer(row).data)

    def validate_business(self, business: str) -> str:
        """Raises BusinessRefused before anything is told of a stranger's settings."""
        require_business(self.context["request"], business)
        if not business.isprintable():
            raise serializers.ValidationError("Control characters are not allowed.")
        return business

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The model's rules, with errors named by field."""
        if self.instance is None:
            require_business(self.context["request"], attrs.get("business", ""))
        for alias, target in self.Meta.model.aliases.items():
            if alias in attrs and attrs.get(target, attrs[alias]) != attrs[alias]:
                raise serializers.ValidationError({alias: [f"Differs from {target}."]})
        row = self.instance or self.Meta.model()
        before = {name: getattr(row, name) for name in address_names(self.Meta.model)}
        for name, value in attrs.items():
            setattr(row, name, value)
        hidden = {field.name for field in row._meta.concrete_fields if not field.editable}
        try:
            row.full_clean(exclude=hidden)
        except ModelError as error:
            raise serializers.ValidationError(_by_field(error)) from None
        _check_addresses({n: getattr(row, n) for n in before if getattr(row, n) != before[n]})
        self.instance = row
        return attrs

    def save(self, **kwargs: Any) -> SettingsModel:
        """Store what `validate` has checked; raises ValidationError where somebody was faster."""
        row = self.instance
        if not isinstance(row, SettingsModel):
            raise TypeError("There is nothing to save before is_valid().")
        try:
            with transaction.atomic():
                row.save()
        except IntegrityError:
            raise serializers.ValidationError({"business": [TAKEN]}, code="unique") from None
        return row


def _by_field(error: ModelError) -> dict[str, list[ErrorDetail]]:
    """The model's errors by field, each with its code; those of the whole row under one name."""
    return {
        "non_field_errors" if name == NON_FIELD_ERRORS else name: [
            ErrorDetail(each.messages[0], code=each.code or "invalid") for each in errors
        ]
        for name, errors in error.error_dict.items()
    }


def address_names(model: type[SettingsModel]) -> list[str]:
    """The fields with addresses that we call; callbacks come to the others."""
    return [
        field.name
        for field in model._meta.concrete_fields
        if isinstance(field, URLField) and field.name not in model.guarded_fields
    ]


def _check_addresses(changed: dict[str, str]) -> None:
    """Refuse an address that no call would be made to."""
    for name, url in changed.items():
        try:
            check_typed_url(url)
        except InvalidInput as error:
            text = f"This address can't be used: {error.reason}."
            raise serializers.ValidationError({name: [text]}, code=error.code) from None
        except ConfigurationError as error:
            raise serializers.ValidationError({name: [error.message]}, code=error.code) from None


@cache
def settings_serializer(model: type[SettingsModel]) -> type[SettingsSerializer]:
    """The serializer of a settings model: its fields, and a preview beside each secret."""
    secrets = model.secret_fields()
    shown = [
        part
        for name in model.config_fields()
        for part in ((name, f"{name}_preview") if name in secrets else (name,))
    ]
    link = ["integration"] if "integration" in {f.name for f in model._meta.fields} else []
    names = [
        "id", *link, *model.owner_fields(), *model.aliases, *shown,
        "status", "last_test", "created_at", "updated_at",
    ]  # fmt: skip
    meta = type("Meta", (), {"model": model, "fields": names, "validators": []})
    fields: dict[str, Any] = {f"{name}_preview": PreviewField(source=name) for name in secrets}
    fields |= {name: _secret_field(model, name) for name in secrets}
    fields |= {name: _alias_field(model, name) for name in model.aliases}
    if link:
        rows = Integrations.objects.filter(name=model.info.name)
        fields["integration"] = serializers.PrimaryKeyRelatedField(queryset=rows, required=False)
    made = type(f"{model.__name__}Serializer", (SettingsSerializer,), {"Meta": meta, **fields})
    return extend_schema_serializer(component_name=model.__name__)(made)


def _alias_field(model: type[SettingsModel], name: str) -> serializers.ChoiceField:
    """A documented name of a field that has another one here; the model sets either."""
    target = model.aliases[name]
    choices: Any = model._meta.get_field(target).choices  # type: ignore[union-attr]
    return serializers.ChoiceField(
        choices=choices, required=False, help_text=f"The documented name of `{target}`."
    )


def _secret_field(model: type[SettingsModel], name: str) -> SecretField:
    told = str(model._meta.get_field(name).help_text)  # type: ignore[union-attr]
    return SecretField(help_text=f"{told} Left out: kept. Empty: cleared.".strip())
