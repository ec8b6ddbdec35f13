"""Checks, certificates and filings at KRA as the API takes and tells them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from integrations.api.bodies import StrictSerializer
from integrations.api.payout_serializers import business_field
from integrations.api.serializers import ErrorDetailSerializer
from integrations.kra.checks import TAXPAYER_TYPES
from integrations.kra.filings.withholding import MOST_LINES
from integrations.models import (
    CertificateType,
    FilingKind,
    KRACertificateRequest,
    KRAComplianceCheck,
    KRAFiling,
)


def _text(limit: int, told: str = "", *, required: bool = False) -> serializers.CharField:
    more: dict[str, Any] = {} if required else {"required": False, "allow_blank": True}
    return serializers.CharField(max_length=limit, help_text=told, **more)


def _amount(told: str, *, required: bool = False) -> serializers.DecimalField:
    return serializers.DecimalField(
        max_digits=18, decimal_places=2, required=required, help_text=told
    )


class TaxpayerSerializer(StrictSerializer[dict[str, Any]]):
    """Whose settings are used."""

    business = business_field()
    branch = _text(10, "KRA's two digits; left out: the main branch.")


class PinCheckSerializer(TaxpayerSerializer):
    """A PIN, or the id whose PIN is wanted."""

    kra_pin = _text(20, "How does this PIN stand?")
    taxpayer_id = _text(40, "Or: which PIN has this identity card, passport or company?")
    taxpayer_type = serializers.ChoiceField(
        choices=list(TAXPAYER_TYPES.items()), required=False, help_text="Of taxpayer_id."
    )


class PinAnswerSerializer(serializers.Serializer[dict[str, Any]]):
    """What KRA tells of a PIN. Names and PINs may be masked."""

    pin = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.CharField(required=False)
    status = serializers.CharField(required=False, help_text="As KRA spells it, such as Active.")
    is_known = serializers.BooleanField(required=False)
    is_active = serializers.BooleanField(required=False)
    taxpayer_type = serializers.CharField(required=False)
    message = serializers.CharField(help_text="For people.")


class ComplianceSerializer(TaxpayerSerializer):
    """Whose compliance is asked about."""

    kra_pin = _text(20, required=True)
    certificate_number = _text(100, "Left out: the last one of this PIN that is known here.")


class CheckSerializer(serializers.ModelSerializer[KRAComplianceCheck]):
    """A check: an active PIN and a valid certificate make a taxpayer compliant."""

    check_id = serializers.IntegerField(source="pk", read_only=True)
    compliant = serializers.BooleanField(source="is_compliant", read_only=True)
    missing = serializers.SerializerMethodField(
        help_text="pin, certificate_number or certificate: what stands in the way."
    )

    class Meta:
        model = KRAComplianceCheck
        fields = [
            "check_id", "kra_pin", "compliant", "missing", "message", "taxpayer_name",
            "pin_status", "certificate_number", "certificate_status", "certificate_expires_on",
            "business", "environment", "created_at",
        ]  # fmt: skip
        read_only_fields = fields

    def get_missing(self, check: KRAComplianceCheck) -> list[str]:
        """As the check found it."""
        payload = check.response_payload
        found = payload.get("missing") if isinstance(payload, dict) else None
        return [str(each) for each in found] if isinstance(found, list) else []


class CertificateCheckSerializer(TaxpayerSerializer):
    """A certificate whose standing is asked for."""

    kra_pin = _text(20, required=True)
    certificate_number = _text(100, required=True)


class CertificateStandingSerializer(serializers.Serializer[dict[str, Any]]):
    """How a certificate stands."""

    pin = serializers.CharField()
    number = serializers.CharField()
    status = serializers.CharField()
    issued_on = serializers.DateField(allow_null=True)
    expires_on = serializers.DateField(allow_null=True)
    valid = serializers.BooleanField()
    message = serializers.CharField()


class LookUpSerializer(TaxpayerSerializer):
    """What a further question is about; which fields it takes depends on the question."""

    kra_pin = _text(20)
    number = _text(100)
    date = _text(30, "Of an invoice, such as 2026-11-27.")


class LookUpAnswerSerializer(serializers.Serializer[dict[str, Any]]):
    """KRA's answer as it came, texts stripped, numbers as text."""

    check = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()
    answer = serializers.JSONField()


class AskCertificateSerializer(TaxpayerSerializer):
    """An application for a certificate."""

    tax_type = serializers.ChoiceField(choices=CertificateType.choices)
    period = _text(50)
    kra_pin = _text(20, "Left out: the taxpayer's own.")
    reason = _text(400, "Goes to KRA.")


