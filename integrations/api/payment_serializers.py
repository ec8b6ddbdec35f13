"""Payments as the API tells them and takes them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from integrations.api.bodies import StrictSerializer
from integrations.api.serializers import ErrorDetailSerializer
from integrations.models import Payment, PaymentEvent, PaymentState
from integrations.payments.states import is_retry_safe


class PaymentSerializer(serializers.ModelSerializer[Payment]):
    """A payment as it stands now."""

    payment_id = serializers.UUIDField(source="public_id")
    # Plain text in the schema: generated clients would refuse the empty one of a choice.
    finding = serializers.CharField(
        read_only=True, help_text="What a person found out: paid, not_paid, or empty."
    )
    original = serializers.UUIDField(
        source="original.public_id", read_only=True, allow_null=True, default=None,
        help_text="Of a reversal: the payment whose money it gives back.",
    )  # fmt: skip
    needs_attention = serializers.SerializerMethodField(help_text="A person has to look.")
    retry_safe = serializers.SerializerMethodField(
        help_text="It ended unpaid for certain: another one may be started in its place."
    )

    class Meta:
        model = Payment
        fields = [
            "payment_id", "state", "environment", "business", "provider", "product", "direction",
            "amount", "currency", "phone", "party", "party_name", "account_reference",
            "description", "occasion", "transaction_type", "short_code", "checkout_id",
            "merchant_request_id", "originator_id", "conversation_id", "receipt", "charge",
            "original", "result_code",
            "result_text", "message", "needs_attention", "attention", "finding", "retry_safe",
            "idempotency_key", "created_at", "updated_at", "sent_at", "completed_at",
            "paid_at",
        ]  # fmt: skip
        read_only_fields = fields

    def get_needs_attention(self, payment: Payment) -> bool:
        """Whether `attention` names a reason."""
        return bool(payment.attention)

    def get_retry_safe(self, payment: Payment) -> bool:
        """With an open question about it, what looks unpaid may have been paid."""
        return is_retry_safe(payment)


class PaymentEventSerializer(serializers.ModelSerializer[PaymentEvent]):
    """One thing that happened to a payment."""

    class Meta:
        model = PaymentEvent
        fields = ["at", "kind", "from_state", "to_state", "text", "data"]
        read_only_fields = fields


class PaymentDetailSerializer(PaymentSerializer):
    """A payment with what was given back of it, and its history, oldest first."""

    reversed_amount = serializers.DecimalField(
        max_digits=14, decimal_places=2, read_only=True, help_text="Given back for certain."
    )
    net_amount = serializers.DecimalField(
        max_digits=14, decimal_places=2, read_only=True, help_text="What is left."
    )
    events = PaymentEventSerializer(many=True)

    class Meta(PaymentSerializer.Meta):
        fields = [*PaymentSerializer.Meta.fields, "reversed_amount", "net_amount", "events"]
        read_only_fields = fields


class PushSerializer(StrictSerializer[dict[str, Any]]):
    """A payer to be prompted. M-Pesa's own rules are checked after these."""

    phone = serializers.CharField(
        max_length=30, help_text="A Kenyan mobile in any usual spelling, such as 0712345678."
    )
    amount = serializers.DecimalField(
        max_digits=14, decimal_places=2, help_text="Whole KES, as text or number."
    )
    account_reference = serializers.CharField(
        max_length=64, help_text="What the payer sees as account; at most 12 characters."
    )
    description = serializers.CharField(
        max_length=200, default="Payment", help_text="At most 13 characters."
    )
    business = serializers.CharField(
        max_length=64, allow_blank=True, required=False,
        help_text="Whose settings are used. Left out: the installation, or the caller's only "
        "business.",
    )  # fmt: skip
    short_code = serializers.CharField(
        max_length=20, allow_blank=True, required=False,
        help_text="Which of the business's short codes is paid. Left out: the main one.",
    )  # fmt: skip
    idempotency_key = serializers.CharField(
        max_length=128, required=False, help_text="As the header Idempotency-Key."
    )


class PushedSerializer(serializers.Serializer[dict[str, Any]]):
    """What became of a push. `success` means that the prompt is on its way, never "paid"."""

    success = serializers.BooleanField()
    payment_id = serializers.CharField(help_text="Empty where nothing could be stored.")
    state = serializers.ChoiceField(choices=PaymentState.choices)
    checkout_id = serializers.CharField(help_text="M-Pesa's id of the prompt.")
    merchant_request_id = serializers.CharField()
    message = serializers.CharField(help_text="For people.")
    code = serializers.CharField(help_text="The provider's or our code of a failure.")
    retry_safe = serializers.BooleanField(
        help_text="Nothing was sent or charged: the push may be tried again, under a new key."
    )
    repeated = serializers.BooleanField(help_text="The key was known; nothing was sent.")


@extend_schema_serializer(component_name="PushFailed")
class PushFailedSerializer(PushedSerializer):
    """The payment was stored and has failed: the provider refused, or can't be reached."""

    error = ErrorDetailSerializer()


class AskedSerializer(serializers.Serializer[dict[str, Any]]):
    """The payment after the question."""

    success = serializers.BooleanField()
    asked = serializers.BooleanField(
        help_text="Whether the provider was asked: what is settled, and what is only about to "
        "be sent, is not asked about."
    )
    message = serializers.CharField()
    payment = PaymentDetailSerializer()
