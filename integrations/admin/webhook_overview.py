"""Two pages beside the endpoints: what is stuck, since when and why; and the event catalogue."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from integrations.access import request_scope
from integrations.admin.badges import Badge
from integrations.admin.base import HubAdmin
from integrations.admin.theme import model_page
from integrations.admin.webhook_words import BOUND, age, clock, endpoint_badge, host_of
from integrations.events.catalogue import EventType, event_types
from integrations.models import WebhookEndpoint, WebhookEvent
from integrations.webhooks.status import MINUTES, Overview, Stuck, overview

ENDPOINTS = "admin:integrations_webhookendpoint"
DELIVERIES = "admin:integrations_webhookevent_changelist"
# Which button helps where: those of the endpoint's own page.
HELP: dict[str, tuple[str, ...]] = {
    "gone": ("test", "enable"), "failed": ("test", "enable"), "off": ("enable",),
    "paused": ("resume",), "breaker": ("test",), "retry": ("test",), "order": ("test",),
}  # fmt: skip
WORDS = {"test": "Send test event", "enable": "Enable", "resume": "Resume"}
# What needs nobody: it moves by itself, or nothing waits.
CALM = ("moving", "idle", "rate")
STATES = (
    ("active", "active", "active"), ("failing", "failing", "failing"),
    ("breaker_open", "breaker open", "open"), ("paused", "paused", "paused"),
    ("off_failing", "off: failed too long", "failing"), ("off_gone", "off: 410 Gone", "failing"),
    ("off_by_hand", "off by hand", "disabled"),
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One endpoint of the page. `buttons` are (words, address) of what helps."""

    name: str
    host: str
    business: str
    url: str
    badge: Badge
    waiting: str
    waiting_url: str
    since: str
    age: str
    why: str
    remedy: str
    dead: int
    dead_url: str
    buttons: list[tuple[str, str]]
    replay_url: str
    is_calm: bool


class OverviewAdmin(HubAdmin):
    """Adds the pages' addresses to those of the endpoints."""

    def get_urls(self) -> list[URLPattern]:
        """Before Django's own."""
        wrap = self.admin_site.admin_view
        name = "integrations_webhookendpoint"
        return [
            path("stuck/", wrap(self.stuck_view), name=f"{name}_stuck"),
            path("catalogue/", wrap(self.catalogue_view), name=f"{name}_catalogue"),
            *super().get_urls(),
        ]

    def stuck_view(self, request: HttpRequest) -> HttpResponseBase:
        """Every endpoint for which something waits, the longest first; raises PermissionDenied."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        scope = request_scope(request)
        found = overview(scope)
        lines = [self._line(request, row) for row in found.rows]
        context = {
            **self.admin_site.each_context(request),
            "title": "Webhooks: what is stuck, since when, why",
            "found": found,
            "lines": [line for line in lines if not line.is_calm],
            "calm": [line for line in lines if line.is_calm],
            "may_see_events": _sees_events(request),
            "summary": summary(found),
            "states": _states(found),
            "minutes": MINUTES,
            "at": timezone.now(),
            "list_url": reverse(f"{ENDPOINTS}_changelist"),
            "waiting_url": f"{reverse(DELIVERIES)}?status=waiting",
            "dead_url": f"{reverse(DELIVERIES)}?status=failed",
            "opts": self.opts,
            "media": self.media,
        }
        return TemplateResponse(request, "admin/integrations/webhook_stuck.html", context)

    def _line(self, request: HttpRequest, row: Stuck) -> Line:
        endpoint = row.endpoint
        may_act = self.has_change_permission(request, endpoint)
        buttons = [(WORDS[act], reverse(f"{ENDPOINTS}_{act}", args=[endpoint.pk]))
                   for act in HELP.get(row.kind, ()) if may_act]  # fmt: skip
        may_replay = row.kind == "retry" and request.user.has_perm(
            "integrations.deliver_webhookevent"
        )
        again = urlencode({"endpoint": endpoint.pk, "status": "retrying"})
        return Line(
            name=endpoint.name, host=host_of(endpoint.url),
            business=_whose(endpoint), badge=endpoint_badge(endpoint),
            url=reverse(f"{ENDPOINTS}_change", args=[endpoint.pk]),
            waiting=row.waiting_text, waiting_url=_rows(endpoint, "waiting"),
            since=clock(row.since) if row.since else "", age=age(row.since) if row.since else "",
            why=row.why, remedy=row.remedy,
            dead=_dead_of(endpoint), dead_url=_rows(endpoint, "failed"), buttons=buttons,
            replay_url=f"{reverse('admin:integrations_webhookreplay_start')}?{again}"
            if may_replay else "",
            is_calm=row.kind in CALM,
        )  # fmt: skip

    def catalogue_view(self, request: HttpRequest) -> HttpResponseBase:
        """Every event type with its schema and an example; raises PermissionDenied."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        groups: dict[str, list[dict[str, Any]]] = {}
        for each in sorted(event_types(), key=lambda one: one.name):
            groups.setdefault(_group_of(each), []).append(_shown(each))
        context = {
            **self.admin_site.each_context(request),
            "title": "Event catalogue",
            "groups": sorted(groups.items()),
            "opts": self.opts,
            "media": self.media,
        }
        return TemplateResponse(request, "admin/integrations/webhook_catalogue.html", context)


def summary(found: Overview) -> str:
    """The page in one sentence."""
    waiting = _more(found.waiting, is_more=found.waiting_is_more)
    if not found.waiting:
        return "Nothing waits."
    oldest = f", the oldest for {age(found.oldest)}" if found.oldest else ""
    noun = "delivery waits" if found.waiting == 1 else "deliveries wait"
    return f"{waiting} {noun}{oldest}."


def _more(count: int, *, is_more: bool) -> str:
    return f"more than {count:,}" if is_more else f"{count:,}"


def _states(found: Overview) -> list[tuple[str, int, str]]:
    """(words, count, address) of each state in which endpoints are."""
    base = reverse(f"{ENDPOINTS}_changelist")
    return [
        (words, found.endpoints[key], f"{base}?standing={standing}")
        for key, words, standing in STATES
        if found.endpoints.get(key)
    ]


def _sees_events(request: HttpRequest) -> bool:
    page = model_page("integrations.webhookevent")
    return page is not None and page.has_view_permission(request)


def _rows(endpoint: WebhookEndpoint, status: str) -> str:
    return f"{reverse(DELIVERIES)}?{urlencode({'endpoint': endpoint.pk, 'status': status})}"


def _dead_of(endpoint: WebhookEndpoint) -> int:
    """Up to BOUND; there are few dead letters, and their index is small."""
    rows = WebhookEvent.objects.filter(endpoint=endpoint, work_state="dead").order_by()
    return rows[: BOUND + 1].count()


def _whose(endpoint: WebhookEndpoint) -> str:
    if endpoint.every_business:
        return "Every business"
    return endpoint.business or "Installation"


def _group_of(each: EventType) -> str:
    return str(getattr(each, "group", "")) or each.name.partition(".")[0].capitalize()


def _shown(each: EventType) -> dict[str, Any]:
    return {
        "name": each.name,
        "version": each.version,
        "summary": each.summary,
        "schema": json.dumps(each.schema, indent=2, ensure_ascii=False),
        "example": json.dumps(each.example, indent=2, ensure_ascii=False),
    }
