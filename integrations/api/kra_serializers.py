"""KRA documents as the API takes them: the documented simple invoice, and the full one."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from integrations.api.bodies import StrictSerializer
from integrations.api.payout_serializers import business_field


def _text(longest: int, told: str = "", **options: Any) -> serializers.CharField:
    return serializers.CharField(
        max_length=longest, allow_blank=True, required=False, help_text=told, **options
    )


def _amount(told: str = "", *, places: int = 2) -> serializers.DecimalField:
    """For the schema: the documents' own rule (`integrations.kra.documents.numbers`) is asked."""
    return serializers.DecimalField(
        max_digits=18, decimal_places=places, required=False, allow_null=True, help_text=told
    )


def branch_field() -> serializers.CharField:
    """Which branch's control unit signs."""
    return _text(10, "KRA's two digits of the branch. Left out: the main one.")


@extend_schema_serializer(component_name="KRACustomer")
class CustomerSerializer(StrictSerializer[dict[str, Any]]):
    """Who buys; both may be left out for retail."""

    name = _text(200, "Cut to 60 characters. A sale without a name can't be credited.")
    kra_pin = _text(20, "Empty for people without one.")
    phone = _text(20)


@extend_schema_serializer(component_name="KRATotals")
class TotalsSerializer(StrictSerializer[dict[str, Any]]):
    """The sums that the ERP shows. Checked to the cent, never sent."""

    subtotal = _amount("Without tax.")
    tax_amount = _amount()
    total = _amount("What the buyer pays.")


@extend_schema_serializer(component_name="KRAInsurance")
class InsuranceSerializer(StrictSerializer[dict[str, Any]]):
    """What an insurer pays of a line (pharmacies)."""

    code = serializers.CharField(max_length=10)
    name = serializers.CharField(max_length=100)
    rate = serializers.DecimalField(max_digits=5, decimal_places=2, help_text="A whole percent.")
    amount = serializers.DecimalField(max_digits=18, decimal_places=2)


@extend_schema_serializer(component_name="KRALine")
class LineSerializer(StrictSerializer[dict[str, Any]]):
    """One thing sold, in the invoice's currency."""

    description = _text(200)
    quantity = serializers.DecimalField(max_digits=18, decimal_places=2)
    unit_price = _amount("With tax where `prices_include_tax` says so.", places=6)
    tax_rate = _amount("Percent. It or `tax_type` tells the other.")
    total = _amount("Checked, never sent.")
    tax_type = _text(1, "A exempt, B standard, C zero-rated, D non-VAT, E special.")
    item_code = _text(20, "KRA's code of the item.")
    reference = _text(100, "The ERP's own key of the item.")
    class_code = _text(10)
    discount_rate = _amount("Percent; not together with discount_amount.")
    discount_amount = _amount("Off the line.")
    packaging_unit = _text(5)
    package_count = _amount()
    quantity_unit = _text(5)
    barcode = _text(20)
    insurance = InsuranceSerializer(required=False, allow_null=True)
    original_line = serializers.IntegerField(
        required=False, min_value=0, max_value=999,
        help_text="Of a credit note: which line of the original, from 1.",
    )  # fmt: skip


@extend_schema_serializer(component_name="KRAInvoiceToSubmit")
class InvoiceSerializer(StrictSerializer[dict[str, Any]]):
    """An invoice, or a credit note where it names an original.

    `invoice_number`, `issue_date`, `customer`, `totals` and `items` are the documented simple
    form. Amounts are text, or numbers that are exact.
    """

    invoice_number = serializers.CharField(
        max_length=50,
        help_text="The ERP's own number. The same number with the same content is "
        "the same document, however often it is sent.",
    )
    issue_date = serializers.CharField(
        max_length=40, help_text="A date or a moment; one without an offset is Nairobi's."
    )
    customer = CustomerSerializer(required=False, allow_null=True)
    totals = TotalsSerializer(required=False, allow_null=True)
    items = LineSerializer(many=True, required=False, allow_null=True)
    prices_include_tax = serializers.BooleanField(
        required=False, allow_null=True, help_text="May be left out where totals are given."
    )
    currency = _text(3, "KES if left out.")
    exchange_rate = _amount("KES for one unit of the currency.", places=8)
    payment_type = _text(5, "A code of KRA's class 07.")
    remark = _text(400)
    original_invoice_number = _text(50, "Of a credit note: the number of what it credits.")
    reason = _text(5, "Of a credit note: a code of KRA's class 32.")
    business = business_field()
    branch = branch_field()


@extend_schema_serializer(component_name="KRACredit")
class CreditSerializer(StrictSerializer[dict[str, Any]]):
    """A credit note of the invoice in the address. Without items it credits all that is left."""

    invoice_number = serializers.CharField(
        max_length=50, help_text="The ERP's own number of the credit note."
    )
    issue_date = serializers.CharField(
        max_length=40, required=False, help_text="Left out: today in Nairobi."
    )
    reason = serializers.CharField(max_length=5, help_text="A code of KRA's class 32.")
    items = LineSerializer(many=True, required=False, allow_null=True)
    totals = TotalsSerializer(required=False, allow_null=True)
    prices_include_tax = serializers.BooleanField(required=False, allow_null=True)
    remark = _text(400)


def names_only(serializer: serializers.Serializer[Any], data: Any) -> dict[str, Any]:
    """The body as it came, after a look at its names.

    What the values may be is the documents' own rule, which names line and field. Raises
    ValidationError for names that nobody knows, and for what is no object.
    """
    faults = _unknown(serializer, data, "")
    if faults:
        told = {name[:64]: ["There is no such field."] for name in sorted(faults)[:20]}
        raise serializers.ValidationError(told, code="unknown_field")
    if not isinstance(data, dict):
        raise serializers.ValidationError(
            {"non_field_errors": ["Must be an object."]}, code="invalid"
        )
    return dict(data)


def _unknown(field: Any, data: Any, where: str) -> list[str]:
    if isinstance(field, serializers.ListSerializer):
        rows = enumerate(data) if isinstance(data, list) else ()
        return [name for at, row in rows for name in _unknown(field.child, row, f"{where}[{at}]")]
    if not isinstance(field, serializers.Serializer) or not isinstance(data, dict):
        return []
    found = []
    for name, value in data.items():
        path = f"{where}.{name}" if where else str(name)
        known = field.fields.get(str(name))
        found += [path] if known is None else _unknown(known, value, path)
    return found
