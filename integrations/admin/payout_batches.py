"""Payout files: how far each is, and what people do with it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.forms import Media
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    JsonResponse,
)
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations.admin.approval_context import when
from integrations.admin.badges import Badge, payment_badge
from integrations.admin.csv_export import csv_response
from integrations.admin.filters import BusinessFilter
from integrations.admin.payout_file_form import PayoutFileAdmin
from integrations.admin.retry import RetryDeadAdmin
from integrations.approvals import latest_approval_of
from integrations.exceptions import IntegrationError
from integrations.models import AuditEntry, BatchState, PaymentState, PayoutBatch
from integrations.payments.batches import control
from integrations.payments.batches.run import progress

TONES = {
    BatchState.AWAITING_APPROVAL: "warn",
    BatchState.RUNNING: "busy",
    BatchState.PAUSED: "warn",
    BatchState.CANCELLING: "busy",
    BatchState.FINISHED: "good",
    BatchState.CANCELLED: "calm",
}
RESULTS = (
    "phone", "party_name", "amount", "currency", "account_reference", "description", "state",
    "receipt", "charge", "result_code", "message", "public_id", "sent_at", "completed_at",
)  # fmt: skip
# In which states a button does something.
PAUSABLE = {BatchState.RUNNING}
RESUMABLE = {BatchState.PAUSED}
CANCELLABLE = {BatchState.AWAITING_APPROVAL, BatchState.RUNNING, BatchState.PAUSED}


@dataclass(frozen=True, slots=True)
class Share:
    """How many of a file's payouts are in one state."""

    badge: Badge
    count: int
    total: Decimal
    url: str


