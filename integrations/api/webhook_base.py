"""What the views of webhooks share: who may call, and whose rows there are."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.access import request_scope
from integrations.api.hub_view import HubView, find_by_number, find_by_uuid
from integrations.api.payment_filters import PaymentPages
from integrations.api.rights import Right
from integrations.models import (
    TokenScope,
    WebhookAttempt,
    WebhookEndpoint,
    WebhookEvent,
    WebhookReplay,
)
from integrations.webhooks.endpoints import visible_endpoints, visible_events, visible_replays

NO_ENDPOINT = "There is no such webhook endpoint."
NO_EVENT = "There is no such webhook event."
NO_REPLAY = "There is no such replay."
_READ, _WRITE = TokenScope.WEBHOOKS_READ, TokenScope.WEBHOOKS_WRITE
READ = Right(_READ, "integrations.view_webhookendpoint")
ADD = Right(_WRITE, "integrations.add_webhookendpoint")
CHANGE = Right(_WRITE, "integrations.change_webhookendpoint")
DELETE = Right(_WRITE, "integrations.delete_webhookendpoint")
READ_EVENTS = Right(_READ, "integrations.view_webhookevent")
PUBLISH = Right(_WRITE, "integrations.add_webhookevent")
DELIVER = Right(_WRITE, "integrations.deliver_webhookevent")


class RowPages(PaymentPages):
    """Newest first, by id."""

    def get_ordering(self, request: Any, queryset: Any, view: Any) -> tuple[str, ...]:
        """By id, whatever narrows."""
        return ("-id",)


PAGING = (RowPages.cursor_query_param, str(RowPages.page_size_query_param))


class WebhookView(HubView):
    """Rows of the caller's businesses; others don't exist here."""

    def handle_exception(self, exc: Exception) -> Response:
        """As the base; an endpoint that was deleted since it was found is not there either."""
        is_gone = isinstance(exc, WebhookEndpoint.DoesNotExist)
        return super().handle_exception(Http404(NO_ENDPOINT) if is_gone else exc)

    def endpoints(self) -> QuerySet[WebhookEndpoint]:
        """With how they fare."""
        if getattr(self, "swagger_fake_view", False):
            return WebhookEndpoint.objects.none()
        return visible_endpoints(request_scope(self.request)).select_related("lane")

    def events(self) -> QuerySet[WebhookEvent]:
        """With what they carry."""
        if getattr(self, "swagger_fake_view", False):
            return WebhookEvent.objects.none()
        return visible_events(request_scope(self.request)).select_related("endpoint", "message")

    def attempts(self) -> QuerySet[WebhookAttempt]:
        """Narrowed by those who ask, to an endpoint or an event of the caller."""
        return WebhookAttempt.objects.all()

    def find_endpoint(self, pk: str) -> WebhookEndpoint:
        """The caller's endpoint; raises Http404 for any other text."""
        return find_by_number(self.endpoints(), pk, NO_ENDPOINT)

    def find_event(self, pk: str) -> WebhookEvent:
        """The caller's delivery; raises Http404 for any other text."""
        return find_by_number(self.events(), pk, NO_EVENT)

    def find_replay(self, public_id: str) -> WebhookReplay:
        """The caller's replay; raises Http404 for any other text."""
        return find_by_uuid(visible_replays(request_scope(self.request)), public_id, NO_REPLAY)


def own_endpoint(request: Request, pk: int) -> WebhookEndpoint:
    """The caller's endpoint of this number in a body; raises Http404."""
    return find_by_number(visible_endpoints(request_scope(request)), str(pk), NO_ENDPOINT)
