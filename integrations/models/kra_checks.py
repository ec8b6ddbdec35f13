"""What was asked of GavaConnect, and what was filed through it."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from integrations.models.settings_model import Environment


class CertificateType(models.TextChoices):
    """The documented kinds of certificate."""

    TAX_COMPLIANCE = "tax_compliance", "Tax compliance"
    VAT = "vat", "VAT"
    PAYE = "paye", "PAYE"


class CertificateStatus(models.TextChoices):
    """Where a request stands. The first three are the documented ones."""

    # Committed before the socket opens.
    REQUESTED = "requested", "Being requested"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"
    UNKNOWN = "unknown", "Outcome unknown"


class KRACertificateRequest(models.Model):
    """A request for a certificate, or the check of one. The first seven fields are documented."""

    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    cert_type = models.CharField(max_length=50, choices=CertificateType.choices)
    period = models.CharField(max_length=50, blank=True)
    status = models.CharField(
        max_length=20, choices=CertificateStatus.choices, default=CertificateStatus.REQUESTED
    )
    response_payload = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    business = models.CharField(max_length=64, blank=True, default="", db_default="")
    environment = models.CharField(
        max_length=20, choices=Environment.choices, default=Environment.SANDBOX
    )
    kra_pin = models.CharField("KRA PIN", max_length=20, blank=True, default="", db_default="")
    reason = models.CharField(max_length=400, blank=True, default="", db_default="")
    certificate_number = models.CharField(max_length=100, blank=True, default="", db_default="")
    acknowledgement = models.CharField(max_length=100, blank=True, default="", db_default="")
    message = models.CharField(max_length=300, blank=True, default="", db_default="")

    class Meta:
        verbose_name = "KRA Certificate Request"
        verbose_name_plural = "KRA Certificate Requests"
        ordering = ["-id"]
        permissions = [
            ("request_kracertificaterequest", "Can request certificates"),
            ("settle_kracertificaterequest", "Can tell what became of a request"),
        ]
        indexes = [
            models.Index(fields=["cert_type"], name="kracert_type"),
            models.Index(fields=["period"], name="kracert_period"),
            models.Index(fields=["status"], name="kracert_status"),
            models.Index(fields=["created_at"], name="kracert_created"),
            models.Index(fields=["business", "-id"], name="kracert_business"),
        ]
        constraints = [
            # An application in doubt is not made again beside itself.
            models.UniqueConstraint(
                fields=["environment", "kra_pin", "cert_type", "period"],
                condition=models.Q(
                    status__in=[CertificateStatus.REQUESTED, CertificateStatus.UNKNOWN]
                )
                & ~models.Q(kra_pin=""),
                name="kracert_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_cert_type_display()} {self.kra_pin} ({self.status})"


class KRAComplianceCheck(models.Model):
    """One look at a PIN's standing. An active PIN alone is not compliance."""

    kra_pin = models.CharField("KRA PIN", max_length=20)
    is_compliant = models.BooleanField(default=False)
    response_payload = models.JSONField(null=True, blank=True)
    checked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    business = models.CharField(max_length=64, blank=True, default="", db_default="")
    environment = models.CharField(
        max_length=20, choices=Environment.choices, default=Environment.SANDBOX
    )
    taxpayer_name = models.CharField(max_length=200, blank=True, default="", db_default="")
    pin_status = models.CharField(max_length=40, blank=True, default="", db_default="")
    certificate_number = models.CharField(max_length=100, blank=True, default="", db_default="")
    certificate_status = models.CharField(max_length=40, blank=True, default="", db_default="")
    certificate_expires_on = models.DateField(null=True, blank=True)
    message = models.CharField(max_length=300, blank=True, default="", db_default="")

    class Meta:
        verbose_name = "KRA Compliance Check"
        verbose_name_plural = "KRA Compliance Checks"
        ordering = ["-id"]
        permissions = [("check_kracompliancecheck", "Can check PINs and compliance")]
        indexes = [
            models.Index(fields=["kra_pin"], name="kracheck_pin"),
            models.Index(fields=["is_compliant"], name="kracheck_compliant"),
            models.Index(fields=["created_at"], name="kracheck_created"),
            models.Index(fields=["business", "-id"], name="kracheck_business"),
        ]

    def __str__(self) -> str:
        return f"{self.kra_pin} ({'compliant' if self.is_compliant else 'not compliant'})"


class FilingKind(models.TextChoices):
    """What has legal effect once KRA has it (reference, section 11)."""

    NIL_RETURN = "nil_return", "NIL return"
    TURNOVER_TAX = "turnover_tax", "Turnover tax"
    WITHHOLDING_VAT = "withholding_vat", "Withholding VAT PRN"
    WITHHOLDING_INCOME = "withholding_income", "Withholding income tax PRN"
    WITHHOLDING_RENTAL = "withholding_rental", "Withholding rental income PRN"


class FilingState(models.TextChoices):
    """Where a filing stands. Nothing is ever sent a second time by itself."""

    # Committed before the socket opens; found so by a look, it is unknown.
    SENDING = "sending", "Being sent"
    ACCEPTED = "accepted", "Accepted"
    REFUSED = "refused", "Refused"
    UNKNOWN = "unknown", "Outcome unknown"


class KRAFiling(models.Model):
    """One filing. `key` names what it is about: the same one again is no second filing."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    business = models.CharField(max_length=64, blank=True, default="")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    kind = models.CharField(max_length=20, choices=FilingKind.choices)
    kra_pin = models.CharField("KRA PIN", max_length=20)
    period = models.CharField(max_length=50, blank=True, default="")
    key = models.CharField(max_length=120)
    body = models.JSONField()
    digest = models.CharField(max_length=64)
    state = models.CharField(
        max_length=10, choices=FilingState.choices, default=FilingState.SENDING
    )
    acknowledgement = models.CharField(max_length=100, blank=True, default="")
    payment_number = models.CharField("PRN", max_length=100, blank=True, default="")
    amount = models.DecimalField(max_digits=18, decimal_places=2, null=True, blank=True)
    response_payload = models.JSONField(null=True, blank=True)
    result_code = models.CharField(max_length=40, blank=True, default="")
    message = models.CharField(max_length=300, blank=True, default="")
    attention = models.CharField(max_length=300, blank=True, default="")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "KRA filing"
        ordering = ["-id"]
        permissions = [
            ("file_krafiling", "Can file returns and withholding tax"),
            ("settle_krafiling", "Can tell what became of a filing"),
        ]
        indexes = [
            models.Index(fields=["business", "-id"], name="krafiling_business"),
            models.Index(fields=["state", "-id"], name="krafiling_state"),
            models.Index(
                fields=["-id"], name="krafiling_attention", condition=~models.Q(attention="")
            ),
        ]
        constraints = [
            # A refused one may be tried again, corrected.
            models.UniqueConstraint(
                fields=["environment", "kra_pin", "kind", "key"],
                condition=~models.Q(state=FilingState.REFUSED),
                name="krafiling_key",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.kra_pin} {self.period} ({self.state})"
