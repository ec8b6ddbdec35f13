"""Webhook endpoints as the API tells them and takes them. Secrets go in and never come out."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from integrations.api.bodies import StrictSerializer
from integrations.api.fields import SecretField
from integrations.api.settings_serializer import PreviewField
from integrations.exceptions import ConfigurationError, DecryptionError, InvalidInput
from integrations.models import SigningKind, WebhookEndpoint, WebhookLane
from integrations.webhooks.endpoints import read_headers

KEPT = "Left out: kept. Empty: cleared."
SHOWN_ONCE = "The signing secret. It is shown in this answer and never again."
LONGEST_PEM = 65_536


class StandingSerializer(serializers.ModelSerializer[WebhookLane]):
    """How an endpoint fares."""

    class Meta:
        model = WebhookLane
        fields = [
            "consecutive_failures", "failing_since", "warned_at", "open_until",
            "cool_down_until", "last_attempt_at", "last_success_at", "last_status", "last_error",
        ]  # fmt: skip
        read_only_fields = fields


class EndpointSerializer(
    StrictSerializer[WebhookEndpoint], serializers.ModelSerializer[WebhookEndpoint]
):
    """An endpoint. What may be written is checked by `integrations.webhooks.endpoints`."""

    url = serializers.CharField(max_length=500, help_text="https, on a public address.")
    business = serializers.CharField(
        max_length=64, allow_blank=True, required=False,
        help_text="Whose events it gets. Left out: the installation, or the caller's only "
        "business. It can't be changed.",
    )  # fmt: skip
    every_business = serializers.BooleanField(
        required=False, help_text="Events of all businesses. It can't be changed."
    )
    event_types = serializers.ListField(
        child=serializers.CharField(max_length=100), max_length=100, required=False,
        help_text="Names, or patterns such as payment.*; empty for all.",
    )  # fmt: skip
    secret = SecretField(
        max_length=200,
        help_text="Left out: made, and shown once. In a change: replaced, and the former one "
        "signs beside it for a day.",
    )
    static_headers = serializers.DictField(
        child=serializers.CharField(max_length=4096), required=False, write_only=True,
        help_text="Sent with every event. Values are secrets, so only the names are shown. "
        "Left out: kept. {}: cleared.",
    )  # fmt: skip
    password = SecretField(help_text=f"Where auth is basic. {KEPT}", max_length=1000)
    client_secret = SecretField(help_text=f"Where auth is oauth2. {KEPT}", max_length=1000)
    client_key = SecretField(help_text=f"PEM, without a passphrase. {KEPT}", max_length=LONGEST_PEM)
    token_url = serializers.CharField(max_length=500, allow_blank=True, required=False)
    client_certificate = serializers.CharField(
        max_length=LONGEST_PEM, allow_blank=True, required=False, help_text="PEM."
    )
    secret_preview = PreviewField(source="secret")
    password_preview = PreviewField(source="password")
    client_secret_preview = PreviewField(source="client_secret")
    client_key_preview = PreviewField(source="client_key")
    static_header_names = serializers.SerializerMethodField()
    standing = serializers.SerializerMethodField(help_text="null before anything was sent.")

    class Meta:
        model = WebhookEndpoint
        fields = [
            "id", "name", "url", "is_active", "business", "every_business", "event_types",
            "body_format", "is_asymmetric", "public_key", "secret", "secret_preview",
            "static_headers", "static_header_names", "auth", "username", "password",
            "password_preview", "token_url", "client_id", "client_secret",
            "client_secret_preview", "token_scope", "client_certificate", "client_key",
            "client_key_preview", "timeout_seconds", "max_concurrency", "rate_per_second",
            "is_ordered", "is_paused", "paused_at", "disabled_at", "disabled_reason", "standing",
            "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = [
            "id", "public_key", "paused_at", "disabled_at", "disabled_reason", "created_at",
            "updated_at",
        ]  # fmt: skip
        extra_kwargs = {
            "timeout_seconds": {
                "min_value": 1, "max_value": 30, "help_text": "Of a whole request: 1 to 30.",
            },
            "max_concurrency": {
                "min_value": 1, "max_value": 100, "help_text": "Requests at a time: 1 to 100.",
            },
            "rate_per_second": {
                "max_value": 10_000, "help_text": "Requests a second at most; null for no limit.",
            },
        }  # fmt: skip

    def get_static_header_names(self, row: WebhookEndpoint) -> list[str]:
        """The names alone; none where they can't be read."""
        try:
            return sorted(read_headers(row.static_headers.reveal()))
        except (ConfigurationError, DecryptionError, InvalidInput):
            return []

    @extend_schema_field(StandingSerializer(allow_null=True))
    def get_standing(self, row: WebhookEndpoint) -> dict[str, Any] | None:
        """From its lane."""
        lane = getattr(row, "lane", None)
        return None if lane is None else dict(StandingSerializer(lane).data)


class SavedEndpointSerializer(EndpointSerializer):
    """An endpoint after a change. `warnings` tell what may need somebody although it is saved."""

    warnings = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta(EndpointSerializer.Meta):
        fields = [*EndpointSerializer.Meta.fields, "warnings"]


class CreatedEndpointSerializer(SavedEndpointSerializer):
    """A new endpoint with its signing secret."""

    secret = serializers.CharField(  # type: ignore[assignment]
        read_only=True, allow_null=True,
        help_text=f"{SHOWN_ONCE} null where you gave one, and where a repeated Idempotency-Key is "
        "answered.",
    )  # fmt: skip


class SwitchedSerializer(serializers.Serializer[dict[str, Any]]):
    """An endpoint after it was paused, resumed, enabled or disabled."""

    success = serializers.BooleanField()
    endpoint = EndpointSerializer()
    warnings = serializers.ListField(child=serializers.CharField())


class RotateSerializer(StrictSerializer[dict[str, Any]]):
    """Which key is replaced, and how long the former one signs beside it."""

    kind = serializers.ChoiceField(
        choices=SigningKind.choices, required=False, default=SigningKind.SYMMETRIC
    )
    overlap_hours = serializers.FloatField(
        required=False, default=24.0, min_value=0, max_value=720,
        help_text="0 for a secret that leaked: the former ones end at once.",
    )  # fmt: skip


class RotatedSerializer(serializers.Serializer[dict[str, Any]]):
    """A replaced key."""

    success = serializers.BooleanField()
    kind = serializers.ChoiceField(choices=SigningKind.choices)
    secret = serializers.CharField(
        allow_null=True,
        help_text=f"{SHOWN_ONCE} null where a repeated Idempotency-Key is answered, and for v1a, "
        "of which receivers need the public key alone.",
    )
    public_key = serializers.CharField(allow_blank=True)
    former_until = serializers.DateTimeField(
        allow_null=True, help_text="When the former one signs for the last time."
    )
