"""Questions to M-Pesa and balances as the API tells them and takes them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from integrations.api.bodies import StrictSerializer
from integrations.api.serializers import ErrorDetailSerializer
from integrations.models import AccountBalance, MpesaQuery, QueryKind, QueryState


class BalanceSerializer(serializers.ModelSerializer[AccountBalance]):
    """One account as M-Pesa told it. Amounts may be negative, and null where it told none."""

    is_low = serializers.SerializerMethodField(help_text="Below the limit of the settings.")
    query_id = serializers.UUIDField(
        source="query.public_id", default=None, allow_null=True, read_only=True,
        help_text="The question whose answer it is; null once that was deleted by its age.",
    )  # fmt: skip

    class Meta:
        model = AccountBalance
        fields = [
            "business", "environment", "short_code", "account", "currency", "available",
            "current", "reserved", "uncleared", "as_of", "is_latest", "is_low", "low_since",
            "query_id",
        ]  # fmt: skip
        read_only_fields = fields

    def get_is_low(self, balance: AccountBalance) -> bool:
        """Whether the alarm stands for it."""
        return balance.low_since is not None


class _AccountSerializer(StrictSerializer[dict[str, Any]]):
    """Which account is asked about."""

    business = serializers.CharField(
        max_length=64, allow_blank=True, required=False,
        help_text="Whose settings are used. Left out: the installation, or the caller's only "
        "business.",
    )  # fmt: skip
    short_code = serializers.CharField(
        max_length=20, allow_blank=True, required=False, default="",
        help_text="Left out: the main account of the settings.",
    )  # fmt: skip


class AskBalanceSerializer(_AccountSerializer):
    """An account whose balances are wanted."""


class AskStatusSerializer(_AccountSerializer):
    """A transaction: its receipt, or the id that it was sent under."""

    receipt = serializers.CharField(max_length=40, required=False, allow_blank=True, default="")
    originator_id = serializers.CharField(
        max_length=100, required=False, allow_blank=True, default="",
        help_text="OriginatorConversationID, for what has no receipt.",
    )  # fmt: skip


class QuerySerializer(serializers.Serializer[MpesaQuery]):
    """How a question stands. Its answer comes later: read it by `query_id`."""

    query_id = serializers.UUIDField(source="public_id")
    success = serializers.SerializerMethodField(help_text="Not refused, and not given up.")
    kind = serializers.ChoiceField(choices=QueryKind.choices)
    state = serializers.ChoiceField(
        choices=QueryState.choices,
        help_text="waiting and sent: ask again later; the others are final, except that an "
        "answer may still come late.",
    )
    business = serializers.CharField()
    environment = serializers.CharField()
    short_code = serializers.CharField()
    receipt = serializers.CharField()
    originator_id = serializers.CharField(source="asked_originator_id")
    payment_id = serializers.UUIDField(
        source="payment.public_id", default=None, allow_null=True,
        help_text="The payment that it is about, if any.",
    )  # fmt: skip
    try_number = serializers.IntegerField(help_text="How often it was asked by now.")
    result_code = serializers.CharField()
    message = serializers.CharField(help_text="For people.")
    answer = serializers.JSONField(help_text="Empty before there is one; money as text.")
    created_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True)
    answered_at = serializers.DateTimeField(allow_null=True)

    def get_success(self, query: MpesaQuery) -> bool:
        """Whether there is an answer, or one may be expected."""
        return query.state in (QueryState.WAITING, QueryState.SENT, QueryState.ANSWERED)


@extend_schema_serializer(component_name="QueryRefused")
class QueryRefusedSerializer(QuerySerializer):
    """The question was stored, and M-Pesa or the settings refused it."""

    error = ErrorDetailSerializer()
