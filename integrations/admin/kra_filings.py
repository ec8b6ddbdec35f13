"""Filings at KRA: what was filed, forms to file, and what became of one in doubt."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations.access import request_scope
from integrations.admin.badges import Badge
from integrations.admin.filters import AttentionFilter, BusinessFilter, DateFilter
from integrations.admin.kra_gava_form import FILING_FORMS, GavaAdmin, SettleFilingForm
from integrations.exceptions import IntegrationError
from integrations.kra import filings
from integrations.models import FilingKind, FilingState, KRAFiling

TONES = {
    FilingState.ACCEPTED: "good",
    FilingState.REFUSED: "bad",
    FilingState.UNKNOWN: "warn",
    FilingState.SENDING: "busy",
}
_NAME = "integrations_krafiling"
_PAGE = f"admin:{_NAME}_change"
_MOST_SHOWN = 20_000


@admin.register(KRAFiling)
class KRAFilingAdmin(GavaAdmin):
    """Every filing, newest first."""

    list_display = (
        "created_at", "kind", "kra_pin", "period", "state_shown", "acknowledgement",
        "payment_number", "amount", "message", "environment_shown", "business",
    )  # fmt: skip
    list_filter = ("state", "kind", "environment", AttentionFilter, DateFilter, BusinessFilter)
    search_fields = ("kra_pin__exact", "acknowledgement__exact", "payment_number__exact")
    search_help_text = "The whole PIN, acknowledgement number or PRN, or id"
    id_field = "public_id"
    list_before_template = "admin/integrations/kra_filing_tools.html"
    change_form_outer_before_template = "admin/integrations/kra_settle_actions.html"
    fieldsets = (
        (None, {"fields": (
            "public_id", "kind", "kra_pin", "period", "state_shown", "message", "attention",
        )}),
        ("What KRA said", {"fields": (
            "acknowledgement", "payment_number", "amount", "result_code",
        )}),
        ("What was sent", {"fields": ("body_shown",)}),
        ("Who and when", {"fields": (
            "environment_shown", "business", "requested_by", "created_at", "completed_at",
        )}),
    )  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        """The forms before Django's own."""
        wrap = self.admin_site.admin_view
        return [
            path("file/<slug:kind>/", wrap(self.file_view), name=f"{_NAME}_file"),
            path("<int:pk>/settle/", wrap(self.settle_view), name=f"{_NAME}_settle"),
            *super().get_urls(),
        ]

    def has_file_permission(self, request: HttpRequest) -> bool:
        """Whoever may see filings and file."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm("integrations.file_krafiling")

    def has_settle_permission(self, request: HttpRequest) -> bool:
        """Whoever may tell what became of one."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm("integrations.settle_krafiling")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """With the buttons for those who may."""
        kinds = FilingKind.choices if self.has_file_permission(request) else []
        return super().changelist_view(request, {**(extra_context or {}), "kinds": kinds})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False,
        change: bool = False, form_url: str = "", obj: Any = None,
    ) -> HttpResponse:  # fmt: skip
        """With the button for those who may, where a person is needed."""
        is_open = obj is not None and (obj.state == FilingState.UNKNOWN or obj.attention)
        context["may_settle"] = bool(is_open) and self.has_settle_permission(request)
        context["settle_url"] = f"admin:{_NAME}_settle"
        return super().render_change_form(request, context, add, change, form_url, obj)

    def file_view(self, request: HttpRequest, kind: str) -> HttpResponse:
        """File what was typed; raises PermissionDenied, and Http404 for an unknown kind."""
        if not self.has_file_permission(request):
            raise PermissionDenied
        if kind not in FILING_FORMS:
            raise Http404("There is no such kind of filing.")
        form = FILING_FORMS[kind](request_scope(request), request.POST or None)
        if form.is_valid():
            user: Any = request.user
            try:
                config = form.config()
                wanted = filings.read_filing(config, kind, form.wanted())
                row, is_new = filings.file(config, wanted, by=user)
            except IntegrationError as error:
                form.explain(error)
            else:
                _tell(request, row, is_new=is_new)
                return HttpResponseRedirect(reverse(_PAGE, args=[row.pk]))
        title = f"File: {FilingKind(kind).label}"
        return self.form_page(request, form, title=title, button="File it")

    def settle_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Tell what became of it; raises PermissionDenied, and Http404 for others' rows."""
        if not self.has_settle_permission(request):
            raise PermissionDenied
        row: KRAFiling | None = self.get_queryset(request).filter(pk=pk).first()
        if row is None:
            raise Http404("There is no such filing.")
        back = reverse(_PAGE, args=[pk])
        form = SettleFilingForm(request.POST or None)
        if form.is_valid():
            try:
                filings.settle_filing(row, accepted=form.is_there, **form.numbers())
            except IntegrationError as error:
                form.explain(error)
            else:
                messages.success(request, "It is settled.")
                return HttpResponseRedirect(back)
        return self.form_page(
            request, form, title="What became of this filing", button="Settle it", back=back,
            lines=["Look on iTax first. Where KRA does not have it, it may be filed again."],
        )  # fmt: skip

    @admin.display(description="state")
    def state_shown(self, filing: KRAFiling) -> SafeString:
        """The state as a badge."""
        state = FilingState(filing.state)
        return Badge(str(state.label), TONES[state]).render()

    @admin.display(description="body")
    def body_shown(self, filing: KRAFiling) -> SafeString:
        """What KRA was sent."""
        text = json.dumps(filing.body, indent=2, ensure_ascii=False)[:_MOST_SHOWN]
        return format_html('<pre class="overflow-x-auto">{}</pre>', text)


def _tell(request: HttpRequest, row: KRAFiling, *, is_new: bool) -> None:
    if not is_new:
        messages.info(request, "This was filed already, and here it is. Nothing was sent.")
    elif row.state == FilingState.ACCEPTED:
        messages.success(request, row.message or "KRA has it.")
    elif row.state == FilingState.REFUSED:
        messages.error(request, row.message)
    else:
        messages.warning(request, f"{row.message} {row.attention}".strip())