@admin.register(PayoutBatch)
class PayoutBatchAdmin(PayoutFileAdmin, RetryDeadAdmin):
    """Every payout file; its page follows the rows."""

    list_display = (
        "created_shown", "name", "count", "total_shown", "state_shown", "requested_by_name",
        "business",
    )  # fmt: skip
    list_filter = ("state", "environment", BusinessFilter)
    search_fields = ("public_id",)
    search_help_text = "The whole id of the file"
    id_field = "public_id"
    list_before_template = "admin/integrations/payout_batch_tools.html"
    change_form_outer_before_template = "admin/integrations/payout_batch.html"
    fieldsets = (
        ("For the record", {"fields": (
            "public_id", "name", "state_shown", "message", "count", "total_shown", "command",
            "short_code", "environment_shown", "business", "requested_by_name", "created_at",
            "ended_at", "digest", "idempotency_key", "work_state", "next_attempt_at", "work_error",
        )}),
    )  # fmt: skip

    @property
    def media(self) -> Media:
        """With the script by which the page follows its rows."""
        return super().media + Media(js=["integrations/live.js"])

    def get_urls(self) -> list[URLPattern]:
        """The buttons' URLs before Django's own."""
        wrap, name = self.admin_site.admin_view, "integrations_payoutbatch"
        return [
            path("<int:pk>/live/", wrap(self.live_view), name=f"{name}_live"),
            path("<int:pk>/results/", wrap(self.results_view), name=f"{name}_results"),
            path("<int:pk>/pause/", wrap(self.pause_view), name=f"{name}_pause"),
            path("<int:pk>/resume/", wrap(self.resume_view), name=f"{name}_resume"),
            path("<int:pk>/cancel/", wrap(self.cancel_view), name=f"{name}_cancel"),
            path("<int:pk>/retry/", wrap(self.retry_view), name=f"{name}_retry"),
            *super().get_urls(),
        ]

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Whoever may see payout files and take payments out."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm("integrations.export_payment")

    @admin.display(description="given at")
    def created_shown(self, batch: PayoutBatch) -> SafeString:
        """When, on one line."""
        return format_html('<span class="amount">{}</span>', when(batch.created_at))

    @admin.display(description="total")
    def total_shown(self, batch: PayoutBatch) -> SafeString:
        """Currency and total."""
        total = f"{batch.currency} {batch.total:,.2f}"
        return format_html('<span class="amount">{}</span>', total)

    @admin.display(description="state")
    def state_shown(self, batch: PayoutBatch) -> SafeString:
        """As a badge."""
        return _badge(batch).render()

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """With the link to the form for those who may."""
        extra = {**(extra_context or {}), "may_give": self.has_give_permission(request)}
        return super().changelist_view(request, extra)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False,
        change: bool = False, form_url: str = "", obj: Any = None,
    ) -> HttpResponse:  # fmt: skip
        """With the progress, and the buttons that do something now for those who may."""
        if obj is not None:
            may = self.has_give_permission(request)
            approval = latest_approval_of(obj)
            context |= {
                "badge": _badge(obj),
                "shares": shares_of(obj),
                "approval": approval,
                "live_url": reverse("admin:integrations_payoutbatch_live", args=[obj.pk]),
                "live_state": _live_state(obj),
                "may_pause": may and obj.state in PAUSABLE,
                "may_resume": may and obj.state in RESUMABLE,
                "may_cancel": may and obj.state in CANCELLABLE,
                "retryable": control.to_retry(obj).count() if may and obj.is_over else 0,
                "may_export": self.has_export_permission(request),
            }
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _find(self, request: HttpRequest, pk: int) -> PayoutBatch:
        """Raises PermissionDenied, and Http404 for what is outside of the user's businesses."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        batch = self.get_queryset(request).filter(pk=pk).first()
        if batch is None:
            raise Http404("There is no such payout file.")
        found: PayoutBatch = batch
        return found

    def live_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        """`{"state", "ended"}` for the page's script."""
        batch = self._find(request, pk)
        answer = JsonResponse({"state": _live_state(batch), "ended": batch.is_over})
        answer["Cache-Control"] = "no-store"
        return answer

    def results_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Every row with what became of it, as a file; told in the trail."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        batch = self._find(request, pk)
        if not self.has_export_permission(request):
            raise PermissionDenied
        rows = batch.rows.order_by("pk")
        AuditEntry.objects.record(
            "payout_file.exported", target=batch, business=batch.business,
            detail=f"{batch.count} rows.",
        )  # fmt: skip
        values = rows.values_list(*RESULTS).iterator(chunk_size=2000)
        return csv_response(f"payout-file-{batch.public_id}.csv", RESULTS, values)

    def pause_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """The button "Pause"."""
        return self._act(request, pk, control.pause, "Paused: no further row goes out.")

    def resume_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """The button "Go on"."""
        return self._act(request, pk, control.resume, "It goes on.")

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """The button "Cancel what is not sent"."""
        done = "Cancelled: what is not sent yet never is."
        return self._act(request, pk, control.cancel, done)

    def retry_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """The button "Pay the failed rows again": leads to the new file."""
        return self._act(request, pk, control.retry, "A new file of the rows that failed.")

    def _act(self, request: HttpRequest, pk: int, act: Any, done: str) -> HttpResponseBase:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        batch = self._find(request, pk)
        if not self.has_give_permission(request):
            raise PermissionDenied
        try:
            batch = act(batch, request.user)
        except IntegrationError as error:
            messages.warning(request, error.message)
        else:
            messages.success(request, done)
        return HttpResponseRedirect(reverse("admin:integrations_payoutbatch_change",
                                            args=[batch.pk]))  # fmt: skip


def _badge(batch: PayoutBatch) -> Badge:
    return Badge(batch.get_state_display(), TONES[BatchState(batch.state)])


def shares_of(batch: PayoutBatch) -> list[Share]:
    """How the rows are spread over the states, in the states' order; each leads to its rows."""
    found = progress(batch)
    url = reverse("admin:integrations_payment_changelist")
    return [
        Share(
            payment_badge(state), found[state][0], Decimal(str(found[state][1] or 0)),
            f"{url}?batch__id__exact={batch.pk}&state__exact={state}",
        )
        for state in PaymentState.values
        if state in found
    ]  # fmt: skip


def _live_state(batch: PayoutBatch) -> str:
    """Changes with the file and with the state of any of its rows."""
    spread = ",".join(f"{state}{count}" for state, (count, _) in sorted(progress(batch).items()))
    return f"{batch.state}:{spread}"
