"""Expected payments, matching and C2B as the API tells them and takes them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from integrations.api.bodies import StrictSerializer
from integrations.models import (
    Allotment,
    AllotmentStatus,
    ExpectedPayment,
    RegistrationState,
)


class ExpectedPaymentSerializer(serializers.ModelSerializer[ExpectedPayment]):
    """An expectation as it stands now."""

    expectation_id = serializers.UUIDField(source="public_id")
    outstanding = serializers.DecimalField(
        max_digits=14, decimal_places=2, help_text="Negative for what came too much."
    )

    class Meta:
        model = ExpectedPayment
        fields = [
            "expectation_id", "reference", "amount", "currency", "received", "outstanding",
            "state", "phone", "description", "environment", "business", "expires_at",
            "idempotency_key", "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = fields


class ReceiptSerializer(serializers.ModelSerializer[Allotment]):
    """A receipt and its place. `reference` is as the payer typed it: show it as text only."""

    payment_id = serializers.UUIDField(source="payment.public_id")
    receipt = serializers.CharField(source="payment.receipt", allow_null=True)
    amount = serializers.DecimalField(source="payment.amount", max_digits=14, decimal_places=2)
    currency = serializers.CharField(source="payment.currency")
    reference = serializers.CharField(source="payment.account_reference")
    party = serializers.CharField(source="payment.party", help_text="Masked or hashed.")
    party_name = serializers.CharField(source="payment.party_name")
    paid_at = serializers.DateTimeField(source="payment.paid_at", allow_null=True)
    status = serializers.ChoiceField(choices=AllotmentStatus.choices)
    how = serializers.CharField(help_text="reference, phone, hook, hand, or empty.")
    expectation_id = serializers.UUIDField(
        source="expectation.public_id", default=None, allow_null=True
    )

    class Meta:
        model = Allotment
        fields = [
            "payment_id", "receipt", "amount", "currency", "reference", "party", "party_name",
            "paid_at", "status", "how", "note", "expectation_id", "environment", "business",
            "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = fields


class ExpectSerializer(StrictSerializer[dict[str, Any]]):
    """What should be paid."""

    reference = serializers.CharField(
        max_length=64, help_text="Compared without case, spaces and dashes."
    )
    amount = serializers.DecimalField(max_digits=14, decimal_places=2, help_text="KES.")
    phone = serializers.CharField(
        max_length=30, required=False, allow_blank=True, default="",
        help_text="The payer's, if known: finds payments without a usable reference.",
    )  # fmt: skip
    description = serializers.CharField(
        max_length=200, required=False, allow_blank=True, default=""
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    business = serializers.CharField(
        max_length=64, allow_blank=True, required=False,
        help_text="Left out: the installation, or the caller's only business.",
    )  # fmt: skip


class MatchSerializer(StrictSerializer[dict[str, Any]]):
    """Where a receipt belongs: an expectation, or on account with a note."""

    expectation_id = serializers.UUIDField(required=False, allow_null=True, default=None)
    note = serializers.CharField(
        max_length=300, required=False, allow_blank=True, default="",
        help_text="Without an expectation: why it is left on account.",
    )  # fmt: skip

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One of the two."""
        if bool(attrs.get("expectation_id")) == bool(attrs.get("note")):
            raise serializers.ValidationError("Give an expectation_id, or a note.")
        return attrs


class AccountChoiceSerializer(StrictSerializer[dict[str, Any]]):
    """Which of a business's M-Pesa accounts is meant."""

    business = serializers.CharField(max_length=64, allow_blank=True, required=False)
    short_code = serializers.CharField(
        max_length=20, allow_blank=True, required=False, default="",
        help_text="Left out: the main account.",
    )  # fmt: skip


class SimulateSerializer(AccountChoiceSerializer):
    """A payer whom the sandbox plays."""

    phone = serializers.CharField(max_length=30)
    amount = serializers.DecimalField(max_digits=14, decimal_places=2)
    bill_ref = serializers.CharField(max_length=20, required=False, allow_blank=True, default="")


class RegisteredSerializer(serializers.Serializer[dict[str, Any]]):
    """What became of a registration. The addresses are secret and not told here."""

    success = serializers.BooleanField()
    registration_id = serializers.CharField()
    state = serializers.ChoiceField(choices=RegistrationState.choices)
    short_code = serializers.CharField()
    version = serializers.CharField()
    message = serializers.CharField(help_text="For people.")


class SimulatedSerializer(serializers.Serializer[dict[str, Any]]):
    """The sandbox took it; the payment comes by confirmation."""

    success = serializers.BooleanField()
    message = serializers.CharField()
