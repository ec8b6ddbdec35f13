"""Invoices and credit notes for KRA: searchable, each with its history and its receipt."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from integrations.admin.badges import BADGE_CSS, Badge
from integrations.admin.filters import AttentionFilter, BusinessFilter, DateFilter, WorkStateFilter
from integrations.admin.kra_filters import BranchFilter
from integrations.admin.kra_invoice_actions import KRAInvoiceActionsAdmin
from integrations.admin.kra_live import LiveDocumentAdmin
from integrations.admin.kra_words import (
    MEANINGS,
    invoice_badge,
    kind_badge,
    moments_of,
    signed_amount,
)
from integrations.admin.theme import model_page
from integrations.kra.outbox.told import reason_of
from integrations.kra.receipts import control_number, receipt_of
from integrations.kra.receipts.html import context_of
from integrations.models import InvoiceState, KRAInvoice

# A document may have 999 lines; its receipt has them all.
LINES_SHOWN = 100
REASON_SHOWN = 120


@admin.register(KRAInvoice)
class KRAInvoiceAdmin(LiveDocumentAdmin, KRAInvoiceActionsAdmin):
    """Every document, in every state, with KRA's number and receipt."""

    list_display = (
        "created_shown", "trader_number", "kind_shown", "state_shown", "attention_shown",
        "reason_shown", "times_sent", "total_shown", "customer_shown", "number", "receipt_shown",
        "branch_shown", "environment_shown", "business",
    )  # fmt: skip
    list_display_links = ("created_shown", "trader_number")
    list_select_related = ("branch",)
    list_left_out = ("document", "body", "branch__details")
    list_filter = (
        "state", "kind", "environment", BranchFilter, AttentionFilter, DateFilter,
        BusinessFilter, WorkStateFilter,
    )  # fmt: skip
    # What is searched is said in `get_search_results`; without a name here there is no box.
    search_fields = ("trader_number",)
    search_help_text = (
        "Beginning of the ERP's number or of the customer's name, or the whole KRA number, PIN, "
        "receipt number (KRACU…/168) or id"
    )
    id_field = "public_id"
    change_form_outer_after_template = "admin/integrations/kra_invoice_history.html"
    fieldsets = (
        (None, {"fields": (
            "public_id", "trader_number", "kind_shown", "state_shown", "message", "attention",
            "total_shown", "tax", "taxable", "currency", "exchange_rate", "original_shown",
            "reason", "customer_name", "customer_pin", "issued_at",
        )}),
        ("Where", {"fields": (
            "environment_shown", "business", "branch", "transport", "profile",
        )}),
        ("What KRA said", {"fields": (
            "number", "receipt_number", "total_receipt_number", "control_unit_id", "mrc_no",
            "internal_data", "signature", "signed_at", "result_code", "result_text",
        )}),
        ("When", {"fields": (
            "created_at", "sent_at", "completed_at", "updated_at", "times_sent", "times_printed",
            "work_state", "next_attempt_at", "attempts", "work_error", "requested_by",
        )}),
    )  # fmt: skip

    class Media:
        css = BADGE_CSS
        js: ClassVar[Any] = ("integrations/live.js",)

    @admin.display(description="created at")
    def created_shown(self, invoice: KRAInvoice) -> SafeString:
        """When, on one line."""
        moment = f"{timezone.localtime(invoice.created_at):%d %b %Y, %H:%M:%S}"
        return format_html('<span class="amount">{}</span>', moment)

    @admin.display(description="kind")
    def kind_shown(self, invoice: KRAInvoice) -> SafeString:
        """Invoice or credit note."""
        return kind_badge(invoice.kind).render()

    @admin.display(description="state")
    def state_shown(self, invoice: KRAInvoice) -> SafeString:
        """The state as a badge."""
        return invoice_badge(invoice.state).render()

    @admin.display(description="attention", empty_value="-")
    def attention_shown(self, invoice: KRAInvoice) -> SafeString | None:
        """Whether a person has to look; the document's page says why."""
        return Badge("Needs a person", "warn").render() if invoice.attention else None

    @admin.display(description="reason", empty_value="-")
    def reason_shown(self, invoice: KRAInvoice) -> SafeString | None:
        """Why it is not signed, cut; all of it where the pointer rests."""
        told = reason_of(invoice)
        if not told:
            return None
        cut = Truncator(told).chars(REASON_SHOWN)
        return format_html('<span title="{}">{}</span>', told, cut)

    @admin.display(description="total")
    def total_shown(self, invoice: KRAInvoice) -> SafeString:
        """In KES; credit notes below zero."""
        return format_html('<span class="amount">{}</span>', signed_amount(invoice))

    @admin.display(description="customer", empty_value="-")
    def customer_shown(self, invoice: KRAInvoice) -> str:
        """Name and PIN."""
        return " ".join(filter(None, (invoice.customer_name, invoice.customer_pin)))

    @admin.display(description="receipt", empty_value="-")
    def receipt_shown(self, invoice: KRAInvoice) -> str:
        """The control unit's number, as it is printed."""
        return control_number(invoice)

    @admin.display(description="branch")
    def branch_shown(self, invoice: KRAInvoice) -> SafeString:
        """PIN and number of the branch."""
        branch = invoice.branch
        return format_html('<span class="amount">{} {}</span>', branch.tin, branch.bhf_id)

    @admin.display(description="original", empty_value="-")
    def original_shown(self, invoice: KRAInvoice) -> SafeString | None:
        """A link to the invoice that a credit note credits."""
        if invoice.original_id is None:
            return None
        url = reverse("admin:integrations_krainvoice_change", args=[invoice.original_id])
        return format_html('<a class="text-link" href="{}">{}</a>', url, str(invoice.original))

    def get_ordering(self, request: HttpRequest) -> Any:
        """Newest first; within days by the index of days, or old days would be far to look for."""
        if any(request.GET.get(name) for name in ("created_from", "created_to")):
            return ("-created_at", "-pk")
        return super().get_ordering(request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By what people have at hand, each through an index."""
        term = search_term.strip().replace("\x00", "")
        found, is_doubled = super().get_search_results(request, queryset, "")
        if not term:
            return found, is_doubled
        with suppress(ValueError):
            return self.by_id(found, term), False
        return found.filter(_terms(term)), False

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False,
        change: bool = False, form_url: str = "", obj: Any = None,
    ) -> HttpResponse:  # fmt: skip
        """With the history, the lines, the receipt and the credit notes."""
        if obj is not None:
            context |= {
                "history": moments_of(obj),
                "meaning": MEANINGS[obj.state],
                "state_badge": invoice_badge(obj.state),
                "printed": _printed(obj),
                "branch_url": branch_url(request, obj.branch_id),
                "credit_notes": [
                    (each, invoice_badge(each.state), signed_amount(each))
                    for each in obj.credit_notes.order_by("pk")[:LINES_SHOWN]
                ],
            }
        return super().render_change_form(request, context, add, change, form_url, obj)


def branch_url(request: HttpRequest, pk: int) -> str:
    """The page of a control unit, "" for who may not see it: it may be another business's."""
    page = model_page("integrations.krabranch")
    if page is None or not page.has_view_permission(request):
        return ""
    if not page.get_queryset(request).filter(pk=pk).exists():
        return ""
    return reverse("admin:integrations_krabranch_change", args=[pk])


def _printed(invoice: KRAInvoice) -> dict[str, Any]:
    """The receipt's numbers for the page; the code has an address of its own."""
    told = context_of(receipt_of(invoice))
    told["qr"] = invoice.state == InvoiceState.SIGNED and bool(told["qr"])
    told["more_lines"] = max(len(told["lines"]) - LINES_SHOWN, 0)
    told["lines"] = told["lines"][:LINES_SHOWN]
    return told


def _terms(term: str) -> Q:
    """What a search term may be, each with an index of its own."""
    terms = (
        Q(trader_number__startswith=term)
        | Q(customer_name__startswith=term)
        | Q(customer_pin=term.upper())
    )
    unit, _, receipt = term.rpartition("/")
    if receipt.isascii() and receipt.isdigit() and len(receipt) < 19:
        number = int(receipt)
        if unit:
            return terms | Q(control_unit_id=unit.upper(), receipt_number=number)
        terms |= Q(number=number) | Q(receipt_number=number)
    return terms
