"""KRA documents and branches as the API tells them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from integrations.api.bodies import StrictSerializer
from integrations.kra.outbox.states import WAITING
from integrations.kra.receipts import control_number, qr_text
from integrations.models import KRABranch, KRAInvoice, KRAInvoiceEvent


class KRAInvoiceSerializer(serializers.ModelSerializer[KRAInvoice]):
    """A document as it stands now. Amounts are in KES."""

    invoice_id = serializers.UUIDField(source="public_id", read_only=True)
    pin = serializers.CharField(source="branch.tin", read_only=True)
    branch = serializers.CharField(source="branch.bhf_id", read_only=True)
    original = serializers.UUIDField(
        source="original.public_id", read_only=True, allow_null=True, default=None,
        help_text="Of a credit note: the invoice that it credits.",
    )  # fmt: skip
    number = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="KRA's number, from when its turn comes."
    )
    attempts = serializers.IntegerField(
        source="times_sent", read_only=True, help_text="How often it was sent to KRA."
    )
    is_final = serializers.SerializerMethodField(
        help_text="KRA has it, or needs not to, or it was rejected: nothing more happens by itself."
    )
    needs_attention = serializers.SerializerMethodField(help_text="A person has to look.")

    class Meta:
        model = KRAInvoice
        fields = [
            "invoice_id", "kind", "state", "is_final", "business", "environment", "pin", "branch",
            "trader_number", "number", "original", "issued_at", "customer_pin", "customer_name",
            "currency", "exchange_rate", "total", "tax", "taxable", "reason", "receipt_number",
            "total_receipt_number", "internal_data", "signature", "control_unit_id", "mrc_no",
            "signed_at", "result_code", "result_text", "message", "needs_attention", "attention",
            "attempts", "times_printed", "created_at", "updated_at", "sent_at", "completed_at",
        ]  # fmt: skip
        read_only_fields = fields

    def get_is_final(self, invoice: KRAInvoice) -> bool:
        """Whether it is on its way no more."""
        return invoice.state not in WAITING and invoice.state != "registered"

    def get_needs_attention(self, invoice: KRAInvoice) -> bool:
        """Whether `attention` names a reason."""
        return bool(invoice.attention)


class KRAInvoiceEventSerializer(serializers.ModelSerializer[KRAInvoiceEvent]):
    """One thing that happened to a document."""

    class Meta:
        model = KRAInvoiceEvent
        fields = ["at", "kind", "from_state", "to_state", "number", "text", "data"]
        read_only_fields = fields


class KRAInvoiceDetailSerializer(KRAInvoiceSerializer):
    """A document with what was handed in, its receipt's facts and its history, oldest first."""

    control_number = serializers.SerializerMethodField(
        help_text="As printed: the control unit's id and its receipt number; empty until signed."
    )
    qr = serializers.SerializerMethodField(help_text="What the QR code holds; empty until signed.")
    credit_notes = serializers.SerializerMethodField(help_text="Ids of those that credit it.")
    document = serializers.JSONField(read_only=True, help_text="As worked out, amounts as text.")
    events = KRAInvoiceEventSerializer(many=True, read_only=True)

    class Meta(KRAInvoiceSerializer.Meta):
        fields = [
            *KRAInvoiceSerializer.Meta.fields, "control_number", "qr", "credit_notes", "document",
            "events",
        ]  # fmt: skip
        read_only_fields = fields

    def get_control_number(self, invoice: KRAInvoice) -> str:
        """The invoice number of the control unit."""
        return control_number(invoice) if invoice.signature else ""

    def get_qr(self, invoice: KRAInvoice) -> str:
        """A link to KRA's page, or text."""
        return qr_text(invoice)

    def get_credit_notes(self, invoice: KRAInvoice) -> list[str]:
        """Oldest first."""
        rows = invoice.credit_notes.order_by("pk").values_list("public_id", flat=True)
        return [str(each) for each in rows]


@extend_schema_serializer(component_name="KRASubmitted")
class SubmittedSerializer(serializers.Serializer[dict[str, Any]]):
    """What became of a document that was handed in. `success` says that it is stored."""

    success = serializers.BooleanField()
    message = serializers.CharField(help_text="For people.")
    warnings = serializers.ListField(
        child=serializers.CharField(), help_text="What was odd, and taken all the same."
    )
    invoice = KRAInvoiceSerializer()


@extend_schema_serializer(component_name="KRASettle")
class SettleSerializer(StrictSerializer[dict[str, Any]]):
    """What a person found out at KRA about a document in doubt."""

    taken = serializers.BooleanField(help_text="Whether KRA has it under its number.")
    note = serializers.CharField(
        max_length=300, help_text="How that was found out; it stays in the history."
    )
    receipt_number = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=2**53
    )
    total_receipt_number = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=2**53
    )
    internal_data = serializers.CharField(max_length=100, required=False, allow_blank=True)
    signature = serializers.CharField(max_length=100, required=False, allow_blank=True)
    signed_at = serializers.DateTimeField(required=False, allow_null=True)


@extend_schema_serializer(component_name="KRAVerify")
class VerifySerializer(StrictSerializer[dict[str, Any]]):
    """Which documents to look at again."""

    invoice_ids = serializers.ListField(
        child=serializers.UUIDField(), min_length=1, max_length=500,
        help_text="Of the caller's businesses; one that is not refuses them all.",
    )  # fmt: skip


