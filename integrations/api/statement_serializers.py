"""Statements as the API tells and takes them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from integrations.api.serializers import ErrorSerializer
from integrations.models import StatementItem, StatementRun


class TotalSerializer(serializers.Serializer[dict[str, Any]]):
    """How many, and what they move together."""

    count = serializers.IntegerField()
    sum = serializers.CharField(help_text='Text with two decimals, such as `"1000.00"`.')


class TotalsSerializer(serializers.Serializer[dict[str, Any]]):
    """By finding; what there is none of is left out. Charges belong to their payments."""

    matched = TotalSerializer(required=False)
    missing_here = TotalSerializer(required=False)
    missing_there = TotalSerializer(required=False)
    amount_differs = TotalSerializer(required=False)
    state_differs = TotalSerializer(required=False)
    charges = TotalSerializer(required=False)


class StatementSerializer(serializers.ModelSerializer[StatementRun]):
    """One comparison as it stands."""

    statement_id = serializers.UUIDField(source="public_id", read_only=True)
    totals = TotalsSerializer(read_only=True)

    class Meta:
        model = StatementRun
        fields = [
            "statement_id", "state", "source", "business", "environment", "short_code", "account",
            "period_from", "period_to", "is_complete", "lines", "new_lines", "settled", "totals",
            "file_name", "error", "created_at", "finished_at",
        ]  # fmt: skip
        read_only_fields = fields


class ItemSerializer(serializers.ModelSerializer[StatementItem]):
    """What a statement tells of one payment, one line, or both."""

    item_id = serializers.IntegerField(source="id", read_only=True)
    payment_id = serializers.UUIDField(source="payment.public_id", read_only=True, allow_null=True)
    at = serializers.DateTimeField(source="line.at", read_only=True, allow_null=True)
    reference = serializers.CharField(source="line.reference", read_only=True, allow_null=True)
    party = serializers.CharField(source="line.party", read_only=True, allow_null=True)

    class Meta:
        model = StatementItem
        fields = [
            "item_id", "finding", "receipt", "direction", "our_amount", "their_amount",
            "currency", "payment_id", "at", "reference", "party", "text", "is_settled", "is_open",
            "resolved_at", "note",
        ]  # fmt: skip
        read_only_fields = fields

    def to_representation(self, instance: StatementItem) -> dict[str, Any]:
        """With empty values where there is no line or no payment."""
        shown: dict[str, Any] = super().to_representation(instance)
        for name in ("payment_id", "at", "reference", "party"):
            shown.setdefault(name, None)
        return shown


class UploadSerializer(serializers.Serializer[dict[str, Any]]):
    """A statement file and whose it is."""

    file = serializers.FileField(help_text="The CSV export of the organisation portal.")
    business = serializers.CharField(
        max_length=64, allow_blank=True, required=False,
        help_text="Left out: the installation, or the caller's only business.",
    )  # fmt: skip
    short_code = serializers.CharField(
        max_length=20, allow_blank=True, required=False, help_text="Left out: the main account."
    )


class StatementFaultSerializer(serializers.Serializer[dict[str, Any]]):
    """A line that can't be read."""

    line = serializers.IntegerField()
    reason = serializers.CharField()


class BadStatementSerializer(ErrorSerializer):
    """The file was refused; `faults` names its bad lines, a hundred at most."""

    faults = StatementFaultSerializer(many=True, required=False)
