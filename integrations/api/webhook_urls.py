"""The addresses of webhooks: endpoints, deliveries, replays, event types, status."""

from __future__ import annotations

from django.urls import URLPattern, path

from integrations.api import webhook_action_views as actions
from integrations.api import webhook_endpoint_views as endpoints
from integrations.api import webhook_event_views as events
from integrations.api import webhook_info_views as info
from integrations.api import webhook_replay_views as replays

_ENDPOINT, _EVENT = "webhook-endpoints/<str:endpoint_id>/", "webhook-events/<str:event_id>/"
_ACTIONS = {
    "rotate-secret": actions.EndpointRotateView,
    "pause": actions.EndpointPauseView,
    "resume": actions.EndpointResumeView,
    "enable": actions.EndpointEnableView,
    "disable": actions.EndpointDisableView,
    "test": actions.EndpointTestView,
    "attempts": actions.EndpointAttemptsView,
}


def webhook_urls() -> list[URLPattern]:
    """All of them, for `integrations.urls`."""
    return [
        path(
            "webhook-endpoints/", endpoints.EndpointListView.as_view(), name="webhook-endpoint-list"
        ),
        path(_ENDPOINT, endpoints.EndpointDetailView.as_view(), name="webhook-endpoint-detail"),
        *(
            path(f"{_ENDPOINT}{word}/", view.as_view(), name=f"webhook-endpoint-{word}")
            for word, view in _ACTIONS.items()
        ),
        path("webhook-events/", events.EventListView.as_view(), name="webhook-event-list"),
        path("webhook-events/replay/", replays.ReplayView.as_view(), name="webhook-event-replay"),
        path(_EVENT, events.EventDetailView.as_view(), name="webhook-event-detail"),
        path(f"{_EVENT}deliver/", events.EventDeliverView.as_view(), name="webhook-event-deliver"),
        path(
            f"{_EVENT}attempts/", events.EventAttemptsView.as_view(), name="webhook-event-attempts"
        ),
        path(
            "webhook-replays/<str:replay_id>/",
            replays.ReplayDetailView.as_view(),
            name="webhook-replay-detail",
        ),
        path(
            "webhook-replays/<str:replay_id>/cancel/",
            replays.ReplayCancelView.as_view(),
            name="webhook-replay-cancel",
        ),
        path("webhook-event-types/", info.EventTypesView.as_view(), name="webhook-event-types"),
        path("webhook-status/", info.WebhookStatusView.as_view(), name="webhook-status"),
    ]