@extend_schema_serializer(component_name="KRAVerified")
class VerifiedSerializer(serializers.Serializer[dict[str, Any]]):
    """What looking again came to."""

    success = serializers.BooleanField()
    message = serializers.CharField()
    counts = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="How many documents: `asked` are looked up or sent soon, `queued` were rejected "
        "and go again, `left` need nothing or are being worked on, `refused` can't go again.",
    )
    refused = serializers.ListField(child=serializers.CharField(), help_text="Why, one by one.")


class KRABranchSerializer(serializers.ModelSerializer[KRABranch]):
    """A control unit: what it is, how far its book is, and why nothing is sent."""

    branch_id = serializers.IntegerField(source="pk", read_only=True)
    pin = serializers.CharField(source="tin", read_only=True)
    branch = serializers.CharField(source="bhf_id", read_only=True)
    next_number = serializers.SerializerMethodField(help_text="Of the next invoice.")
    waiting = serializers.IntegerField(
        read_only=True, help_text="Documents that KRA does not have yet."
    )
    oldest_waiting_at = serializers.DateTimeField(read_only=True, allow_null=True)
    is_held = serializers.SerializerMethodField(help_text="Nothing is sent: see `held_reason`.")
    is_alarmed = serializers.SerializerMethodField(
        help_text="Its invoices have waited too long, or it is held."
    )

    class Meta:
        model = KRABranch
        fields = [
            "branch_id", "business", "environment", "pin", "branch", "taxpayer_name",
            "branch_name", "device_state", "device_serial", "device_message", "control_unit_id",
            "mrc_no", "last_invoice_number", "next_number", "last_stock_number",
            "last_purchase_number", "waiting", "oldest_waiting_at", "last_contact_at", "is_held",
            "held_reason", "held_at", "is_alarmed", "alarmed_at",
        ]  # fmt: skip
        read_only_fields = fields

    def get_next_number(self, unit: KRABranch) -> int:
        """KRA takes them without gaps."""
        return unit.last_invoice_number + 1

    def get_is_held(self, unit: KRABranch) -> bool:
        """Whether `held_reason` names one."""
        return bool(unit.held_reason)

    def get_is_alarmed(self, unit: KRABranch) -> bool:
        """Whether people were told."""
        return unit.alarmed_at is not None


@extend_schema_serializer(component_name="KRARelease")
class ReleaseSerializer(StrictSerializer[dict[str, Any]]):
    """A person's word that a held branch may go on."""

    next_number = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=2**53,
        help_text="Of the next invoice, where KRA's book is further than ours. Left out: as it is.",
    )  # fmt: skip
    note = serializers.CharField(
        max_length=200, required=False, allow_blank=True, help_text="Why; kept in the audit trail."
    )


@extend_schema_serializer(component_name="KRAReleased")
class ReleasedSerializer(serializers.Serializer[dict[str, Any]]):
    """The branch afterwards."""

    success = serializers.BooleanField()
    released = serializers.BooleanField(help_text="Whether it was held.")
    branch = KRABranchSerializer()


@extend_schema_serializer(component_name="KRAPin")
class PinSerializer(StrictSerializer[dict[str, Any]]):
    """A PIN under either of its documented names."""

    pin = serializers.CharField(max_length=64, required=False, allow_blank=True)
    kra_pin = serializers.CharField(max_length=64, required=False, allow_blank=True)


@extend_schema_serializer(component_name="KRAPinResult")
class PinResultSerializer(serializers.Serializer[dict[str, Any]]):
    """What the form of a PIN tells; nobody is asked."""

    valid = serializers.BooleanField()
    pin = serializers.CharField()
    warning = serializers.CharField(required=False)


@extend_schema_serializer(component_name="KRAPinValid")
class PinValidSerializer(serializers.Serializer[dict[str, Any]]):
    """The documented answer."""

    success = serializers.BooleanField()
    result = PinResultSerializer()


@extend_schema_serializer(component_name="KRAInitialise")
class InitialiseSerializer(StrictSerializer[dict[str, Any]]):
    """KRA hands the communication key out once, so this is confirmed."""

    confirm = serializers.BooleanField(help_text="Must be true.")
    again = serializers.BooleanField(
        default=False,
        help_text="True where KRA was asked before, and a person knows that it did nothing.",
    )


@extend_schema_serializer(component_name="KRADevice")
class DeviceSerializer(serializers.Serializer[dict[str, Any]]):
    """A control unit; its key is never told."""

    pin = serializers.CharField()
    branch = serializers.CharField()
    environment = serializers.CharField()
    state = serializers.CharField()
    is_ready = serializers.BooleanField()
    message = serializers.CharField()
    device_serial = serializers.CharField()
    control_unit_id = serializers.CharField()
    mrc_no = serializers.CharField()
    taxpayer_name = serializers.CharField()
    branch_name = serializers.CharField()
    asked_at = serializers.CharField()


@extend_schema_serializer(component_name="KRAInitialised")
class InitialisedSerializer(serializers.Serializer[dict[str, Any]]):
    """The control unit afterwards."""

    success = serializers.BooleanField()
    device = DeviceSerializer()
