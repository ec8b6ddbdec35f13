"""Approvals: what waits for a second person, with everything that person needs to decide."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import Media
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

from integrations import approvals
from integrations.access import request_scope
from integrations.admin.approval_context import context_of, when
from integrations.admin.badges import Badge, approval_badge
from integrations.admin.confirm import confirmation
from integrations.admin.filters import BusinessFilter, ChoiceFilter
from integrations.admin.read_only import ReadOnlyAdmin
from integrations.exceptions import IntegrationError
from integrations.models import Approval, ApprovalState
from integrations.work.clock import database_now

LIST_NAME = "admin:integrations_approval"
LIST = f"{LIST_NAME}_changelist"
PAGE = f"{LIST_NAME}_change"
MAX_AT_ONCE = 100
# Digits of the greatest id.
ID_DIGITS = 18


class StandingFilter(ChoiceFilter):
    """What waits, unless something else is chosen."""

    title = "standing"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Beside what waits: for you, by you, every end, everything."""
        ends = [(str(s.value), str(s.label)) for s in ApprovalState if s != ApprovalState.OPEN]
        return [("mine", "Waits for you"), ("asked", "Asked for by you"), *ends, ("all", "All")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        """The first one is what is shown without a choice."""
        chosen = self.value()
        everything = changelist.get_query_string(remove=[self.parameter_name])
        first = str(ApprovalState.OPEN.label)
        yield {"selected": chosen is None, "query_string": everything, "display": first}
        for value, label in self.lookup_choices:
            link = changelist.get_query_string({self.parameter_name: value})
            yield {"selected": chosen == str(value), "query_string": link, "display": label}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows of the choice."""
        chosen = self.value()
        if chosen == "mine":
            return approvals.decidable_by(request.user, queryset)
        if chosen == "asked":
            return queryset.filter(requested_by=request.user.pk)
        if chosen == "all":
            return queryset
        return queryset.filter(state=chosen or ApprovalState.OPEN)


@admin.register(Approval)
class ApprovalAdmin(ReadOnlyAdmin):
    """Every request for approval; people decide on its page, or about several at once."""

    list_display = (
        "created_shown", "amount_shown", "kind_shown", "summary", "requested_by_name",
        "state_shown", "business",
    )  # fmt: skip
    list_filter = (StandingFilter, BusinessFilter)
    search_fields = ("public_id",)
    search_help_text = "The whole id of the request"
    id_field = "public_id"
    actions = ("approve_chosen",)
    change_form_outer_before_template = "admin/integrations/approval.html"
    fieldsets = (
        ("For the record", {"fields": (
            "public_id", "kind_shown", "state_shown", "requested_by_name", "created_at",
            "expires_at", "decided_by_name", "decided_at", "reason", "business", "digest",
        )}),
    )  # fmt: skip

    @property
    def media(self) -> Media:
        """With the script that keeps a button from being pressed twice."""
        return super().media + Media(js=["integrations/live.js"])

    def get_urls(self) -> list[URLPattern]:
        """The buttons' URLs before Django's own."""
        wrap, name = self.admin_site.admin_view, "integrations_approval"
        return [
            path("approve/", wrap(self.many_view), name=f"{name}_many"),
            path("<int:pk>/approve/", wrap(self.approve_view), name=f"{name}_approve"),
            path("<int:pk>/reject/", wrap(self.reject_view), name=f"{name}_reject"),
            path("<int:pk>/withdraw/", wrap(self.withdraw_view), name=f"{name}_withdraw"),
            *super().get_urls(),
        ]

    # Who sees what

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may see approvals, or decide about any kind of them."""
        return super().has_view_permission(request, obj) or bool(approvals.kinds_of(request.user))

    def has_module_permission(self, request: HttpRequest) -> bool:
        """The same."""
        return self.has_view_permission(request)

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Whoever may decide about any kind."""
        return bool(approvals.kinds_of(request.user))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Who may only decide sees the kinds that they may decide about."""
        rows = super().get_queryset(request).select_related("content_type")
        if super().has_view_permission(request):
            return rows
        return rows.filter(kind__in=approvals.kinds_of(request.user))

    # The list

    @admin.display(description="asked at")
    def created_shown(self, approval: Approval) -> SafeString:
        """When, on one line."""
        return format_html('<span class="amount">{}</span>', when(approval.created_at))

    @admin.display(description="amount")
    def amount_shown(self, approval: Approval) -> SafeString:
        """Currency and amount."""
        amount = f"{approval.currency} {approval.amount:,.2f}"
        return format_html('<span class="amount">{}</span>', amount)

    @admin.display(description="kind")
    def kind_shown(self, approval: Approval) -> str:
        """What kind of thing it is."""
        return approvals.label_of(approval.kind)

    @admin.display(description="state")
    def state_shown(self, approval: Approval) -> SafeString:
        """As a badge."""
        return approval_badge(approval.state).render()

    def get_list_display(self, request: HttpRequest) -> Any:
        """With a column that tells the reader whether it waits for them."""
        scope, now = request_scope(request), database_now()

        @admin.display(description="you")
        def for_you(approval: Approval) -> SafeString | str:
            if not approval.is_open:
                return "-"
            why_not = approvals.why_not(approval, request.user, scope=scope, now=now)
            return why_not or Badge("Waits for you", "busy").render()

        return [*self.list_display[:2], for_you, *self.list_display[2:]]

    # The page

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False,
        change: bool = False, form_url: str = "", obj: Any = None,
    ) -> HttpResponse:  # fmt: skip
        """With the subject, what is like it, and the buttons for those who may."""
        if obj is not None:
            why_not = approvals.why_not(obj, request.user) if obj.is_open else ""
            is_maker = obj.is_open and obj.requested_by_id == request.user.pk
            context |= {
                "badge": approval_badge(obj.state),
                "kind": approvals.label_of(obj.kind),
                "about": context_of(
                    obj.subject, may_open=request.user.has_perm("integrations.view_payment")
                ),
                "why_not": why_not,
                "may_decide": obj.is_open and not why_not,
                "may_reject": obj.is_open and not is_maker and self._holds(request, obj),
                "may_withdraw": is_maker,
                "warning": approvals.no_approver_words(obj) if is_maker else "",
            }
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _holds(self, request: HttpRequest, approval: Approval) -> bool:
        return approval.kind in approvals.kinds_of(request.user)

    def approve_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """The button "Approve"."""
        return self._decide(request, pk, approve=True)

    def reject_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """The button "Reject", with its reason."""
        return self._decide(request, pk, approve=False)

    def withdraw_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """The maker's button; whoever asked may take it back without any further permission."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        mine = request_scope(request).narrow(Approval.objects.filter(requested_by=request.user.pk))
        approval = mine.filter(pk=pk).first()
        if approval is None:
            raise Http404("There is no such request of yours.")
        try:
            approvals.withdraw(approval, request.user, reason=request.POST.get("reason", ""))
        except IntegrationError as error:
            messages.warning(request, error.message)
        else:
            messages.success(request, "Taken back. Nothing was sent.")
        return HttpResponseRedirect(self._after(request, approval))

    def _after(self, request: HttpRequest, approval: Approval) -> str:
        """The page of the request, or the start page for those who may not see it."""
        if self.get_queryset(request).filter(pk=approval.pk).exists():
            return reverse(PAGE, args=[approval.pk])
        return reverse(f"{self.admin_site.name}:index")

    def _decide(self, request: HttpRequest, pk: int, *, approve: bool) -> HttpResponseBase:
        """Raises PermissionDenied, and Http404 for what is outside of the user's businesses."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_decide_permission(request):
            raise PermissionDenied
        approval = self.get_queryset(request).filter(pk=pk).first()
        if approval is None:
            raise Http404("There is no such approval.")
        reason = request.POST.get("reason", "") if not approve else ""
        try:
            approvals.decide(approval, request.user, approve=approve, reason=reason)
        except IntegrationError as error:
            messages.error(request, error.message)
        else:
            done = "Approved: it goes ahead." if approve else "Rejected: nothing is sent."
            messages.success(request, done)
        return HttpResponseRedirect(reverse(PAGE, args=[pk]))

    # Several at once

    @admin.action(description="Approve the chosen ones", permissions=["decide"])
    def approve_chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """Lead to the page that shows the total first."""
        ids = list(queryset.values_list("pk", flat=True)[:MAX_AT_ONCE])
        chosen = ",".join(str(pk) for pk in ids)
        return HttpResponseRedirect(f"{reverse(f'{LIST_NAME}_many')}?ids={chosen}")

    def many_view(self, request: HttpRequest) -> HttpResponseBase:
        """What the chosen ones come to; then, each by itself, the decisions.

        Raises PermissionDenied. Rows that the user can't decide about are left out, and counted.
        """
        if not self.has_decide_permission(request):
            raise PermissionDenied
        is_confirmed = request.method == "POST" and bool(request.POST.get("confirmed"))
        asked = request.POST if is_confirmed else request.GET
        ids = _ids(asked.get("ids", ""))
        chosen = self.get_queryset(request).filter(pk__in=ids)
        mine = list(approvals.decidable_by(request.user, chosen).order_by("pk"))
        left_out = len(ids) - len(mine)
        if not mine:
            messages.warning(request, "None of these waits for you.")
            return HttpResponseRedirect(reverse(LIST))
        if is_confirmed:
            _approve_all(request, mine)
            return HttpResponseRedirect(reverse(LIST))
        return confirmation(
            self, request, title=f"Approve {_requests(len(mine))}", back=reverse(LIST),
            lines=_lines(mine, left_out), button=f"Approve {_totals(mine)}",
            values={"ids": ",".join(str(row.pk) for row in mine)},
        )  # fmt: skip