class CertificateSerializer(serializers.ModelSerializer[KRACertificateRequest]):
    """A request: completed, failed, or unknown where KRA's answer was lost."""

    request_id = serializers.IntegerField(source="pk", read_only=True)

    class Meta:
        model = KRACertificateRequest
        fields = [
            "request_id", "cert_type", "period", "kra_pin", "status", "reason",
            "certificate_number", "acknowledgement", "message", "business", "environment",
            "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = fields


class SettleCertificateSerializer(StrictSerializer[dict[str, Any]]):
    """What became of a request in doubt."""

    issued = serializers.BooleanField()
    certificate_number = _text(100)
    note = _text(200)


class WithheldLineSerializer(StrictSerializer[dict[str, Any]]):
    """A payment from which tax was withheld. The kind decides which texts are needed."""

    withholdee_pin = _text(20)
    landlord_pin = _text(20, "Of rent, in place of withholdee_pin.")
    invoice_number = _text(60)
    invoice_date = _text(30)
    payment_date = _text(30, required=True)
    gross_amount = _amount("KES, as text or number.", required=True)
    tax_rate = serializers.DecimalField(max_digits=5, decimal_places=2, help_text="Percent.")
    tax_amount = _amount("Left out: worked out.")
    nature_of_transaction = _text(200)
    residential_status = _text(200)
    country = _text(200)
    withholdee_name = _text(200)
    withholdee_email = _text(200)
    withholdee_address = _text(200)
    type_of_property = _text(200)
    lr_number = _text(200)
    building = _text(200)
    street = _text(200)
    town = _text(200)


class FileSerializer(TaxpayerSerializer):
    """What is to be filed. The kind decides which fields it takes."""

    kind = serializers.ChoiceField(choices=FilingKind.choices)
    kra_pin = _text(20, "Of a return: left out, the taxpayer's own.")
    obligation = _text(60, "Of a NIL return: a code of the settings, or its name.")
    month = serializers.IntegerField(required=False, min_value=1, max_value=12)
    year = serializers.IntegerField(required=False, min_value=2000, max_value=9999)
    turnover = _amount("Of turnover tax: the gross of the month in KES.")
    withholder_pin = _text(20, "Of withheld tax: left out, the taxpayer's own.")
    unique_number = _text(60, "Of withheld tax: the ERP's own number of it.")
    period_from = _text(30)
    period_to = _text(30)
    gross_amount = _amount("Of withheld tax: checked against the lines where it is told.")
    tax_amount = _amount("Of withheld tax: checked against the lines where it is told.")
    lines = serializers.ListField(
        child=WithheldLineSerializer(), required=False, max_length=MOST_LINES
    )


class FilingSerializer(serializers.ModelSerializer[KRAFiling]):
    """How a filing stands: accepted with KRA's numbers, refused, or unknown."""

    filing_id = serializers.UUIDField(source="public_id", read_only=True)
    prn = serializers.CharField(source="payment_number", read_only=True)
    success = serializers.SerializerMethodField()

    class Meta:
        model = KRAFiling
        fields = [
            "filing_id", "success", "kind", "state", "kra_pin", "period", "acknowledgement",
            "prn", "amount", "result_code", "message", "attention", "business", "environment",
            "created_at", "completed_at",
        ]  # fmt: skip
        read_only_fields = fields

    def get_success(self, filing: KRAFiling) -> bool:
        """Whether KRA has it."""
        return filing.state == "accepted"


@extend_schema_serializer(component_name="FilingRefused")
class FilingRefusedSerializer(FilingSerializer):
    """KRA refused it, or its answer was lost; it is stored all the same."""

    error = ErrorDetailSerializer()

    class Meta(FilingSerializer.Meta):
        fields = [*FilingSerializer.Meta.fields, "error"]


class SettleFilingSerializer(StrictSerializer[dict[str, Any]]):
    """What became of a filing in doubt, as iTax shows it."""

    accepted = serializers.BooleanField()
    acknowledgement = _text(100)
    payment_number = _text(100)
    note = _text(200)


class OriginalCertificateSerializer(StrictSerializer[dict[str, Any]]):
    """The documented body."""

    type = _text(50, "As tax_type.")
    tax_type = _text(50, "tax_compliance, vat or paye.")
    period = _text(50)
    business = business_field()


class OriginalComplianceSerializer(StrictSerializer[dict[str, Any]]):
    """The documented body."""

    pin = _text(20, "As kra_pin.")
    kra_pin = _text(20)
    business = business_field()


class OriginalSyncSerializer(StrictSerializer[dict[str, Any]]):
    """The documented body."""

    start_date = _text(30)
    end_date = _text(30)
    business = business_field()


class OriginalAnswerSerializer(serializers.Serializer[dict[str, Any]]):
    """The documented answer."""

    success = serializers.BooleanField()
    result = serializers.JSONField()
