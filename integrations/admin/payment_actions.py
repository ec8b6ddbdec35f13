"""What people may do with payments: ask the provider, take them off the work list, export them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import connections
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

from integrations.admin.exports import ExportAdmin
from integrations.exceptions import IntegrationError
from integrations.models import AuditEntry, Finding, Payment
from integrations.payments import ledger
from integrations.payments.course import Inquiry
from integrations.payments.reconcile import ask_now, why_not_asked

MAX_ASKED = 20
AT_ONCE = 10
EXPORTED = (
    "created_at", "public_id", "state", "amount", "currency", "phone", "account_reference",
    "description", "occasion", "receipt", "charge", "paid_at", "environment", "business",
    "provider", "product", "direction", "short_code", "party", "party_name", "checkout_id",
    "originator_id", "conversation_id", "original__public_id", "result_code", "result_text",
    "message", "attention", "finding", "sent_at", "completed_at",
)  # fmt: skip


class PaymentActionsAdmin(ExportAdmin):
    """The buttons of a payment's page and of the list. Every one is a POST, and audited."""

    exported = EXPORTED
    export_name = "payments"
    actions = ("ask_provider",)
    change_form_outer_before_template = "admin/integrations/payment_actions.html"
    list_before_template = "admin/integrations/payment_list_tools.html"

    def get_urls(self) -> list[URLPattern]:
        """The buttons' URLs before Django's own."""
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/ask/", wrap(self.ask_view), name="integrations_payment_ask"),
            path("<int:pk>/done/", wrap(self.done_view), name="integrations_payment_done"),
            *super().get_urls(),
        ]

    def has_ask_permission(self, request: HttpRequest) -> bool:
        """Whoever may see payments and ask the provider about them."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm("integrations.ask_payment")

    @admin.action(description="Ask provider now", permissions=["ask"])
    def ask_provider(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Ask about the chosen payments, side by side."""
        payments = list(queryset[: MAX_ASKED + 1])
        if len(payments) > MAX_ASKED:
            messages.error(request, f"Choose at most {MAX_ASKED} payments to ask about.")
            return
        for payment, inquiry in zip(payments, ask_all(payments), strict=True):
            _tell(request, inquiry, f"{_name(payment)}: {inquiry.words}")

    def ask_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """The button of a payment's page."""
        payment = self._posted_for(request, pk)
        if isinstance(payment, HttpResponse):
            return payment
        [inquiry] = ask_all([payment])
        _tell(request, inquiry, inquiry.words)
        return HttpResponseRedirect(reverse("admin:integrations_payment_change", args=[pk]))

    def done_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Take a payment off the work list, with a note of what was found."""
        payment = self._posted_for(request, pk)
        if isinstance(payment, HttpResponse):
            return payment
        note = request.POST.get("note", "").replace("\x00", "").strip()
        finding = request.POST.get("finding", "")
        if not 3 <= len(note) <= 300:
            messages.error(request, "Note: write what you found, in 3 to 300 characters.")
        elif finding not in Finding.values:
            messages.error(request, "Finding: choose whether it was paid.")
        elif ledger.settle_attention(
            payment, note, seen=request.POST.get("reason", ""), finding=Finding(finding)
        ):
            messages.success(request, "Done. Your note is in the history.")
        else:
            messages.warning(
                request, "Nothing was changed: the reason is not the one that you saw. Look again."
            )
        return HttpResponseRedirect(reverse("admin:integrations_payment_change", args=[pk]))

    def _posted_for(self, request: HttpRequest, pk: int) -> Payment | HttpResponse:
        """The payment that a button was pressed for; 405 for anything but a POST.

        Raises PermissionDenied, and Http404 for what is outside of the user's businesses.
        """
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_ask_permission(request):
            raise PermissionDenied
        payment = self.get_queryset(request).filter(pk=pk).first()
        if payment is None:
            raise Http404("There is no such payment.")
        found: Payment = payment
        return found

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False,
        change: bool = False, form_url: str = "", obj: Any = None,
    ) -> HttpResponse:  # fmt: skip
        """With the buttons for those who may."""
        context["may_ask"] = obj is not None and self.has_ask_permission(request)
        context["why_not_asked"] = why_not_asked(obj) if obj is not None else ""
        return super().render_change_form(request, context, add, change, form_url, obj)


def ask_all(payments: Sequence[Payment]) -> list[Inquiry]:
    """Ask about each, side by side; audited. Asking takes 15 seconds at most."""
    if len(payments) == 1:
        inquiries = [_ask(payments[0])]
    else:
        with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="ask") as pool:
            inquiries = list(pool.map(_ask_in_thread, payments))
    for payment, inquiry in zip(payments, inquiries, strict=True):
        AuditEntry.objects.record(
            "payment.asked", target=payment, business=payment.business, detail=inquiry.words
        )
    return inquiries


def _ask(payment: Payment) -> Inquiry:
    try:
        return ask_now(payment)
    except IntegrationError as error:
        return Inquiry(False, error.message)


def _ask_in_thread(payment: Payment) -> Inquiry:
    try:
        return _ask(payment)
    finally:
        connections.close_all()


def _name(payment: Payment) -> str:
    return f"{payment.currency} {payment.amount:,.2f}, {payment.account_reference or payment.phone}"


def _tell(request: HttpRequest, inquiry: Inquiry, words: str) -> None:
    messages.add_message(request, messages.SUCCESS if inquiry.answered else messages.WARNING, words)
