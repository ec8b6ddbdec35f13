"""Items and lines of statements: lists, and the decisions that only people can make."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations.admin.badges import Badge
from integrations.admin.exports import ExportAdmin
from integrations.admin.filters import BusinessFilter
from integrations.exceptions import InvalidInput
from integrations.models import ItemFinding, StatementItem, StatementLine
from integrations.payments.statements import decide
from integrations.payments.states import FINAL

TONES = {ItemFinding.MATCHED: "good", ItemFinding.AMOUNT_DIFFERS: "bad"}


def _amount(value: Any, currency: str) -> SafeString | str:
    if value is None:
        return "-"
    return format_html('<span class="amount">{}</span>', f"{currency} {value:,.2f}")


@admin.register(StatementItem)
class StatementItemAdmin(ExportAdmin):
    """What statements tell of each payment and line."""

    list_display = (
        "finding_shown", "receipt", "direction", "our_shown", "their_shown", "open_shown", "text",
        "run", "business",
    )  # fmt: skip
    list_filter = ("finding", "is_open", "direction", "is_settled", BusinessFilter)
    list_select_related = ("run",)
    search_fields = ("receipt",)
    search_help_text = "The whole receipt"
    export_name = "statement items"
    exported = (
        "id", "run__public_id", "business", "finding", "receipt", "direction", "their_amount",
        "our_amount", "currency", "line__at", "line__party", "line__reference", "line__details",
        "line__status", "payment__public_id", "payment__state", "payment__account_reference",
        "payment__phone", "text", "is_settled", "is_open", "resolved_at",
        "resolved_by__username", "note",
    )  # fmt: skip
    list_before_template = "admin/integrations/statement_item_tools.html"
    change_form_outer_before_template = "admin/integrations/statement_item_actions.html"
    fieldsets = (
        (None, {"fields": (
            "finding_shown", "text", "receipt", "direction", "our_shown", "their_shown",
            "is_settled", "run_shown", "payment_shown", "line_shown", "business",
        )}),
        ("Their line", {"fields": ("line_at", "line_party", "line_reference", "line_details")}),
        ("Resolved", {"fields": ("is_open", "resolved_at", "resolved_by", "note")}),
    )  # fmt: skip

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Django's, and the items of one statement, to which its counts lead."""
        return lookup == "run__id__exact" or super().lookup_allowed(lookup, value, request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By the receipt, whole."""
        term = search_term.strip().replace("\x00", "").upper()
        return (queryset.filter(receipt=term) if term else queryset), False

    def get_urls(self) -> list[URLPattern]:
        """The buttons' addresses before Django's own."""
        wrap = self.admin_site.admin_view
        name = "integrations_statementitem"
        return [
            path("<int:pk>/resolve/", wrap(self.resolve_view), name=f"{name}_resolve"),
            path("<int:pk>/record/", wrap(self.record_view), name=f"{name}_record"),
            *super().get_urls(),
        ]

    def has_resolve_permission(self, request: HttpRequest) -> bool:
        """Whoever may see items and close them."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm("integrations.resolve_statementitem")

    def has_record_permission(self, request: HttpRequest) -> bool:
        """Whoever may see items and make payments of lines."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm("integrations.record_statementline")

    def resolve_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Close an item with a note."""
        found = self._posted_for(request, pk, allowed=self.has_resolve_permission(request))
        if isinstance(found, HttpResponse):
            return found
        try:
            is_done = decide.resolve(
                found, request.user, request.POST.get("note", ""),
                finding=request.POST.get("finding", ""),
            )  # fmt: skip
        except InvalidInput as error:
            messages.error(request, f"{error.field.capitalize()}: {error.reason}")
        else:
            _tell(request, is_done)
        return self._back(pk)

    def record_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Make the payment that the item's line tells of."""
        found = self._posted_for(request, pk, allowed=self.has_record_permission(request))
        if isinstance(found, HttpResponse):
            return found
        if not decide.may_be_recorded(found) or found.line is None:
            messages.warning(request, "Nothing was changed: the item is closed. Look again.")
            return self._back(pk)
        try:
            payment = decide.record(found.line, request.user)
        except InvalidInput as error:
            messages.error(request, error.reason)
            return self._back(pk)
        messages.success(request, "The payment is recorded, and here it is.")
        page = reverse("admin:integrations_payment_change", args=[payment.pk])
        may_see = request.user.has_perm("integrations.view_payment")
        return HttpResponseRedirect(page) if may_see else self._back(pk)

    def _posted_for(
        self, request: HttpRequest, pk: int, *, allowed: bool
    ) -> StatementItem | HttpResponse:
        """The item that a button was pressed for; 405 for anything but a POST.

        Raises PermissionDenied, and Http404 for what is outside of the user's businesses.
        """
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not allowed:
            raise PermissionDenied
        rows = self.get_queryset(request).select_related("line", "payment", "run")
        item = rows.filter(pk=pk).first()
        if item is None:
            raise Http404("There is no such item.")
        found: StatementItem = item
        return found

    @staticmethod
    def _back(pk: int) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:integrations_statementitem_change", args=[pk]))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False,
        change: bool = False, form_url: str = "", obj: Any = None,
    ) -> HttpResponse:  # fmt: skip
        """With the buttons for those who may."""
        if obj is not None and obj.is_open:
            payment = obj.payment
            context["may_resolve"] = self.has_resolve_permission(request)
            context["may_record"] = decide.may_be_recorded(obj) and self.has_record_permission(
                request
            )
            context["asks_finding"] = payment is not None and (
                payment.state not in FINAL or bool(payment.attention)
            )
        return super().render_change_form(request, context, add, change, form_url, obj)

    @admin.display(description="finding")
    def finding_shown(self, item: StatementItem) -> SafeString:
        """The finding as a badge."""
        tone = TONES.get(ItemFinding(item.finding), "warn")
        return Badge(item.get_finding_display(), tone).render()

    @admin.display(description="open")
    def open_shown(self, item: StatementItem) -> SafeString | str:
        """Whether somebody has to look."""
        return Badge("Needs a person", "warn").render() if item.is_open else "-"

    @admin.display(description="here")
    def our_shown(self, item: StatementItem) -> SafeString | str:
        """Our amount."""
        return _amount(item.our_amount, item.currency)

    @admin.display(description="there")
    def their_shown(self, item: StatementItem) -> SafeString | str:
        """Their amount."""
        return _amount(item.their_amount, item.currency)

    @admin.display(description="statement")
    def run_shown(self, item: StatementItem) -> SafeString:
        """A link to the statement."""
        return _row_link("statementrun", item.run_id, str(item.run))

    @admin.display(description="payment", empty_value="-")
    def payment_shown(self, item: StatementItem) -> SafeString | None:
        """A link to the payment, where "Done, with this note" settles what it waits for."""
        found = item.payment
        return _row_link("payment", found.pk, str(found)) if found else None

    @admin.display(description="line", empty_value="-")
    def line_shown(self, item: StatementItem) -> SafeString | None:
        """A link to the line."""
        found = item.line
        return _row_link("statementline", found.pk, str(found)) if found else None

    @admin.display(description="completed at", empty_value="-")
    def line_at(self, item: StatementItem) -> Any:
        """When, by the statement."""
        if item.line is None:
            return None
        return f"{timezone.localtime(item.line.at):%d %b %Y, %H:%M:%S}"

    @admin.display(description="other party", empty_value="-")
    def line_party(self, item: StatementItem) -> str | None:
        """Who, by the statement."""
        return item.line.party if item.line else None

    @admin.display(description="account", empty_value="-")
    def line_reference(self, item: StatementItem) -> str | None:
        """For what, by the statement."""
        return item.line.reference if item.line else None

    @admin.display(description="details", empty_value="-")
    def line_details(self, item: StatementItem) -> str | None:
        """The statement's own words."""
        return item.line.details if item.line else None


