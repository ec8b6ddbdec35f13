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
from integrations.admin.read_only import ReadOnlyAdmin
from integrations.exceptions import IntegrationError
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
class KRAWriteAdmin(ReadOnlyAdmin):
    """Every report, newest first."""

    list_display = (
        "created_at", "kind", "key", "number", "state_shown", "message", "times_sent", "branch",
        "business",
    )  # fmt: skip
    list_filter = ("state", "kind", "environment", BranchFilter, BusinessFilter)
    list_select_related = ("branch",)
    search_fields = ("=key",)
    search_help_text = "The whole key or id of the report"
    id_field = "public_id"
    actions = ("send_again", "settle_taken", "settle_not_taken")
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

    @admin.action(description="In doubt: KRA has it", permissions=["resend"])
    def settle_taken(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """By a look into KRA's own book. Audited."""
        self._settle(request, queryset, taken=True)

    @admin.action(description="In doubt: KRA does not have it", permissions=["resend"])
    def settle_not_taken(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """By a look into KRA's own book. Audited."""
        self._settle(request, queryset, taken=False)

    def _settle(self, request: HttpRequest, queryset: QuerySet[Any], *, taken: bool) -> None:
        count = 0
        for write in queryset.order_by("pk")[:MOST]:
            try:
                settle(write, taken=taken)
                count += 1
            except IntegrationError as error:
                messages.warning(request, f"{write}: {error.message}")
        if count:
            messages.success(request, f"{count} reports are settled.")

    @admin.display(description="state")
    def state_shown(self, write: KRAWrite) -> SafeString:
        """As a badge."""
        return write_badge(write.state).render()
