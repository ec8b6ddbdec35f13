"""KRA's lists, items and reports as the API tells them, and the bodies that change them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from integrations.api.bodies import StrictSerializer
from integrations.api.payout_serializers import business_field
from integrations.kra.described import describe_import, describe_purchase
from integrations.kra.lists import FEEDS
from integrations.models import (
    KRACode,
    KRACursor,
    KRAImport,
    KRAItem,
    KRAItemClass,
    KRAPurchase,
    KRAStock,
    KRAWrite,
)
from integrations.providers.kra.payloads.items import PRICE_LEVELS

_AMOUNT: dict[str, Any] = {"max_digits": 18, "decimal_places": 2}


class KRACodeSerializer(serializers.ModelSerializer[KRACode]):
    """One code; `extra` are KRA's own three fields, of class 04 the first is the rate."""

    class Meta:
        model = KRACode
        fields = ["class_code", "class_name", "code", "name", "description", "is_used", "extra"]
        read_only_fields = fields


class KRAItemClassSerializer(serializers.ModelSerializer[KRAItemClass]):
    """One item class."""

    class Meta:
        model = KRAItemClass
        fields = ["code", "name", "level", "tax_type", "is_major", "is_used"]
        read_only_fields = fields


class KRAItemSerializer(serializers.ModelSerializer[KRAItem]):
    """One item of the catalogue. `stock` is what is left in all branches."""

    class Meta:
        model = KRAItem
        fields = [
            "id", "business", "environment", "tin", "item_code", "reference", "name", "class_code",
            "type_code", "origin", "packaging_unit", "quantity_unit", "tax_type", "price",
            "barcode", "standard_name", "batch", "safety_quantity", "group_prices",
            "additional_info", "is_insured", "is_used", "is_excluded", "is_registered", "stock",
        ]  # fmt: skip
        read_only_fields = fields


class KRAStockSerializer(serializers.ModelSerializer[KRAStock]):
    """What is left of an item in a branch, after the movements that KRA has taken."""

    item_code = serializers.CharField(source="item.item_code", read_only=True)
    reference = serializers.CharField(source="item.reference", read_only=True)
    name = serializers.CharField(source="item.name", read_only=True)
    branch = serializers.CharField(source="branch.bhf_id", read_only=True)

    class Meta:
        model = KRAStock
        fields = ["item_code", "reference", "name", "branch", "quantity", "updated_at"]
        read_only_fields = fields


class KRAReportSerializer(serializers.ModelSerializer[KRAWrite]):
    """One report to KRA as it stands."""

    report_id = serializers.UUIDField(source="public_id", read_only=True)
    pin = serializers.CharField(source="branch.tin", read_only=True)
    branch = serializers.CharField(source="branch.bhf_id", read_only=True)
    attempts = serializers.IntegerField(source="times_sent", read_only=True)

    class Meta:
        model = KRAWrite
        fields = [
            "report_id", "kind", "key", "state", "number", "business", "environment", "pin",
            "branch", "result_code", "message", "attention", "attempts", "created_at", "sent_at",
            "completed_at",
        ]  # fmt: skip
        read_only_fields = fields


class _DecidedSerializer(serializers.BaseSerializer[Any]):
    """As the Python service tells it."""


class KRAPurchaseSerializer(_DecidedSerializer):
    """A supplier's invoice, its lines with KRA's names, the decision, and the report of it."""

    def to_representation(self, instance: KRAPurchase) -> dict[str, Any]:
        """Plain values, amounts as text."""
        return {"business": instance.business, **describe_purchase(instance)}


class KRAImportSerializer(_DecidedSerializer):
    """An imported item, the decision, and the report of it."""

    def to_representation(self, instance: KRAImport) -> dict[str, Any]:
        """Plain values, amounts as text."""
        return {"business": instance.business, **describe_import(instance)}


class KRACursorSerializer(serializers.ModelSerializer[KRACursor]):
    """How far a list was read."""

    class Meta:
        model = KRACursor
        fields = [
            "list_name", "business", "environment", "tin", "bhf_id", "last_request", "synced_at",
            "tried_at", "count", "message",
        ]  # fmt: skip
        read_only_fields = fields


def branch_field() -> serializers.CharField:
    """Which control unit."""
    return serializers.CharField(
        max_length=10, required=False, allow_blank=True, default="",
        help_text="KRA's two digits of the branch. Left out: the main one.",
    )  # fmt: skip


class _PlaceSerializer(StrictSerializer[dict[str, Any]]):
    """Whose settings, and which branch."""

    business = business_field()
    branch = branch_field()


class SyncSerializer(_PlaceSerializer):
    """Which lists to read; no endpoint of KRA takes a period, so the dates are only checked."""

    lists = serializers.ListField(
        child=serializers.ChoiceField(choices=list(FEEDS)), required=False, max_length=20
    )
    start_date = serializers.DateField(required=False, allow_null=True)
    end_date = serializers.DateField(required=False, allow_null=True)


