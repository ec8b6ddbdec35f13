"""What there is to know about webhooks: the event types, and what is stuck."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.access import request_scope
from integrations.api import webhook_event_serializers as shapes
from integrations.api.hub_view import REFUSALS, refuse_unknown
from integrations.api.webhook_base import READ, WebhookView
from integrations.events.catalogue import event_types
from integrations.webhooks.status import overview


class EventTypesView(WebhookView):
    """The catalogue."""

    rights = {"GET": READ}
    serializer_class: Any = shapes.EventTypeSerializer

    @extend_schema(
        operation_id="webhook_event_types",
        summary="List the event types, with schema and example",
        responses={200: shapes.EventTypeSerializer(many=True), **REFUSALS},
        tags=["webhook events"],
    )
    def get(self, request: Request) -> Response:
        """A bare list, by name."""
        refuse_unknown(request)
        found = sorted(event_types(), key=lambda each: each.name)
        return Response(self.get_serializer(found, many=True).data)


class WebhookStatusView(WebhookView):
    """What is stuck."""

    rights = {"GET": READ}
    serializer_class: Any = shapes.WebhookStatusSerializer

    @extend_schema(
        operation_id="webhook_status",
        summary="Read what is stuck, since when, why, and what to do",
        responses={200: shapes.WebhookStatusSerializer, **REFUSALS},
        tags=["webhook events"],
    )
    def get(self, request: Request) -> Response:
        """Of the caller's businesses, the longest stuck first."""
        refuse_unknown(request)
        return Response(self.get_serializer(overview(request_scope(request))).data)
