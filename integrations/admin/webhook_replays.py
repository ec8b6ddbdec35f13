"""Replays: counted first, confirmed, and followed on a page while they run."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from integrations.access import Scope
from integrations.admin.badges import Badge
from integrations.admin.confirm import confirmation
from integrations.admin.money_form import TEMPLATE
from integrations.admin.read_only import ReadOnlyAdmin
from integrations.admin.webhook_events import DELIVER
from integrations.admin.webhook_replay_form import ReplayForm, told
from integrations.exceptions import IntegrationError
from integrations.models import ReplayState, WebhookReplay
from integrations.webhooks.replay import CountChanged, cancel_replay, count_replay, start_replay
from integrations.work import WorkState

PAGE = "admin:integrations_webhookreplay_change"
START = "admin:integrations_webhookreplay_start"
TONES = {ReplayState.RUNNING: "busy", ReplayState.FINISHED: "good", ReplayState.CANCELLED: "calm"}
# What a link may fill in.
FROM_LINK = ("endpoint", "business", "status", "event_type", "since", "until")


@admin.register(WebhookReplay)
class WebhookReplayAdmin(ReadOnlyAdmin):
    """Every replay, who asked for it, and how far it is."""

    list_display = (
        "created_at", "endpoint_shown", "state_shown", "progress_shown", "requested_by_name",
        "finished_at",
    )  # fmt: skip
    list_select_related = ("endpoint",)
    list_filter = ("state",)
    id_field = "public_id"
    list_before_template = "admin/integrations/webhook_replay_tools.html"
    change_form_outer_before_template = "admin/integrations/webhook_replay.html"
    fields = (
        "public_id", "endpoint_shown", "which_shown", "includes_missed", "rate_per_second",
        "requested_by_name", "created_at", "finished_at",
    )  # fmt: skip

    class Media:
        js = ("integrations/refresh.js",)

    def narrow_rows(self, rows: QuerySet[Any], scope: Scope) -> QuerySet[Any]:
        """By business; of an endpoint for every business only to people who see every one."""
        if scope.is_all:
            return rows
        plain = Q(endpoint=None) | Q(endpoint__every_business=False)
        return scope.narrow(rows).filter(plain)

    def get_urls(self) -> list[URLPattern]:
        """The form and the cancel button before Django's own."""
        wrap = self.admin_site.admin_view
        name = "integrations_webhookreplay"
        return [
            path("start/", wrap(self.start_view), name=f"{name}_start"),
            path("<int:pk>/cancel/", wrap(self.cancel_view), name=f"{name}_cancel"),
            *super().get_urls(),
        ]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Django's, or whoever may start one."""
        return super().has_view_permission(request, obj) or self.has_deliver_permission(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whoever may see the list."""
        return self.has_view_permission(request)

    def has_deliver_permission(self, request: HttpRequest) -> bool:
        """Whoever may make deliveries again."""
        return request.user.has_perm(DELIVER)

    def start_view(self, request: HttpRequest) -> HttpResponseBase:
        """The form; then how many these are; and then, confirmed, the replay's page."""
        if not self.has_deliver_permission(request):
            raise PermissionDenied
        is_sent = request.method == "POST" and "rate_per_second" in request.POST
        if not is_sent:
            initial = {name: request.GET[name] for name in FROM_LINK if name in request.GET}
            return self._form_page(request, ReplayForm(request, None, initial))
        form = ReplayForm(request, request.POST)
        if not form.is_valid():
            return self._form_page(request, form)
        try:
            if request.POST.get("confirmed"):
                return self._start(request, form)
            return self._ask(request, form, count_replay(form.chosen))
        except CountChanged as changed:
            messages.warning(request, changed.message)
            return self._ask(request, form, changed.count)
        except IntegrationError as error:
            form.add_error(None, error.message)
            return self._form_page(request, form)

    def _start(self, request: HttpRequest, form: ReplayForm) -> HttpResponseBase:
        expected = request.POST.get("expected_count", "")
        is_number = expected.isascii() and expected.isdigit() and len(expected) < 19
        replay = start_replay(
            form.chosen,
            expected_count=int(expected) if is_number else -1,
            actor=request.user,
            rate_per_second=form.cleaned_data["rate_per_second"],
        )
        messages.success(request, "The replay has started. This page shows how far it is.")
        return HttpResponseRedirect(reverse(PAGE, args=[replay.pk]))

    def _ask(self, request: HttpRequest, form: ReplayForm, count: int) -> HttpResponseBase:
        if not count:
            form.add_error(None, "Nothing fits: no delivery would be made again.")
            return self._form_page(request, form)
        noun = "delivery" if count == 1 else "deliveries"
        rate = form.cleaned_data["rate_per_second"]
        return confirmation(
            self, request, title=f"Replay {count:,} {noun}?", back=reverse(START),
            lines=told(form.chosen, count, rate), button=f"Replay {count:,} {noun}",
            values={**form.carried(), "expected_count": str(count)},
        )  # fmt: skip

    def _form_page(self, request: HttpRequest, form: ReplayForm) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Replay deliveries",
            "lines": [
                "Deliveries of this filter are made again, batch by batch.",
                "First you are shown how many these are. Nothing happens before you confirm.",
            ],
            "button": "Count them",
            "form": form,
            "opts": self.opts,
            "media": self.media,
        }
        return TemplateResponse(request, TEMPLATE, context)

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Stop one; what is due already still goes out.

        Raises PermissionDenied, and Http404 for what is outside of the user's businesses.
        """
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_deliver_permission(request):
            raise PermissionDenied
        replay = self.get_queryset(request).filter(pk=pk).first()
        if replay is None:
            raise Http404("There is no such replay.")
        try:
            cancel_replay(replay, actor=request.user)
        except IntegrationError as error:
            messages.info(request, error.message)
        else:
            messages.success(request, "Cancelled. What was due already still goes out.")
        return HttpResponseRedirect(reverse(PAGE, args=[pk]))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """With the way to a new one for those who may."""
        extra = {**(extra_context or {}), "may_replay": self.has_deliver_permission(request)}
        return super().changelist_view(request, extra)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False,
        change: bool = False, form_url: str = "", obj: Any = None,
    ) -> HttpResponse:  # fmt: skip
        """With how far it is."""
        if obj is not None:
            is_running = obj.state == ReplayState.RUNNING
            context |= {
                "badge": _badge(obj),
                "percent": min(100, 100 * obj.done // obj.total) if obj.total else 0,
                "is_followed": is_running and obj.work_state != WorkState.DEAD,
                "may_cancel": is_running and self.has_deliver_permission(request),
            }
        return super().render_change_form(request, context, add, change, form_url, obj)

    @admin.display(description="endpoint")
    def endpoint_shown(self, replay: WebhookReplay) -> str:
        """To whom."""
        if replay.endpoint is not None:
            return replay.endpoint.name
        return f"All of {replay.business or 'the installation'}"

    @admin.display(description="state")
    def state_shown(self, replay: WebhookReplay) -> SafeString:
        """The state as a badge."""
        return _badge(replay).render()

    @admin.display(description="made due")
    def progress_shown(self, replay: WebhookReplay) -> str:
        """How many of how many."""
        return f"{replay.done:,} of {replay.total:,}"

    @admin.display(description="which")
    def which_shown(self, replay: WebhookReplay) -> str:
        """The filter, in words."""
        names = ("status", "event_type", "since", "until")
        used = [f"{name.replace('_', ' ')} {replay.filters[name]}"
                for name in names if replay.filters.get(name)]  # fmt: skip
        return "; ".join(used) or "All of them"


def _badge(replay: WebhookReplay) -> Badge:
    if replay.state == ReplayState.RUNNING and replay.work_state == WorkState.DEAD:
        return Badge("Given up", "bad")
    state = ReplayState(replay.state)
    return Badge(str(state.label), TONES[state])
