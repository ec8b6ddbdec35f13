"""Receipts to match: what nobody expected, matched by hand or left on account."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations.admin.badges import Badge
from integrations.admin.expectations import moment, money
from integrations.admin.exports import ExportAdmin
from integrations.admin.filters import BusinessFilter, DateFilter
from integrations.exceptions import InvalidInput
from integrations.models import (
    Allotment,
    AllotmentStatus,
    Environment,
    ExpectationState,
    ExpectedPayment,
    Payment,
)
from integrations.payments import expectations
from integrations.payments.accounts import PROVIDER
from integrations.payments.matching import OPEN
from integrations.payments.references import reference_key

PAGE = "admin:integrations_allotment_change"
TONES = {AllotmentStatus.MATCHED: "good", AllotmentStatus.UNMATCHED: "warn"}
# Offered on the page of one receipt.
MOST_OFFERED = 20


@admin.register(Allotment)
class AllotmentAdmin(ExportAdmin):
    """Every receipt that has, or needs, a place. A receipt is never split."""

    list_display = (
        "created_at", "amount_shown", "reference_shown", "payer", "receipt", "status_shown",
        "expectation_shown", "environment_shown", "business",
    )  # fmt: skip
    list_filter = ("status", "how", "environment", DateFilter, BusinessFilter)
    list_select_related = ("payment", "expectation")
    search_fields = ("reference_key",)
    search_help_text = "The whole receipt number, or the whole reference in any spelling"
    export_name = "receipts to match"
    exported = (
        "created_at", "payment__public_id", "payment__receipt", "payment__amount",
        "payment__currency", "payment__account_reference", "payment__party",
        "payment__party_name", "payment__phone", "payment__paid_at", "status", "how",
        "expectation__reference", "expectation__public_id", "note", "environment", "business",
    )  # fmt: skip
    list_before_template = "admin/integrations/allotment_list_tools.html"
    change_form_outer_before_template = "admin/integrations/allotment_actions.html"
    fieldsets = (
        (None, {"fields": (
            "status_shown", "amount_shown", "reference_shown", "payer", "receipt", "paid_at",
            "payment_shown", "expectation_shown", "how", "note",
        )}),
        ("Where and when", {"fields": (
            "environment_shown", "business", "created_at", "updated_at",
        )}),
    )  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        """The buttons' URLs before Django's own."""
        wrap = self.admin_site.admin_view
        name = "integrations_allotment"
        return [
            path("<int:pk>/match/", wrap(self.match_view), name=f"{name}_match"),
            path("<int:pk>/account/", wrap(self.account_view), name=f"{name}_account"),
            *super().get_urls(),
        ]

    def has_match_permission(self, request: HttpRequest) -> bool:
        """Whoever may see receipts and match them."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm("integrations.match_payment")

    def has_export_permission(self, request: HttpRequest) -> bool:
        """One permission for both lists: they show the same money."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm("integrations.export_expectedpayment")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By receipt or reference."""
        term = search_term.replace("\x00", "").strip()
        if not term:
            return queryset, False
        paid = Payment.objects.filter(
            provider=PROVIDER, environment__in=Environment.values, receipt=term.upper()
        )
        pks = list(paid.values_list("pk", flat=True))
        return queryset.filter(Q(payment__in=pks) | Q(reference_key=reference_key(term))), False

    def match_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Match the receipt to the chosen expectation."""
        allotment = self._posted_for(request, pk)
        if isinstance(allotment, HttpResponse):
            return allotment
        chosen = request.POST.get("expectation", "")
        found = None
        with suppress(ValueError):
            found = self._offerable(allotment).filter(pk=int(chosen[:18])).first()
        if found is None:
            messages.error(request, "Choose one of the expected payments.")
        else:
            self._do(request, lambda: expectations.match_by_hand(allotment.payment, found),
                     f"Matched to {found.reference}.")  # fmt: skip
        return HttpResponseRedirect(reverse(PAGE, args=[pk]))

    def account_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Leave the receipt on account, with a note."""
        allotment = self._posted_for(request, pk)
        if isinstance(allotment, HttpResponse):
            return allotment
        note = request.POST.get("note", "")
        self._do(request, lambda: expectations.leave_on_account(allotment.payment, note),
                 "Left on account. Your note is in the history.")  # fmt: skip
        return HttpResponseRedirect(reverse(PAGE, args=[pk]))

    @staticmethod
    def _do(request: HttpRequest, act: Any, done: str) -> None:
        try:
            act()
        except InvalidInput as error:
            messages.error(request, error.message.capitalize())
        else:
            messages.success(request, done)

    def _posted_for(self, request: HttpRequest, pk: int) -> Allotment | HttpResponse:
        """The receipt that a button was pressed for; 405 for anything but a POST.

        Raises PermissionDenied, and Http404 for what is outside of the user's businesses.
        """
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_match_permission(request):
            raise PermissionDenied
        found: Allotment | None = self.get_queryset(request).filter(pk=pk).first()
        if found is None:
            raise Http404("There is no such receipt.")
        return found

    @staticmethod
    def _offerable(allotment: Allotment) -> QuerySet[ExpectedPayment]:
        """What the receipt may be matched to: of its own business and environment."""
        payment = allotment.payment
        return ExpectedPayment.objects.filter(
            business=payment.business, environment=payment.environment, currency=payment.currency
        ).exclude(state=ExpectationState.CANCELLED)

    def _offered(self, allotment: Allotment, term: str) -> list[ExpectedPayment]:
        """Those with the reference that was searched for; without a search, open ones of just
        this amount, newest first."""
        rows = self._offerable(allotment)
        if allotment.expectation is not None:
            rows = rows.exclude(pk=allotment.expectation.pk)
        if term:
            rows = rows.filter(reference_key=reference_key(term))
        else:
            rows = rows.filter(state__in=OPEN, amount=allotment.payment.amount)
        return list(rows.order_by("-pk")[:MOST_OFFERED])

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False,
        change: bool = False, form_url: str = "", obj: Any = None,
    ) -> HttpResponse:  # fmt: skip
        """With the choice of expectations for those who may match."""
        if obj is not None and self.has_match_permission(request):
            term = request.GET.get("reference", "").replace("\x00", "").strip()[:64]
            context.update(may_match=True, term=term, offered=self._offered(obj, term))
        return super().render_change_form(request, context, add, change, form_url, obj)

    @admin.display(description="status")
    def status_shown(self, row: Allotment) -> SafeString:
        """The status as a badge."""
        known = AllotmentStatus(row.status)
        return Badge(str(known.label), TONES.get(known, "calm")).render()

    @admin.display(description="amount")
    def amount_shown(self, row: Allotment) -> SafeString:
        """Currency and amount."""
        return money(row.payment.currency, row.payment.amount)

    @admin.display(description="reference as typed")
    def reference_shown(self, row: Allotment) -> SafeString:
        """What the payer typed, kept from turning the text around it."""
        return format_html("<bdi>{}</bdi>", row.payment.account_reference or "-")

    @admin.display(description="payer")
    def payer(self, row: Allotment) -> SafeString:
        """Name and number, the latter mostly masked."""
        payment = row.payment
        party = payment.phone or (payment.party if len(payment.party) < 40 else "hashed number")
        return format_html("<bdi>{}</bdi> {}", payment.party_name, party)

    @admin.display(description="receipt")
    def receipt(self, row: Allotment) -> str:
        """M-Pesa's number."""
        return row.payment.receipt or "-"

    @admin.display(description="paid at")
    def paid_at(self, row: Allotment) -> str:
        """When, by M-Pesa's word."""
        return moment(row.payment.paid_at) or "-"

    @admin.display(description="payment")
    def payment_shown(self, row: Allotment) -> SafeString:
        """A link to the ledger."""
        url = reverse("admin:integrations_payment_change", args=[row.payment_id])
        return format_html('<a class="text-link" href="{}">Open the payment</a>', url)

    @admin.display(description="matched to", empty_value="-")
    def expectation_shown(self, row: Allotment) -> SafeString | None:
        """A link to the expectation."""
        if row.expectation is None:
            return None
        url = reverse("admin:integrations_expectedpayment_change", args=[row.expectation_id])
        return format_html('<a class="text-link" href="{}">{}</a>', url, row.expectation.reference)
