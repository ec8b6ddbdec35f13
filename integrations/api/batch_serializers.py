"""Payout files as the API takes and tells them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from integrations.api.bodies import StrictSerializer
from integrations.api.payout_serializers import COMMANDS, business_field, key_field
from integrations.api.serializers import ErrorDetailSerializer
from integrations.models import BatchState, PaymentState, PayoutBatch
from integrations.payments.batches.open import CONFIRMABLE
from integrations.payments.batches.run import progress
from integrations.providers.mpesa.payloads import PayoutCommand


class ShareSerializer(serializers.Serializer[dict[str, Any]]):
    """How many of a file's payouts are in one state."""

    state = serializers.ChoiceField(choices=PaymentState.choices)
    count = serializers.IntegerField()
    total = serializers.DecimalField(max_digits=16, decimal_places=2)


class PayoutBatchSerializer(serializers.ModelSerializer[PayoutBatch]):
    """A payout file as it stands now."""

    batch_id = serializers.UUIDField(source="public_id")
    requested_by = serializers.CharField(source="requested_by_name")
    retry_of = serializers.UUIDField(source="retry_of.public_id", allow_null=True, default=None)

    class Meta:
        model = PayoutBatch
        fields = [
            "batch_id", "name", "state", "message", "environment", "business", "short_code",
            "command", "count", "total", "currency", "requested_by", "retry_of",
            "idempotency_key", "created_at", "ended_at",
        ]  # fmt: skip
        read_only_fields = fields


class PayoutBatchDetailSerializer(PayoutBatchSerializer):
    """A payout file and how far its rows are."""

    progress = serializers.SerializerMethodField()

    class Meta(PayoutBatchSerializer.Meta):
        fields = [*PayoutBatchSerializer.Meta.fields, "progress"]
        read_only_fields = fields

    @extend_schema_field(ShareSerializer(many=True))
    def get_progress(self, batch: PayoutBatch) -> list[dict[str, Any]]:
        """By state; states without rows are left out."""
        found = progress(batch)
        return [
            {"state": state, "count": found[state][0], "total": f"{found[state][1]:.2f}"}
            for state in PaymentState.values
            if state in found
        ]


class GiveFileSerializer(StrictSerializer[dict[str, Any]]):
    """A file of payouts. Every row is checked before anything is stored."""

    csv = serializers.CharField(
        trim_whitespace=False, max_length=2_600_000,
        help_text="The file's text. The first line names the columns: phone, amount, reference, "
        "and if wanted remarks and name.",
    )  # fmt: skip
    name = serializers.CharField(max_length=100, allow_blank=True, default="")
    command = serializers.ChoiceField(choices=COMMANDS, default=PayoutCommand.BUSINESS.value)
    remarks = serializers.CharField(
        max_length=100, min_length=2, default="Payout",
        help_text="Goes to M-Pesa, for rows without remarks of their own.",
    )  # fmt: skip
    occasion = serializers.CharField(max_length=100, allow_blank=True, default="")
    short_code = serializers.CharField(max_length=20, allow_blank=True, required=False)
    business = business_field()
    confirm = serializers.ListField(
        child=serializers.ChoiceField(choices=[(name, name) for name in CONFIRMABLE]),
        default=list,
        help_text="What was pointed out, and looked at.",
    )
    idempotency_key = key_field()


class GivenSerializer(serializers.Serializer[dict[str, Any]]):
    """What became of a file. `success` means stored: it goes out, or waits for approval."""

    success = serializers.BooleanField()
    batch_id = serializers.CharField()
    state = serializers.ChoiceField(choices=BatchState.choices)
    count = serializers.IntegerField()
    total = serializers.DecimalField(max_digits=16, decimal_places=2)
    currency = serializers.CharField()
    message = serializers.CharField()
    repeated = serializers.BooleanField(help_text="The key was known; nothing was stored.")


class BatchFaultSerializer(serializers.Serializer[dict[str, Any]]):
    """What is wrong with one field of one line."""

    line = serializers.IntegerField()
    field = serializers.CharField()
    reason = serializers.CharField()


class BatchFindingSerializer(serializers.Serializer[dict[str, Any]]):
    """What has to be looked at and confirmed."""

    name = serializers.CharField()
    text = serializers.CharField()


@extend_schema_serializer(component_name="PayoutFileRefused")
class FileRefusedSerializer(serializers.Serializer[dict[str, Any]]):
    """Nothing was stored, and why: each fault, or what has to be confirmed."""

    success = serializers.BooleanField()
    error = ErrorDetailSerializer()
    errors: Any = BatchFaultSerializer(many=True, required=False)
    error_count = serializers.IntegerField(required=False)
    findings = BatchFindingSerializer(many=True, required=False)


class BatchMovedSerializer(serializers.Serializer[dict[str, Any]]):
    """The file after the change; for a retry the new one."""

    success = serializers.BooleanField()
    batch = PayoutBatchDetailSerializer()