class ItemBodySerializer(_PlaceSerializer):
    """An item; a known `item_code` or `reference` changes that one."""

    item_code = serializers.CharField(max_length=20, required=False)
    reference = serializers.CharField(max_length=100, required=False, allow_blank=True)
    name = serializers.CharField(max_length=200, required=False)
    class_code = serializers.CharField(max_length=10, required=False)
    type_code = serializers.CharField(max_length=5, required=False)
    origin = serializers.CharField(max_length=5, required=False)
    packaging_unit = serializers.CharField(max_length=5, required=False)
    quantity_unit = serializers.CharField(max_length=5, required=False)
    tax_type = serializers.CharField(max_length=5, required=False)
    price = serializers.DecimalField(**_AMOUNT, required=False, help_text="VAT included.")
    barcode = serializers.CharField(max_length=20, required=False, allow_blank=True)
    standard_name = serializers.CharField(max_length=200, required=False, allow_blank=True)
    batch = serializers.CharField(max_length=10, required=False, allow_blank=True)
    safety_quantity = serializers.DecimalField(
        **_AMOUNT, required=False, allow_null=True, help_text="Least that should be in stock."
    )
    group_prices = serializers.ListField(
        child=serializers.DecimalField(**_AMOUNT, allow_null=True),
        max_length=PRICE_LEVELS,
        required=False,
        help_text="Prices of the levels 1 to 5; null where a level has none.",
    )
    additional_info = serializers.CharField(max_length=7, required=False, allow_blank=True)
    is_insured = serializers.BooleanField(required=False)
    is_used = serializers.BooleanField(required=False)


class ExcludeSerializer(StrictSerializer[dict[str, Any]]):
    """Whether KRA is told of an item."""

    excluded = serializers.BooleanField()


class StockLineSerializer(StrictSerializer[dict[str, Any]]):
    """Goods of one item."""

    item = serializers.CharField(max_length=100, help_text="Its code, or the ERP's reference.")
    quantity = serializers.DecimalField(**_AMOUNT)
    price = serializers.DecimalField(
        **_AMOUNT, required=False, help_text="Of a unit, VAT included; left out: the item's own."
    )
    expires_on = serializers.DateField(required=False)


class PartnerSerializer(StrictSerializer[dict[str, Any]]):
    """Who sent the goods, or got them."""

    pin = serializers.CharField(max_length=20, required=False, allow_blank=True)
    name = serializers.CharField(max_length=100, required=False, allow_blank=True)
    branch = serializers.CharField(max_length=2, required=False, allow_blank=True)


class MoveSerializer(_PlaceSerializer):
    """A movement of goods."""

    movement = serializers.CharField(max_length=2, help_text="01 to 06 in, 11 to 16 out.")
    lines = StockLineSerializer(many=True, allow_empty=False)
    key = serializers.CharField(
        max_length=90, required=False, help_text="The same again is no second movement."
    )
    day = serializers.DateField(required=False, help_text="Left out: today.")
    remark = serializers.CharField(max_length=400, required=False, allow_blank=True)
    partner = PartnerSerializer(required=False)


class CountSerializer(_PlaceSerializer):
    """So much of an item is there."""

    item = serializers.CharField(max_length=100)
    quantity = serializers.DecimalField(**_AMOUNT)
    price = serializers.DecimalField(**_AMOUNT, required=False)
    key = serializers.CharField(max_length=90, required=False)
    remark = serializers.CharField(max_length=400, required=False, allow_blank=True)


class AcceptPurchaseSerializer(StrictSerializer[dict[str, Any]]):
    """Which item of ours each line is."""

    items = serializers.DictField(
        child=serializers.CharField(max_length=100), required=False,
        help_text="Our item by the number of the line: {\"1\": \"KE2NTNO0000001\"}.",
    )  # fmt: skip
    remark = serializers.CharField(max_length=400, required=False, allow_blank=True)
    receive = serializers.BooleanField(
        required=False, allow_null=True, help_text="Report the goods as come in."
    )


class AcceptImportSerializer(StrictSerializer[dict[str, Any]]):
    """Which item of ours an imported one is."""

    item = serializers.CharField(max_length=100)
    price = serializers.DecimalField(**_AMOUNT, required=False)
    remark = serializers.CharField(max_length=400, required=False, allow_blank=True)
    receive = serializers.BooleanField(required=False, allow_null=True)


@extend_schema_serializer(component_name="KRARejectPurchase")
class RejectSerializer(StrictSerializer[dict[str, Any]]):
    """Why."""

    remark = serializers.CharField(max_length=400, required=False, allow_blank=True)


@extend_schema_serializer(component_name="KRARejectImport")
class RejectImportSerializer(RejectSerializer):
    """Why; and an item of ours, should KRA want one all the same."""

    item = serializers.CharField(max_length=100, required=False, allow_blank=True)


class MovedSerializer(serializers.Serializer[Any]):
    """The movement and, behind it, what is then left of each item."""

    movement = KRAReportSerializer()
    remaining = KRAReportSerializer(many=True)


class SavedItemSerializer(serializers.Serializer[Any]):
    """The item as stored, and the report of it."""

    item = KRAItemSerializer()
    report = KRAReportSerializer()


class SyncedSerializer(serializers.Serializer[Any]):
    """What became of each list."""

    success = serializers.BooleanField()
    message = serializers.CharField(help_text="Which lists were not read, and why.")
    lists = serializers.DictField(help_text="By name: done, count, unreadable, code, message.")
    count = serializers.IntegerField()
    note = serializers.CharField()


class ResentSerializer(serializers.Serializer[Any]):
    """Whether it goes again."""

    success = serializers.BooleanField()
    report = KRAReportSerializer()