def _ids(text: str) -> list[int]:
    parts = [part for part in text.split(",") if part.isascii() and part.isdigit()]
    return [int(part) for part in parts[:MAX_AT_ONCE] if len(part) <= ID_DIGITS]


def _approve_all(request: HttpRequest, rows: list[Approval]) -> None:
    done = []
    for row in rows:
        try:
            done.append(approvals.decide(row, request.user, approve=True))
        except IntegrationError as error:
            messages.error(request, f"{_name(row)}: {error.message}")
    if done:
        messages.success(request, f"Approved: {_totals(done)} in {_requests(len(done))}.")


def _lines(rows: list[Approval], left_out: int) -> list[str]:
    lines = [f"{_totals(rows)} in {_requests(len(rows))}:", *(_name(row) for row in rows)]
    if left_out:
        lines.append(
            f"{_requests(left_out)} of those you chose are left out: they are decided already, "
            "were asked for by you, or are not yours to decide."
        )
    return lines


def _totals(rows: list[Approval]) -> str:
    """ "KES 4,500.00", or several sums where there are several currencies."""
    sums: dict[str, Decimal] = {}
    for row in rows:
        sums[row.currency] = sums.get(row.currency, Decimal()) + row.amount
    return " and ".join(f"{currency} {total:,.2f}" for currency, total in sorted(sums.items()))


def _name(row: Approval) -> str:
    return f"{row.currency} {row.amount:,.2f}, {row.summary}, asked for by {row.requested_by_name}"


def _requests(count: int) -> str:
    return f"{count:,} request{'' if count == 1 else 's'}"
