"""Compliance checks and requests for certificates: what KRA said, and forms to ask it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from integrations.access import request_scope
from integrations.admin.badges import Badge
from integrations.admin.filters import BusinessFilter, DateFilter
from integrations.admin.kra_form_page import form_page
from integrations.admin.kra_gava_form import (
    CertificateForm,
    CheckForm,
    GavaAdmin,
    SettleCertificateForm,
)
from integrations.admin.kra_settling import SettleAdmin
from integrations.exceptions import IntegrationError, OutcomeUnknown
from integrations.kra import checks
from integrations.models import CertificateStatus, KRACertificateRequest, KRAComplianceCheck

TONES = {
    CertificateStatus.COMPLETED: "good",
    CertificateStatus.FAILED: "bad",
    CertificateStatus.UNKNOWN: "warn",
    CertificateStatus.REQUESTED: "busy",
}
_CHECK = "admin:integrations_kracompliancecheck_change"
_CHECKS = "admin:integrations_kracompliancecheck_changelist"
_CERTIFICATE = "admin:integrations_kracertificaterequest_change"
_CERTIFICATES = "admin:integrations_kracertificaterequest_changelist"


@admin.register(KRAComplianceCheck)
class KRAComplianceCheckAdmin(GavaAdmin):
    """Every check, newest first."""

    list_display = (
        "created_at", "kra_pin", "taxpayer_name", "compliant_shown", "message",
        "environment_shown", "business",
    )  # fmt: skip
    list_filter = ("is_compliant", "environment", DateFilter, BusinessFilter)
    list_left_out = ("response_payload",)
    search_fields = ("kra_pin__exact",)
    search_help_text = "The whole PIN"
    list_before_template = "admin/integrations/kra_check_tools.html"
    fieldsets = (
        (None, {"fields": (
            "kra_pin", "taxpayer_name", "compliant_shown", "message", "pin_status",
        )}),
        ("Certificate", {"fields": (
            "certificate_number", "certificate_status", "certificate_expires_on",
        )}),
        ("Who and when", {"fields": (
            "environment_shown", "business", "checked_by", "created_at",
        )}),
    )  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        """The form before Django's own."""
        view = self.admin_site.admin_view(self.check_view)
        name = "integrations_kracompliancecheck_check"
        return [path("check/", view, name=name), *super().get_urls()]

    def has_check_permission(self, request: HttpRequest) -> bool:
        """Whoever may see checks and make them."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm("integrations.check_kracompliancecheck")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """With the button for those who may."""
        extra = {**(extra_context or {}), "may_check": self.has_check_permission(request)}
        return super().changelist_view(request, extra)

    def check_view(self, request: HttpRequest) -> HttpResponse:
        """Ask KRA about the PIN that was typed; raises PermissionDenied."""
        if not self.has_check_permission(request):
            raise PermissionDenied
        form = CheckForm(request_scope(request), request.POST or None)
        if form.is_valid():
            user: Any = request.user
            try:
                made = checks.check_compliance(form.config(), by=user, **form.wanted())
            except IntegrationError as error:
                form.explain(error)
            else:
                told = messages.success if made.is_compliant else messages.warning
                told(request, made.message)
                return HttpResponseRedirect(reverse(_CHECK, args=[made.pk]))
        return form_page(
            self, request, form, title="Check a PIN", button="Ask KRA", back=reverse(_CHECKS),
            lines=["Compliant is who has an active PIN and a valid tax compliance certificate."],
        )  # fmt: skip

    @admin.display(description="compliant")
    def compliant_shown(self, check: KRAComplianceCheck) -> SafeString:
        """The verdict as a badge."""
        if check.is_compliant:
            return Badge("Compliant", "good").render()
        return Badge("Not compliant", "bad").render()


@admin.register(KRACertificateRequest)
class KRACertificateRequestAdmin(GavaAdmin, SettleAdmin):
    """Every request, newest first."""

    list_display = (
        "created_at", "cert_type", "period", "kra_pin", "status_shown", "certificate_number",
        "message", "environment_shown", "business",
    )  # fmt: skip
    list_filter = ("status", "cert_type", "environment", DateFilter, BusinessFilter)
    list_left_out = ("response_payload",)
    search_fields = ("kra_pin__exact", "certificate_number__exact")
    search_help_text = "The whole PIN or certificate number"
    list_before_template = "admin/integrations/kra_certificate_tools.html"
    change_form_outer_before_template = "admin/integrations/kra_settle_actions.html"
    fieldsets = (
        (None, {"fields": (
            "cert_type", "period", "kra_pin", "status_shown", "message", "reason",
        )}),
        ("What KRA said", {"fields": ("certificate_number", "acknowledgement")}),
        ("Who and when", {"fields": (
            "environment_shown", "business", "requested_by", "created_at", "updated_at",
        )}),
    )  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        """The form before Django's own."""
        wrap = self.admin_site.admin_view
        name = "integrations_kracertificaterequest_ask"
        return [path("ask/", wrap(self.ask_view), name=name), *super().get_urls()]

    def has_ask_permission(self, request: HttpRequest) -> bool:
        """Whoever may see requests and make them."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm("integrations.request_kracertificaterequest")

    def is_open(self, row: KRACertificateRequest) -> bool:
        """Whether KRA's answer was lost."""
        return row.status == CertificateStatus.UNKNOWN

    def settle_form(self, row: KRACertificateRequest, data: Any) -> SettleCertificateForm:
        """With the certificate's number."""
        return SettleCertificateForm(data)

    def settle_title(self, row: KRACertificateRequest) -> str:
        """The page's heading."""
        return "What became of this request"

    def settle_row(self, row: KRACertificateRequest, form: Any, by: Any) -> None:
        """Take the person's word."""
        checks.settle_certificate(row, issued=form.is_there, **form.numbers())

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """With the button for those who may."""
        extra = {**(extra_context or {}), "may_ask": self.has_ask_permission(request)}
        return super().changelist_view(request, extra)

    def ask_view(self, request: HttpRequest) -> HttpResponse:
        """Apply for a certificate; raises PermissionDenied."""
        if not self.has_ask_permission(request):
            raise PermissionDenied
        form = CertificateForm(request_scope(request), request.POST or None)
        if form.is_valid():
            user: Any = request.user
            try:
                made = checks.request_certificate(form.config(), by=user, **form.wanted())
            except OutcomeUnknown as error:
                messages.warning(request, error.message)
                return HttpResponseRedirect(reverse(_CERTIFICATES))
            except IntegrationError as error:
                form.explain(error)
            else:
                messages.success(request, made.message)
                return HttpResponseRedirect(reverse(_CERTIFICATE, args=[made.pk]))
        return form_page(
            self, request, form, title="Request a certificate", button="Apply at KRA",
            back=reverse(_CERTIFICATES),
            lines=["The application goes to KRA at once, in the name of the taxpayer."],
        )  # fmt: skip

    @admin.display(description="state")
    def status_shown(self, row: KRACertificateRequest) -> SafeString:
        """The status as a badge; a host's own words stay theirs."""
        known = row.status in CertificateStatus.values
        tone = TONES[CertificateStatus(row.status)] if known else "calm"
        return Badge(str(row.get_status_display()), tone).render()
