"""Reports to KRA beside invoices: where each stands, why, and sending one again."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from integrations.admin.badges import Badge
from integrations.admin.filters import BusinessFilter
from integrations.admin.kra_filters import BranchFilter
from integrations.admin.kra_settle_form import OutcomeForm
from integrations.admin.kra_settling import SettleAdmin
from integrations.kra.writes import resend, settle
from integrations.models import KRAWrite, WriteState

TONES: dict[str, str] = {
    WriteState.QUEUED: "busy",
    WriteState.SENDING: "busy",
    WriteState.IN_DOUBT: "warn",
    WriteState.DONE: "good",
    WriteState.REJECTED: "bad",
}
MOST = 200


def write_badge(state: str) -> Badge:
    """A report's state."""
    label = WriteState(state).label if state in WriteState.values else state
    return Badge(str(label), TONES.get(state, "calm"))


@admin.register(KRAWrite)
class KRAWriteAdmin(SettleAdmin):
    """Every report, newest first."""

    list_display = (
        "created_at", "kind", "key", "number", "state_shown", "message", "times_sent", "branch",
        "business",
    )  # fmt: skip
    list_filter = ("state", "kind", "environment", BranchFilter, BusinessFilter)
    list_select_related = ("branch",)
    list_left_out = ("document", "body", "branch__details")
    search_fields = ("=key",)
    search_help_text = "The whole key or id of the report"
    id_field = "public_id"
    actions = ("send_again",)
    change_form_outer_before_template = "admin/integrations/kra_settle_actions.html"
    fieldsets = (
        (None, {"fields": (
            "kind", "key", "state_shown", "number", "message", "attention", "result_code",
            "result_text",
        )}),
        ("What was sent", {"fields": ("document", "body", "times_sent", "sent_at",
                                      "completed_at")}),
        ("For the record", {"fields": (
            "public_id", "branch", "environment_shown", "business", "requested_by", "created_at",
            "updated_at",
        )}),
    )  # fmt: skip

    def has_resend_permission(self, request: HttpRequest) -> bool:
        """Whoever may see reports and send them again."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm("integrations.resend_krawrite")

    @admin.action(description="Send the rejected ones again, those in doubt at once",
                  permissions=["resend"])  # fmt: skip
    def send_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """What is done or waits is left alone."""
        chosen = list(queryset.values_list("pk", flat=True)[:MOST])
        count = resend(KRAWrite.objects.filter(pk__in=chosen))
        level = messages.SUCCESS if count else messages.WARNING
        messages.add_message(request, level, f"{count} reports are sent again.")

    def is_open(self, row: KRAWrite) -> bool:
        """Whether KRA's answer was lost."""
        return row.state == WriteState.IN_DOUBT

    def settle_form(self, row: KRAWrite, data: Any) -> OutcomeForm:
        """Whether KRA has it, no more: a report gets no receipt."""
        return OutcomeForm(data)

    def settle_title(self, row: KRAWrite) -> str:
        """The page's heading."""
        return f"Settle {row.get_kind_display().lower()} {row.key}"

    def settle_lines(self, row: KRAWrite) -> list[str]:
        """What follows."""
        number = "" if row.number is None else f"Its number is {row.number}. "
        return [
            "Look into KRA's own book first: by what you say here the branch's reports go on.",
            f"{number}If KRA does not have it, it is rejected, and its number goes to the next.",
        ]

    def settle_row(self, row: KRAWrite, form: Any, by: Any) -> None:
        """Take the person's word."""
        settle(row, taken=form.is_there, note=form.cleaned_data["note"])

    @admin.display(description="state")
    def state_shown(self, write: KRAWrite) -> SafeString:
        """As a badge."""
        return write_badge(write.state).render()
