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
from integrations.admin.kra_form_page import form_page
from integrations.admin.kra_gava_form import FILING_FORMS, GavaAdmin, SettleFilingForm
from integrations.admin.kra_settling import SettleAdmin
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
_LIST = f"admin:{_NAME}_changelist"
_MOST_SHOWN = 20_000


@admin.register(KRAFiling)
class KRAFilingAdmin(GavaAdmin, SettleAdmin):
    """Every filing, newest first."""

    list_display = (
        "created_at", "kind", "kra_pin", "period", "state_shown", "acknowledgement",
        "payment_number", "amount", "message", "environment_shown", "business",
    )  # fmt: skip
    list_filter = ("state", "kind", "environment", AttentionFilter, DateFilter, BusinessFilter)
    list_left_out = ("body", "response_payload")
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
            *super().get_urls(),
        ]

    def has_file_permission(self, request: HttpRequest) -> bool:
        """Whoever may see filings and file."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm("integrations.file_krafiling")

    def is_open(self, row: KRAFiling) -> bool:
        """Whether a person is needed."""
        return row.state == FilingState.UNKNOWN or bool(row.attention)

    def settle_form(self, row: KRAFiling, data: Any) -> SettleFilingForm:
        """With KRA's numbers."""
        return SettleFilingForm(data)

    def settle_title(self, row: KRAFiling) -> str:
        """The page's heading."""
        return "What became of this filing"

    def settle_lines(self, row: KRAFiling) -> list[str]:
        """What follows."""
        return ["Look on iTax first. Where KRA does not have it, it may be filed again."]

    def settle_row(self, row: KRAFiling, form: Any, by: Any) -> None:
        """Take the person's word."""
        filings.settle_filing(row, accepted=form.is_there, **form.numbers())

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """With the buttons for those who may."""
        kinds = FilingKind.choices if self.has_file_permission(request) else []
        return super().changelist_view(request, {**(extra_context or {}), "kinds": kinds})

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
        return form_page(self, request, form, title=title, button="File it", back=reverse(_LIST))

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
