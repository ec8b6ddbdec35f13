"""Deliveries: what was sent to whom, every try of it, and sending it again."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
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
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations.access import Scope
from integrations.admin.exports import ExportAdmin
from integrations.admin.filters import RecentValuesFilter
from integrations.admin.webhook_attempts import attempts_of, payload_of
from integrations.admin.webhook_filters import (
    DeliveryDateFilter,
    DeliveryFilter,
    EndpointBusinessFilter,
    EndpointFilter,
    narrow_to,
)
from integrations.admin.webhook_words import age, delivery_badge, delivery_link
from integrations.exceptions import IntegrationError
from integrations.models import DisabledReason, WebhookEvent
from integrations.webhooks.replay import deliver_again

DELIVER = "integrations.deliver_webhookevent"
# More than this is what a replay is for: at a bounded rate, and counted first.
MOST_AT_ONCE = 100
# Different words about the chosen ones.
MOST_TOLD = 5


@admin.register(WebhookEvent)
class WebhookEventAdmin(ExportAdmin):
    """One row for each event and endpoint; its page tells what became of every try."""

    list_display = (
        "created_shown", "event_type", "endpoint_shown", "status_shown", "tries_shown",
        "next_shown", "error_shown",
    )  # fmt: skip
    list_select_related = ("endpoint",)
    list_filter = (
        DeliveryFilter, EndpointFilter, ("event_type", RecentValuesFilter), DeliveryDateFilter,
        EndpointBusinessFilter,
    )  # fmt: skip
    search_fields = ("event_type",)
    search_help_text = "The event's id (webhook-id), whole"
    id_field = "message__event_id"
    business_field = "endpoint__business"
    actions = ("deliver_again",)
    export_name = "webhook events"
    exported = (
        "created_at", "message__event_id", "event_type", "endpoint__name", "endpoint__business",
        "status", "attempts", "next_attempt_at", "delivered_at", "last_error",
    )  # fmt: skip
    list_before_template = "admin/integrations/webhook_event_tools.html"
    change_form_outer_before_template = "admin/integrations/webhook_event_actions.html"
    change_form_outer_after_template = "admin/integrations/webhook_event_history.html"
    fields = (
        "message_shown", "event_type", "endpoint_shown", "status_shown", "created_shown",
        "delivered_shown", "tries_shown", "next_shown", "last_error",
    )  # fmt: skip

    def narrow_rows(self, rows: QuerySet[Any], scope: Scope) -> QuerySet[Any]:
        """By the business of the endpoint; nothing of one that was deleted."""
        known = rows.exclude(endpoint__disabled_reason=DisabledReason.DELETED)
        return narrow_to(scope, known, "endpoint__")

    def get_urls(self) -> list[URLPattern]:
        """The button's address before Django's own."""
        view = self.admin_site.admin_view(self.deliver_view)
        name = "integrations_webhookevent_deliver"
        return [path("<int:pk>/deliver/", view, name=name), *super().get_urls()]

    def has_deliver_permission(self, request: HttpRequest) -> bool:
        """Whoever may see deliveries and make them again."""
        return self.has_view_permission(request) and request.user.has_perm(DELIVER)

    def by_id(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        """By the id as receivers have it, or as the event has it."""
        return super().by_id(rows, text.removeprefix("msg_"))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By the id alone: a part of a type would look through the whole table."""
        term = search_term.replace("\x00", "").strip()
        if not term:
            return queryset, False
        try:
            return self.by_id(queryset, term), False
        except ValueError:
            return queryset.none(), False

    @admin.action(description="Deliver again", permissions=["deliver"])
    def deliver_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Make the chosen deliveries due now, each with the id that the receiver knows."""
        events = list(queryset[: MOST_AT_ONCE + 1])
        if len(events) > MOST_AT_ONCE:
            messages.error(request, f"Choose at most {MOST_AT_ONCE}, or start a replay.")
            return
        told = Counter(_again(request, event) for event in events)
        for (level, words), count in told.most_common(MOST_TOLD):
            noun = "1 delivery" if count == 1 else f"{count} deliveries"
            messages.add_message(request, level, f"{noun}: {words}")

    def deliver_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """The button of a delivery's page.

        Raises PermissionDenied, and Http404 for what is outside of the user's businesses.
        """
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_deliver_permission(request):
            raise PermissionDenied
        event = self.get_queryset(request).filter(pk=pk).first()
        if event is None:
            raise Http404("There is no such delivery.")
        messages.add_message(request, *_again(request, event))
        return HttpResponseRedirect(delivery_link(pk))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """With the way to a replay for those who may."""
        extra = {**(extra_context or {}), "may_replay": self.has_deliver_permission(request)}
        return super().changelist_view(request, extra)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False,
        change: bool = False, form_url: str = "", obj: Any = None,
    ) -> HttpResponse:  # fmt: skip
        """With the button, every attempt and the payload."""
        if obj is not None:
            context |= {
                "may_deliver": self.has_deliver_permission(request),
                "tries": attempts_of(obj),
                "payload": payload_of(obj),
            }
        return super().render_change_form(request, context, add, change, form_url, obj)

    @admin.display(description="published")
    def created_shown(self, event: WebhookEvent) -> SafeString:
        """When, on one line."""
        return _on_one_line(f"{timezone.localtime(event.created_at):%d %b %Y, %H:%M:%S}")

    @admin.display(description="delivered", empty_value="not yet")
    def delivered_shown(self, event: WebhookEvent) -> SafeString | None:
        """When it was taken."""
        if event.delivered_at is None:
            return None
        return _on_one_line(f"{timezone.localtime(event.delivered_at):%d %b %Y, %H:%M:%S}")

    @admin.display(description="tries")
    def tries_shown(self, event: WebhookEvent) -> int:
        """How many were made."""
        return event.attempts

    @admin.display(description="webhook-id")
    def message_shown(self, event: WebhookEvent) -> str:
        """The id that the receiver gets with every attempt."""
        return event.message.message_id

    @admin.display(description="endpoint")
    def endpoint_shown(self, event: WebhookEvent) -> SafeString:
        """To whom, and of which business."""
        url = reverse("admin:integrations_webhookendpoint_change", args=[event.endpoint_id])
        endpoint = event.endpoint
        return format_html('<a class="text-link" href="{}">{}</a>{}', url, endpoint.name,
                           f" ({endpoint.business})" if endpoint.business else "")  # fmt: skip

    @admin.display(description="status")
    def status_shown(self, event: WebhookEvent) -> SafeString:
        """The status as a badge."""
        return delivery_badge(event).render()

    @admin.display(description="next try", empty_value="-")
    def next_shown(self, event: WebhookEvent) -> SafeString | None:
        """In how long, or for how long it has been due."""
        due, now = event.next_attempt_at, timezone.now()
        if due is None:
            return None
        return _on_one_line(f"in {age(now, due)}" if due > now else f"due for {age(due, now)}")

    @admin.display(description="last error", empty_value="-")
    def error_shown(self, event: WebhookEvent) -> str | None:
        """Its beginning."""
        return (event.last_error or "")[:80] or None


def _on_one_line(text: str) -> SafeString:
    return format_html('<span class="amount">{}</span>', text)


def _again(request: HttpRequest, event: WebhookEvent) -> tuple[int, str]:
    """Deliver again; how that went, as a level and words."""
    try:
        done = deliver_again(event, actor=request.user)
    except IntegrationError as error:
        return messages.ERROR, error.message
    return messages.SUCCESS if done.is_due else messages.INFO, done.sentence
