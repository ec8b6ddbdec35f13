"""Shapes of the answers (compatibility reference, section 4.2), for the schema and the wire."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema_field
from rest_framework import serializers

from integrations.health import RowStatus
from integrations.health.preflight import Level
from integrations.models import Integrations

_PAIR = {
    "type": "array",
    "items": {"oneOf": [{"type": "boolean"}, {"type": "string"}]},
    "minItems": 2,
    "maxItems": 2,
    "example": [True, "Connected."],
}


BUSINESS = OpenApiParameter(
    "business",
    str,
    description="The business that is asked about; the installation, or the caller's only "
    "business, where it is left out.",
)
WARNINGS = (
    "What needs somebody although the connection may work: an initiator whose password is refused "
    "or about to expire, an account with little money."
)
STATUSES = ["healthy", "unhealthy", "inactive", "not_configured"]


class AccountHealthSerializer(serializers.Serializer[dict[str, Any]]):
    """A further account of a business, such as a second short code."""

    account = serializers.CharField(help_text="The short code.")
    status = serializers.ChoiceField(choices=STATUSES)
    connected = serializers.BooleanField()
    message = serializers.CharField()


@extend_schema_field(_PAIR)
class ConnectionField(serializers.ReadOnlyField):
    """`[works, what was found]`."""


class StatusSerializer(serializers.Serializer[dict[str, Any]]):
    """One integration in the health answer."""

    configured = serializers.BooleanField(help_text="Everything required is set.")
    active = serializers.BooleanField(help_text="Switched on.")
    connection = ConnectionField()
    status = serializers.ChoiceField(choices=STATUSES)
    connected = serializers.BooleanField(help_text="The provider accepted the credentials.")
    message = serializers.CharField(help_text="What was found, in words.")
    accounts = AccountHealthSerializer(
        many=True, required=False, help_text="Further accounts, where the business has some."
    )
    warnings = serializers.ListField(child=serializers.CharField(), help_text=WARNINGS)


class HealthSerializer(serializers.Serializer[dict[str, Any]]):
    """Health of every integration."""

    success = serializers.BooleanField()
    integrations = serializers.DictField(child=StatusSerializer())
    generated_at = serializers.DateTimeField()


class IntegrationHealthSerializer(serializers.Serializer[dict[str, Any]]):
    """Health of one integration; `success` is `connected`."""

    success = serializers.BooleanField()
    message = serializers.CharField()
    configured = serializers.BooleanField()
    active = serializers.BooleanField()
    status = serializers.ChoiceField(choices=STATUSES)
    connected = serializers.BooleanField()
    accounts = AccountHealthSerializer(
        many=True, required=False, help_text="Further accounts, where the business has some."
    )
    warnings = serializers.ListField(child=serializers.CharField(), help_text=WARNINGS)
    tested_at = serializers.DateTimeField()


class ClearedSerializer(serializers.Serializer[dict[str, Any]]):
    """The answer to a cleared cache."""

    success = serializers.BooleanField()
    message = serializers.CharField()
    cleared_at = serializers.DateTimeField()


class PaymentIntegrationSerializer(serializers.ModelSerializer[Integrations]):
    """A row of the list of payment integrations."""

    class Meta:
        model = Integrations
        fields = ["id", "name", "is_active", "is_default", "created_at"]
        read_only_fields = fields


class NotificationIntegrationSerializer(serializers.Serializer[dict[str, Any]]):
    """A row of the list of notification integrations."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    integration_type = serializers.CharField()
    provider = serializers.CharField()
    is_active = serializers.BooleanField()
    is_default = serializers.BooleanField()


class SummaryDataSerializer(serializers.Serializer[dict[str, Any]]):
    """What is installed, and how many usable settings rows each integration has."""

    payment_integrations = PaymentIntegrationSerializer(many=True)
    notification_integrations = NotificationIntegrationSerializer(many=True)
    settings_configured = serializers.DictField(child=serializers.IntegerField())


class SummarySerializer(serializers.Serializer[dict[str, Any]]):
    """The summary answer."""

    success = serializers.BooleanField()
    # The metaclass takes the field out of the class, so the property of this name stays.
    data = SummaryDataSerializer()  # type: ignore[assignment]
    generated_at = serializers.DateTimeField()


class TestResultSerializer(serializers.Serializer[dict[str, Any]]):
    """What a connection test found; `success` is whether it works."""

    success = serializers.BooleanField()
    message = serializers.CharField()
    milliseconds = serializers.IntegerField()
    status = serializers.ChoiceField(choices=RowStatus.choices)


class FindingSerializer(serializers.Serializer[dict[str, Any]]):
    """What a check found about one field."""

    level = serializers.ChoiceField(choices=[level.value for level in Level])
    field = serializers.CharField()
    reason = serializers.CharField()
    action = serializers.CharField(help_text="What to do; empty where nothing has to be done.")


class CheckedSerializer(serializers.Serializer[dict[str, Any]]):
    """What a check of a configuration found; `success` is whether no error is among it."""

    success = serializers.BooleanField()
    message = serializers.CharField()
    findings = FindingSerializer(many=True)


class ErrorDetailSerializer(serializers.Serializer[dict[str, Any]]):
    """What went wrong, for people and, by `code`, for programs."""

    type = serializers.CharField()
    detail = serializers.JSONField(help_text="A sentence, or errors by field.")
    code = serializers.CharField(required=False, help_text="A stable word.")
    field = serializers.CharField(required=False, help_text="The field that is to blame.")
    help = serializers.CharField(required=False, help_text="Where cause and cure are written.")


class ErrorSerializer(serializers.Serializer[dict[str, Any]]):
    """Every answer that is no success."""

    success = serializers.BooleanField(default=False)
    error = ErrorDetailSerializer()
