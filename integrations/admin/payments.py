"""The payment ledger: read-only, searchable, each payment with its history."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations.admin.badges import payment_badge
from integrations.admin.read_only import ReadOnlyAdmin
from integrations.exceptions import InvalidInput
from integrations.models import Payment, PaymentEvent
from integrations.phone import kenyan_msisdn

if TYPE_CHECKING:
    _Inline = admin.TabularInline[Any, Any]
    _Filter = admin.SimpleListFilter
else:
    _Inline, _Filter = admin.TabularInline, admin.SimpleListFilter


class AttentionFilter(_Filter):
    """The work list of people."""

    title = "attention"
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """One choice."""
        return [("yes", "Needs a person")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Payments that carry a reason."""
        return queryset.exclude(attention="") if self.value() == "yes" else queryset


class HistoryInline(_Inline):
    """What happened to the payment, oldest first."""

    model = PaymentEvent
    verbose_name_plural = "history"
    fields = readonly_fields = ("moment", "kind", "move", "text", "details")
    classes = ["history"]
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may see the payment."""
        return bool(request.user.has_perm("integrations.view_payment"))

    @admin.display(description="at")
    def moment(self, event: PaymentEvent) -> str:
        """To the hundredth of a second: the order of things matters here."""
        return f"{timezone.localtime(event.at):%d %b %Y, %H:%M:%S.%f}"[:-4]

    @admin.display(description="state")
    def move(self, event: PaymentEvent) -> str:
        """From where to where, empty for a mere note."""
        return " → ".join(state for state in (event.from_state, event.to_state) if state)

    @admin.display(description="details")
    def details(self, event: PaymentEvent) -> str:
        """The event's data as text."""
        return json.dumps(event.data, ensure_ascii=False) if event.data else ""


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    """Every payment, in every state, with its reference and receipt."""

    list_display = (
        "created_at", "amount_shown", "state_shown", "phone", "account_reference", "receipt",
        "environment_shown", "business", "attention",
    )  # fmt: skip
    list_filter = ("state", "environment", AttentionFilter, "business", "provider")
    search_fields = (
        "account_reference", "phone", "receipt", "checkout_id__exact",
    )  # fmt: skip
    search_help_text = "Reference, phone, receipt number, payment id or CheckoutRequestID"
    id_field = "public_id"
    date_hierarchy = "created_at"
    inlines = [HistoryInline]
    fieldsets = (
        (None, {"fields": (
            "public_id", "state_shown", "message", "attention", "amount_shown", "phone",
            "account_reference", "description", "receipt",
        )}),
        ("Where", {"fields": (
            "environment_shown", "business", "provider", "product", "transaction_type",
            "short_code",
        )}),
        ("What the provider said", {"fields": (
            "checkout_id", "merchant_request_id", "result_code", "result_text",
        )}),
        ("When", {"fields": (
            "created_at", "sent_at", "completed_at", "updated_at", "next_attempt_at", "attempts",
            "work_error", "idempotency_key",
        )}),
    )  # fmt: skip

    @admin.display(description="state", ordering="state")
    def state_shown(self, payment: Payment) -> SafeString:
        """The state as a badge."""
        return payment_badge(payment.state).render()

    @admin.display(description="amount", ordering="amount")
    def amount_shown(self, payment: Payment) -> SafeString:
        """Currency and amount."""
        amount = f"{payment.currency} {payment.amount:,.2f}"
        return format_html('<span class="amount">{}</span>', amount)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """A phone is found in whatever spelling it is typed."""
        with suppress(InvalidInput):
            search_term = kenyan_msisdn(search_term)
        return super().get_search_results(request, queryset, search_term)