def _tell(request: HttpRequest, is_done: bool) -> None:
    if is_done:
        messages.success(request, "Resolved, with your note.")
    else:
        messages.warning(request, "Nothing was changed: the item is closed. Look again.")


def _row_link(model: str, pk: int, text: str) -> SafeString:
    url = reverse(f"admin:integrations_{model}_change", args=[pk])
    return format_html('<a class="text-link" href="{}">{}</a>', url, text)


@admin.register(StatementLine)
class StatementLineAdmin(ExportAdmin):
    """Every line that was imported or pulled."""

    list_display = (
        "at", "receipt", "kind", "amount_shown", "party", "reference", "status", "source",
        "short_code", "environment_shown", "business",
    )  # fmt: skip
    list_filter = ("direction", "kind", "source", "environment", BusinessFilter)
    search_fields = ("receipt",)
    search_help_text = "The whole receipt"
    export_name = "statement lines"
    exported = (
        "at", "receipt", "direction", "kind", "amount", "currency", "status", "party",
        "reference", "details", "linked", "balance", "source", "short_code", "environment",
        "business", "created_at",
    )  # fmt: skip
    list_before_template = "admin/integrations/statement_line_tools.html"
    fields = (
        "at", "receipt", "direction", "kind", "amount_shown", "status", "party", "reference",
        "details", "linked", "balance", "source", "short_code", "environment_shown", "business",
        "created_at",
    )  # fmt: skip

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By the receipt, whole."""
        term = search_term.strip().replace("\x00", "").upper()
        return (queryset.filter(receipt=term) if term else queryset), False

    @admin.display(description="amount")
    def amount_shown(self, line: StatementLine) -> SafeString | str:
        """With its sign: below zero is money out."""
        return _amount(line.signed_amount, line.currency)
