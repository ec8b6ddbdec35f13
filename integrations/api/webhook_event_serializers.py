"""Deliveries, their attempts and replays as the API tells them and takes them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from integrations.api.bodies import StrictSerializer
from integrations.models import (
    DeliveryStatus,
    ReplayState,
    WebhookAttempt,
    WebhookEndpoint,
    WebhookEvent,
    WebhookReplay,
)


class EventEndpointSerializer(serializers.ModelSerializer[WebhookEndpoint]):
    """The endpoint of a delivery, in short."""

    class Meta:
        model = WebhookEndpoint
        fields = ["id", "name", "url", "is_active", "business", "created_at", "updated_at"]
        read_only_fields = fields


class EventSerializer(serializers.ModelSerializer[WebhookEvent]):
    """One event on its way to one endpoint."""

    endpoint = EventEndpointSerializer()
    message_id = serializers.CharField(
        source="message.message_id", help_text="The `webhook-id` that the receiver sees."
    )
    event_id = serializers.UUIDField(source="message.event_id")
    version = serializers.IntegerField(source="message.version")
    business = serializers.CharField(source="message.business")
    payload = serializers.JSONField(
        source="message.payload", allow_null=True, help_text="null once retention has dropped it."
    )
    occurred_at = serializers.DateTimeField(source="message.occurred_at")
    status = serializers.ChoiceField(choices=DeliveryStatus.choices)
    next_attempt_at = serializers.DateTimeField(
        allow_null=True, help_text="null where nothing will be tried by itself."
    )

    class Meta:
        model = WebhookEvent
        fields = [
            "id", "endpoint", "event_type", "payload", "status", "attempts", "last_error",
            "created_at", "updated_at", "delivered_at", "next_attempt_at", "is_manual",
            "message_id", "event_id", "version", "business", "occurred_at",
        ]  # fmt: skip
        read_only_fields = fields


class PublishSerializer(StrictSerializer[dict[str, Any]]):
    """An event for one endpoint."""

    endpoint_id = serializers.IntegerField(min_value=1)
    event_type = serializers.CharField(
        max_length=100, help_text="Dotted, such as order.shipped; the hub's own are refused."
    )
    payload = serializers.DictField(help_text="Sent as it is. No secrets.")


class AttemptSerializer(serializers.ModelSerializer[WebhookAttempt]):
    """One try. Secrets in headers are masked."""

    class Meta:
        model = WebhookAttempt
        fields = [
            "id", "event", "number", "trigger", "outcome", "started_at", "duration_ms",
            "status_code", "error", "request_headers", "response_headers", "response_body",
            "response_bytes",
        ]  # fmt: skip
        read_only_fields = fields
        extra_kwargs = {
            "response_body": {"help_text": "As text, 64 KiB at most. Show it as text only."},
            "response_bytes": {"help_text": "How many came in."},
        }


class BriefAttemptSerializer(AttemptSerializer):
    """One try, without what was sent and answered."""

    class Meta(AttemptSerializer.Meta):
        fields = [
            "id", "event", "number", "trigger", "outcome", "started_at", "duration_ms",
            "status_code", "error",
        ]  # fmt: skip
        read_only_fields = fields
        extra_kwargs = {}


class TestedSerializer(serializers.Serializer[dict[str, Any]]):
    """What a test found; `success` is whether the endpoint took it."""

    success = serializers.BooleanField()
    message = serializers.CharField()
    milliseconds = serializers.IntegerField()
    attempt = AttemptSerializer()


class DeliverSerializer(serializers.Serializer[dict[str, Any]]):
    """The wish to deliver again; `success` is whether one more try will be made."""

    success = serializers.BooleanField()
    message = serializers.CharField()
    job_id = serializers.CharField()


class ReplayWishSerializer(StrictSerializer[dict[str, Any]]):
    """Which deliveries are made again. Ask with `dry_run`, then repeat with what was answered."""

    endpoint_id = serializers.IntegerField(
        min_value=1, required=False, allow_null=True, default=None,
        help_text="Left out: all endpoints of the business.",
    )  # fmt: skip
    business = serializers.CharField(
        max_length=64, allow_blank=True, required=False,
        help_text="Without an endpoint. Left out: the installation, or the caller's only business.",
    )  # fmt: skip
    status = serializers.ChoiceField(
        choices=DeliveryStatus.choices, allow_blank=True, required=False,
        default=DeliveryStatus.FAILED, help_text="Empty for every status.",
    )  # fmt: skip
    event_type = serializers.CharField(
        max_length=100, allow_blank=True, required=False, default="",
        help_text="A name, or a pattern such as payment.*.",
    )  # fmt: skip
    since = serializers.DateTimeField(required=False, allow_null=True, default=None)
    until = serializers.DateTimeField(
        required=False, help_text="Left out: now. Send what the dry run answered."
    )
    includes_missed = serializers.BooleanField(
        required=False, default=False,
        help_text="Also what the endpoint never got, because it was switched off by hand or its "
        "event types were others.",
    )  # fmt: skip
    rate_per_second = serializers.FloatField(
        required=False, default=50.0, min_value=0.1, max_value=1000
    )
    dry_run = serializers.BooleanField(required=False, default=False)
    expected_count = serializers.IntegerField(
        min_value=1, required=False, allow_null=True, default=None,
        help_text="The count of the dry run; another one is refused.",
    )  # fmt: skip


class ReplaySerializer(serializers.ModelSerializer[WebhookReplay]):
    """A replay as it stands."""

    replay_id = serializers.UUIDField(source="public_id")
    endpoint_id = serializers.IntegerField(allow_null=True)
    state = serializers.ChoiceField(choices=ReplayState.choices)
    filters = serializers.DictField()

    class Meta:
        model = WebhookReplay
        fields = [
            "replay_id", "endpoint_id", "business", "filters", "includes_missed",
            "rate_per_second", "state", "total", "done", "requested_by_name", "created_at",
            "finished_at",
        ]  # fmt: skip
        read_only_fields = fields


class ReplayedSerializer(serializers.Serializer[dict[str, Any]]):
    """The count that a dry run found, or the replay that was started."""

    success = serializers.BooleanField()
    count = serializers.IntegerField()
    until = serializers.DateTimeField(help_text="Send it with the count.")
    replay = ReplaySerializer(allow_null=True)


class ReplayCountSerializer(serializers.Serializer[dict[str, Any]]):
    """The refusal of a replay whose count has changed."""

    success = serializers.BooleanField(default=False)
    error = serializers.DictField()
    count = serializers.IntegerField(required=False, help_text="The present one.")


class EventTypeSerializer(serializers.Serializer[Any]):
    """An event type of the catalogue."""

    name = serializers.CharField()
    version = serializers.IntegerField()
    summary = serializers.CharField()
    group = serializers.CharField()
    schema = serializers.DictField(help_text="JSON Schema 2020-12 of the payload.")
    example = serializers.DictField()


class StuckSerializer(serializers.Serializer[Any]):
    """An endpoint for which something waits."""

    endpoint = EventEndpointSerializer()
    waiting = serializers.IntegerField()
    is_more = serializers.BooleanField(help_text="Whether more wait than are counted.")
    since = serializers.DateTimeField(allow_null=True)
    kind = serializers.CharField(help_text="A stable word for the cause.")
    why = serializers.CharField()
    remedy = serializers.CharField()


class RecentSerializer(serializers.Serializer[Any]):
    """Attempts of the last quarter of an hour."""

    delivered = serializers.IntegerField()
    failed = serializers.IntegerField()
    is_more = serializers.BooleanField()


class WebhookStatusSerializer(serializers.Serializer[Any]):
    """What is stuck, since when, why, and what to do."""

    rows = StuckSerializer(many=True)
    waiting = serializers.IntegerField()
    waiting_is_more = serializers.BooleanField()
    oldest = serializers.DateTimeField(allow_null=True)
    dead = serializers.IntegerField(help_text="Dead letters: given up.")
    dead_is_more = serializers.BooleanField()
    recent = RecentSerializer()
    endpoints = serializers.DictField(child=serializers.IntegerField())
