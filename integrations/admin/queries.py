"""Questions to M-Pesa: what was asked, what was answered, and a form to ask."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.fields.json import KT
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations.admin.asking import ask_for, asking_context
from integrations.admin.badges import BADGE_CSS, Badge
from integrations.admin.exports import ExportAdmin
from integrations.admin.filters import BusinessFilter, DateFilter, WorkStateFilter
from integrations.admin.retry import RetryDeadAdmin
from integrations.models import Environment, MpesaQuery, QueryState
from integrations.payments import queries
from integrations.payments.query_states import OPEN

TONES = {
    QueryState.WAITING: "busy",
    QueryState.SENT: "busy",
    QueryState.ANSWERED: "good",
    QueryState.REFUSED: "bad",
    QueryState.UNANSWERED: "warn",
}


@admin.register(MpesaQuery)
class MpesaQueryAdmin(ExportAdmin, RetryDeadAdmin):
    """Every question, each try by itself."""

    list_display = (
        "created_shown", "kind", "about", "state_shown", "message", "short_code",
        "environment_shown", "business",
    )  # fmt: skip
    list_filter = ("state", "kind", "environment", DateFilter, BusinessFilter, WorkStateFilter)
    search_fields = ("receipt",)
    search_help_text = "The whole receipt, id of the question, or M-Pesa's conversation id"
    id_field = "public_id"
    export_name = "questions"
    exported = (
        "created_at", "public_id", "kind", "state", "receipt", "asked_originator_id",
        "short_code", "environment", "business", "try_number", "sent_at", "answered_at",
        "result_code", "result_text", "message", "told_status", "told_amount",
        "told_receipt", "originator_id", "conversation_id",
    )  # fmt: skip
    # As text: a plain look into JSON would make a number, and so a float, of an amount.
    computed: ClassVar[Any] = {
        "told_status": KT("answer__transaction_status"),
        "told_amount": KT("answer__amount"),
        "told_receipt": KT("answer__receipt"),
    }
    list_before_template = "admin/integrations/query_list_tools.html"
    change_form_outer_before_template = "admin/integrations/query_answer.html"
    fieldsets = (
        (None, {"fields": (
            "public_id", "kind", "receipt", "asked_originator_id", "payment_shown", "asked_by",
        )}),
        ("Where", {"fields": ("environment_shown", "business", "short_code")}),
        ("What M-Pesa said", {"fields": (
            "originator_id", "conversation_id", "result_code", "result_text",
        )}),
        ("When", {"fields": (
            "created_at", "sent_at", "answered_at", "try_number", "work_state",
            "next_attempt_at", "attempts", "work_error",
        )}),
    )  # fmt: skip

    class Media:
        css = BADGE_CSS
        js: ClassVar[Any] = ("integrations/refresh.js", "integrations/live.js")

    def get_urls(self) -> list[URLPattern]:
        """The form's address before Django's own."""
        view = self.admin_site.admin_view(self.ask_view)
        return [
            path("ask/", view, name="integrations_mpesaquery_ask"),
            *super().get_urls(),
        ]

    def has_ask_permission(self, request: HttpRequest) -> bool:
        """Whoever may see questions and ask them."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm("integrations.ask_mpesaquery")

    def ask_view(self, request: HttpRequest) -> HttpResponseBase:
        """Ask about the receipt that was typed; raises PermissionDenied."""
        receipt = request.POST.get("receipt", "").replace("\x00", "")
        return ask_for(
            request,
            partial(queries.ask_status, receipt=receipt),
            allowed=self.has_ask_permission(request),
            back="admin:integrations_mpesaquery_changelist",
        )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """With the form for those who may ask."""
        asking = asking_context(request, may_ask=self.has_ask_permission(request))
        return super().changelist_view(request, {**(extra_context or {}), **asking})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False,
        change: bool = False, form_url: str = "", obj: Any = None,
    ) -> HttpResponse:  # fmt: skip
        """With the answer, which comes while the page is open."""
        if obj is not None:
            context["answer"] = answer_lines(obj.answer)
            context["state_badge"] = state_badge(obj.state)
            context["is_open"] = obj.state in OPEN
            tries = queries.tries_of(obj).exclude(pk=obj.pk).order_by("try_number")
            context["other_tries"] = [
                (reverse("admin:integrations_mpesaquery_change", args=[each.pk]), each)
                for each in tries
            ]
        return super().render_change_form(request, context, add, change, form_url, obj)

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
        where = Q(environment__in=Environment.values)
        terms = Q(receipt=term.upper())
        for name in ("conversation_id", "originator_id"):
            terms |= where & Q(**{name: term})
        return found.filter(terms), False

    @admin.display(description="asked at")
    def created_shown(self, query: MpesaQuery) -> SafeString:
        """When, on one line."""
        moment = f"{timezone.localtime(query.created_at):%d %b %Y, %H:%M:%S}"
        return format_html('<span class="amount">{}</span>', moment)

    @admin.display(description="about")
    def about(self, query: MpesaQuery) -> str:
        """The transaction that was asked about; balances are of the short code."""
        return query.receipt or query.asked_originator_id or "-"

    @admin.display(description="state")
    def state_shown(self, query: MpesaQuery) -> SafeString:
        """The state as a badge."""
        return state_badge(query.state).render()

    @admin.display(description="payment", empty_value="-")
    def payment_shown(self, query: MpesaQuery) -> SafeString | None:
        """A link to the payment that was asked about."""
        if query.payment_id is None:
            return None
        url = reverse("admin:integrations_payment_change", args=[query.payment_id])
        return format_html('<a class="text-link" href="{}">{}</a>', url, str(query.payment))


def state_badge(state: str) -> Badge:
    """A question's state."""
    return Badge(str(QueryState(state).label), TONES.get(QueryState(state), "calm"))


def answer_lines(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """An answer as (name, words), what is empty left out."""
    lines = []
    for name, value in answer.items():
        if name == "accounts":
            lines += [(each["account"], _account_words(each)) for each in value]
        elif words := _words(value):
            lines.append((name.replace("_", " ").capitalize(), words))
    return lines


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return " ".join(str(part) for part in value.values() if part)
    return str(value)


def _account_words(account: dict[str, str]) -> str:
    parts = [
        f"{name} {account[name]}"
        for name in ("available", "current", "reserved", "uncleared")
        if account.get(name)
    ]
    return f"{account['currency']}: {', '.join(parts)}"
