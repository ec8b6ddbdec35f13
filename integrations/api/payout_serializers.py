"""Money out as the API takes it, and what became of it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from integrations.api.bodies import StrictSerializer
from integrations.api.serializers import ErrorDetailSerializer
from integrations.models import PaymentState
from integrations.providers.mpesa.payloads import PayoutCommand

COMMANDS = [(command.value, command.value) for command in PayoutCommand]


def business_field() -> serializers.CharField:
    """Whose account it is."""
    return serializers.CharField(
        max_length=64, allow_blank=True, required=False,
        help_text="Whose settings are used. Left out: the installation, or the caller's only "
        "business.",
    )  # fmt: skip


def key_field() -> serializers.CharField:
    """A key in the body."""
    return serializers.CharField(
        max_length=128, required=False, help_text="As the header Idempotency-Key."
    )


class PayoutSerializer(StrictSerializer[dict[str, Any]]):
    """A phone to be paid. M-Pesa's own rules are checked after these."""

    phone = serializers.CharField(
        max_length=30, help_text="A Kenyan mobile in any usual spelling, such as 0712345678."
    )
    amount = serializers.DecimalField(
        max_digits=14, decimal_places=2, help_text="Whole KES, as text or number."
    )
    reference = serializers.CharField(
        max_length=64, help_text="What it is for; it stays here and does not go to M-Pesa."
    )
    command = serializers.ChoiceField(
        choices=COMMANDS, default=PayoutCommand.BUSINESS.value,
        help_text="What M-Pesa takes it for: it decides about charges and the payee's message.",
    )  # fmt: skip
    remarks = serializers.CharField(
        max_length=100, min_length=2, default="Payout", help_text="Goes to M-Pesa."
    )
    occasion = serializers.CharField(
        max_length=100, allow_blank=True, default="", help_text="Goes to M-Pesa."
    )
    short_code = serializers.CharField(
        max_length=20, allow_blank=True, required=False,
        help_text="Which of the business's accounts pays. Left out: its main one.",
    )  # fmt: skip
    business = business_field()
    idempotency_key = key_field()


class ReversalSerializer(StrictSerializer[dict[str, Any]]):
    """How much of a payment goes back, and why."""

    amount = serializers.DecimalField(
        max_digits=14, decimal_places=2, required=False, allow_null=True,
        help_text="Whole KES. Left out: all that is left of it.",
    )  # fmt: skip
    remarks = serializers.CharField(max_length=100, min_length=2, help_text="Goes to M-Pesa.")
    idempotency_key = key_field()


class SentSerializer(serializers.Serializer[dict[str, Any]]):
    """What became of a payout or reversal. `success` means taken or waiting, never "paid"."""

    success = serializers.BooleanField()
    payment_id = serializers.CharField()
    state = serializers.ChoiceField(choices=PaymentState.choices)
    originator_id = serializers.CharField(help_text="By which M-Pesa can be asked about it.")
    conversation_id = serializers.CharField(help_text="M-Pesa's id of the request.")
    receipt = serializers.CharField(help_text="Empty until M-Pesa told the result.")
    message = serializers.CharField(help_text="For people.")
    code = serializers.CharField(help_text="The provider's or our code of a failure.")
    retry_safe = serializers.BooleanField(
        help_text="No money moved for certain: it may be tried again, under a new key."
    )
    repeated = serializers.BooleanField(help_text="The key was known; nothing was sent.")


@extend_schema_serializer(component_name="SendingFailed")
class SendingFailedSerializer(SentSerializer):
    """It was stored and has failed: the provider refused, or can't be reached."""

    error = ErrorDetailSerializer()
