"""Expected payments: what should come, what came, and by which receipts."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations.admin.badges import Badge
from integrations.admin.confirm import confirmation
from integrations.admin.exports import ExportAdmin
from integrations.admin.filters import AmountFilter, BusinessFilter, ChoiceFilter, DateFilter
from integrations.models import ExpectationState, ExpectedPayment
from integrations.payments import expectations
from integrations.payments.references import reference_key

PAGE = "admin:integrations_expectedpayment_change"
TONES = {
    ExpectationState.OPEN: "busy",
    ExpectationState.PARTLY_PAID: "warn",
    ExpectationState.PAID: "good",
    ExpectationState.OVERPAID: "warn",
}
# An expectation has few receipts; a reference used by everybody must not break its page.
RECEIPTS_SHOWN = 100


class WronglyPaidFilter(ChoiceFilter):
    """What people have to look at."""

    title = "work list"
    parameter_name = "paid"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """One choice."""
        return [("wrongly", "Paid too little or too much")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Over- and underpaid ones."""
        wrong = (ExpectationState.PARTLY_PAID, ExpectationState.OVERPAID)
        return queryset.filter(state__in=wrong) if self.value() == "wrongly" else queryset


def state_badge(state: str) -> SafeString:
    """An expectation's state."""
    known = ExpectationState(state)
    return Badge(str(known.label), TONES.get(known, "calm")).render()


@admin.register(ExpectedPayment)
class ExpectedPaymentAdmin(ExportAdmin):
    """Every expectation with its receipts. A receipt goes to one expectation, whole."""

    list_display = (
        "created_at", "reference", "amount_shown", "received_shown", "outstanding_shown",
        "state_shown", "phone", "environment_shown", "business",
    )  # fmt: skip
    list_filter = (
        "state", WronglyPaidFilter, "environment", DateFilter, AmountFilter, BusinessFilter,
    )  # fmt: skip
    search_fields = ("reference",)
    search_help_text = "The whole reference, in any spelling, or the id"
    id_field = "public_id"
    export_name = "expected payments"
    exported = (
        "created_at", "public_id", "reference", "amount", "received", "currency", "state", "phone",
        "description", "expires_at", "environment", "business", "updated_at",
    )  # fmt: skip
    list_before_template = "admin/integrations/expectation_list_tools.html"
    change_form_outer_before_template = "admin/integrations/expectation_actions.html"
    fieldsets = (
        (None, {"fields": (
            "public_id", "reference", "state_shown", "amount_shown", "received_shown",
            "outstanding_shown", "phone", "description",
        )}),
        ("Where and when", {"fields": (
            "environment_shown", "business", "created_at", "updated_at", "expires_at",
            "idempotency_key",
        )}),
    )  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        """The cancel page before Django's own."""
        view = self.admin_site.admin_view(self.cancel_view)
        name = "integrations_expectedpayment_cancel"
        return [path("<int:pk>/cancel/", view, name=name), *super().get_urls()]

    def has_match_permission(self, request: HttpRequest) -> bool:
        """Whoever may see expectations and match payments to them."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm("integrations.match_payment")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By reference as it is compared, through its index."""
        term = search_term.replace("\x00", "").strip()
        try:
            return (self.by_id(queryset, term) if term else queryset), False
        except ValueError:
            return queryset.filter(reference_key=reference_key(term)), False

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Ask, and then expect it no longer.

        Raises PermissionDenied, and Http404 for what is outside of the user's businesses.
        """
        if not self.has_match_permission(request):
            raise PermissionDenied
        found: ExpectedPayment | None = self.get_queryset(request).filter(pk=pk).first()
        if found is None:
            raise Http404("There is no such expected payment.")
        back = reverse(PAGE, args=[pk])
        if request.method == "POST" and request.POST.get("confirmed"):
            if expectations.cancel(found):
                messages.success(request, f"{found.reference} is expected no longer.")
            else:
                messages.info(request, f"{found.reference} was cancelled already.")
            return HttpResponseRedirect(back)
        return confirmation(
            self, request, title=f"Cancel {found.reference}", button="Expect it no longer",
            back=back, is_grave=True,
            lines=[
                f"Nothing that comes is allotted to {found.reference} any more.",
                "What has come for it goes back to the list of receipts to match.",
            ],
        )  # fmt: skip

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False,
        change: bool = False, form_url: str = "", obj: Any = None,
    ) -> HttpResponse:  # fmt: skip
        """With its receipts, and the button for those who may."""
        if obj is not None:
            is_open = obj.state != ExpectationState.CANCELLED
            context["may_cancel"] = is_open and self.has_match_permission(request)
            allotments = obj.allotments.select_related("payment").order_by("pk")
            context["receipts"] = list(allotments[:RECEIPTS_SHOWN])
        return super().render_change_form(request, context, add, change, form_url, obj)

    @admin.display(description="state")
    def state_shown(self, row: ExpectedPayment) -> SafeString:
        """The state as a badge."""
        return state_badge(row.state)

    @admin.display(description="expected")
    def amount_shown(self, row: ExpectedPayment) -> SafeString:
        """Currency and amount."""
        return money(row.currency, row.amount)

    @admin.display(description="received")
    def received_shown(self, row: ExpectedPayment) -> SafeString:
        """What came, less what was reversed."""
        return money(row.currency, row.received)

    @admin.display(description="outstanding")
    def outstanding_shown(self, row: ExpectedPayment) -> SafeString:
        """What is missing; negative for what came too much."""
        return money(row.currency, row.outstanding)


def money(currency: str, amount: Any) -> SafeString:
    """An amount as lists show it."""
    return format_html('<span class="amount">{}</span>', f"{currency} {amount:,.2f}")


def moment(at: Any) -> str:
    """A time as lists show it."""
    return f"{timezone.localtime(at):%d %b %Y, %H:%M:%S}" if at else ""
