"""The payment ledger: searchable, each payment with its history, what people may do with it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, NamedTuple

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations.admin.badges import Badge, approval_badge, payment_badge
from integrations.admin.filters import (
    AmountFilter,
    AttentionFilter,
    BusinessFilter,
    DateFilter,
    RecentValuesFilter,
    WorkStateFilter,
)
from integrations.admin.live import LivePaymentAdmin
from integrations.admin.pay_out import PayOutAdmin
from integrations.admin.payment_actions import PaymentActionsAdmin
from integrations.admin.push_payment import PushPaymentAdmin
from integrations.admin.theme import model_page
from integrations.approvals import latest_approval_of
from integrations.exceptions import InvalidInput
from integrations.models import Direction, Environment, Payment, PaymentEvent, PaymentState
from integrations.payments import sweep
from integrations.payments.opening import PROVIDER
from integrations.phone import kenyan_msisdn

# A payment has a dozen events; a listener gone mad must not make its page unreadable.
EVENTS_SHOWN = 200
# Of these it is told what every source says.
ASKED_ABOUT = (PaymentState.PENDING, PaymentState.UNKNOWN)


class Moment(NamedTuple):
    """One line of a payment's history, as the page shows it."""

    at: str
    kind: str
    move: str
    text: str
    details: str


def history_of(payment: Payment) -> list[Moment]:
    """What happened to the payment, oldest first."""
    return [
        Moment(
            # To the hundredth of a second: the order of things matters here.
            at=f"{timezone.localtime(event.at):%d %b %Y, %H:%M:%S.%f}"[:-4],
            kind=event.kind,
            move=" → ".join(state for state in (event.from_state, event.to_state) if state),
            text=event.text,
            details=json.dumps(event.data, ensure_ascii=False) if event.data else "",
        )
        for event in PaymentEvent.objects.filter(payment=payment)[:EVENTS_SHOWN]
    ]


def approval_shown(request: HttpRequest, payment: Payment) -> dict[str, Any]:
    """The newest request for its approval, or that of its file, for the payment's page."""
    found = latest_approval_of(payment) or latest_approval_of(payment.batch)
    page = model_page("integrations.approval")
    if found is None or page is None:
        return {}
    may_see = page.get_queryset(request).filter(pk=found.pk).exists()
    return {
        "approval": found,
        "approval_badge": approval_badge(found.state),
        "approval_url": reverse("admin:integrations_approval_change", args=[found.pk])
        if may_see and page.has_view_permission(request)
        else "",
    }


@admin.register(Payment)
class PaymentAdmin(PushPaymentAdmin, PayOutAdmin, LivePaymentAdmin, PaymentActionsAdmin):
    """Every payment, in every state, with its reference and receipt."""

    list_display = (
        "created_shown", "direction_shown", "amount_shown", "state_shown", "attention_shown",
        "payer_shown", "account_reference", "receipt", "environment_shown", "business",
    )  # fmt: skip
    list_filter = (
        "state", "direction", "product", "environment", AttentionFilter, DateFilter,
        AmountFilter, BusinessFilter, ("provider", RecentValuesFilter), WorkStateFilter,
    )  # fmt: skip
    # What is searched is said in `get_search_results`; without a name here there is no box.
    search_fields = ("account_reference",)
    search_help_text = (
        "Beginning of the reference, or the whole phone, receipt number, payment id or "
        "CheckoutRequestID"
    )
    id_field = "public_id"
    change_form_outer_after_template = "admin/integrations/payment_history.html"
    fieldsets = (
        (None, {"fields": (
            "public_id", "state_shown", "message", "attention", "finding", "amount_shown",
            "direction", "phone", "party_name", "party", "account_reference", "description",
            "occasion", "receipt", "charge",
        )}),
        ("Where", {"fields": (
            "environment_shown", "business", "provider", "product", "transaction_type",
            "short_code",
        )}),
        ("What the provider said", {"fields": (
            "checkout_id", "merchant_request_id", "originator_id", "conversation_id",
            "result_code", "result_text",
        )}),
        ("When", {"fields": (
            "created_at", "sent_at", "paid_at", "completed_at", "updated_at", "work_state",
            "next_attempt_at", "attempts", "work_error", "idempotency_key",
        )}),
    )  # fmt: skip

    @admin.display(description="created at")
    def created_shown(self, payment: Payment) -> SafeString:
        """When, on one line."""
        moment = f"{timezone.localtime(payment.created_at):%d %b %Y, %H:%M:%S}"
        return format_html('<span class="amount">{}</span>', moment)

    @admin.display(description="way")
    def direction_shown(self, payment: Payment) -> SafeString:
        """In or out, and by which product."""
        tone = "busy" if payment.direction == Direction.OUT else "calm"
        word = "Out" if payment.direction == Direction.OUT else "In"
        return format_html("{} {}", Badge(word, tone).render(), payment.get_product_display())

    @admin.display(description="phone", empty_value="-")
    def payer_shown(self, payment: Payment) -> str:
        """The other party: number and name, as far as they are known."""
        return " ".join(filter(None, (payment.phone or payment.party[:20], payment.party_name)))

    @admin.display(description="attention", empty_value="-")
    def attention_shown(self, payment: Payment) -> SafeString | None:
        """Whether a person has to look; the payment's page says why."""
        return Badge("Needs a person", "warn").render() if payment.attention else None

    @admin.display(description="state")
    def state_shown(self, payment: Payment) -> SafeString:
        """The state as a badge."""
        return payment_badge(payment.state).render()

    @admin.display(description="amount")
    def amount_shown(self, payment: Payment) -> SafeString:
        """Currency and amount."""
        amount = f"{payment.currency} {payment.amount:,.2f}"
        return format_html('<span class="amount">{}</span>', amount)

    def get_ordering(self, request: HttpRequest) -> Any:
        """Newest first; within days by the index of days, or old days would be far to look for."""
        if any(request.GET.get(name) for name in ("created_from", "created_to")):
            return ("-created_at", "-pk")
        return super().get_ordering(request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By what people have at hand, each through an index; a phone in whatever spelling."""
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
        """With the history, its approval and what was given back of it."""
        if obj is not None:
            context["history"] = history_of(obj)
            context["given_back"] = obj.reversals.order_by("-pk")[:EVENTS_SHOWN]
            context |= approval_shown(request, obj)
            if obj.state in ASKED_ABOUT or obj.attention:
                context["sources"] = sweep.told_by(obj)
                context["evidence"] = sweep.evidence_of(obj)
        return super().render_change_form(request, context, add, change, form_url, obj)


def _terms(term: str) -> Q:
    """What a search term may be. Ids are looked up as the unique indexes have them."""
    where = Q(provider=PROVIDER, environment__in=Environment.values)
    terms = (
        Q(account_reference__startswith=term)
        | (where & Q(receipt=term.upper()))
        | (where & Q(checkout_id=term))
    )
    with suppress(InvalidInput):
        terms |= Q(phone=kenyan_msisdn(term))
    return terms
