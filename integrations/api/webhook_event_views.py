"""Deliveries over HTTP: list, read, publish to one endpoint, deliver again, look at attempts."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from integrations.api import webhook_event_serializers as shapes
from integrations.api.hub_view import BODY_REFUSALS, REFUSALS, refuse_unknown
from integrations.api.idempotency import HEADER_PARAMETER, answer_once
from integrations.api.serializers import ErrorSerializer
from integrations.api.throttles import DeliverThrottle
from integrations.api.webhook_base import (
    DELIVER,
    PAGING,
    PUBLISH,
    READ_EVENTS,
    RowPages,
    WebhookView,
    own_endpoint,
)
from integrations.api.webhook_times import since, until
from integrations.events import publish
from integrations.exceptions import InvalidInput
from integrations.models import AuditEntry, DeliveryStatus, WebhookEvent
from integrations.webhooks.replay import deliver_again

TAGS = ["webhook events"]
ID = OpenApiParameter("event_id", int, OpenApiParameter.PATH, description="The delivery's id.")
NOT_FOUND = {404: ErrorSerializer}
NEVER_EDITED = (
    "What was published is never edited or deleted: receivers have it, and the record must say "
    "what they have. Deliver it again, or publish another event."
)
# The first segments of the hub's own event types. A receiver acts on them, ships goods for one,
# so nobody may make one up.
OWN_TYPES = frozenset(
    {
        "approval", "balance", "expectation", "invoice", "kra", "mpesa", "payment", "payout_batch",
        "settings", "statement", "webhook",
    }
)  # fmt: skip


class EventFilter(filters.FilterSet):  # type: ignore[misc]
    """Every filter narrows; together they must all fit."""

    endpoint = filters.NumberFilter(method="by_endpoint", help_text="The endpoint's id.")
    status = filters.MultipleChoiceFilter(
        choices=DeliveryStatus.choices, help_text="May be given several times."
    )
    event_type = filters.CharFilter(max_length=100)
    business = filters.CharFilter(method="by_business", help_text="Empty: the installation.")
    since = filters.IsoDateTimeFilter(method="by_since", help_text="This instant included.")
    until = filters.IsoDateTimeFilter(method="by_until", help_text="This instant excluded.")

    class Meta:
        model = WebhookEvent
        fields: ClassVar[list[str]] = []

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """As the library's, where an empty `business` is a business too."""
        rows: QuerySet[Any] = super().filter_queryset(queryset)
        return rows.filter(endpoint__business="") if self.data.get("business") == "" else rows

    def by_endpoint(self, rows: QuerySet[Any], _name: str, value: Any) -> QuerySet[Any]:
        """A number that no row can have finds nothing."""
        is_key = value == int(value) and 0 < value < 2**63
        return rows.filter(endpoint=int(value)) if is_key else rows.none()

    def by_business(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        """A stranger's business has nothing here."""
        return rows.filter(endpoint__business=value)

    def by_since(self, rows: QuerySet[Any], _name: str, value: Any) -> QuerySet[Any]:
        """By the key first, which is indexed and grows with time."""
        return since(rows, value)

    def by_until(self, rows: QuerySet[Any], _name: str, value: Any) -> QuerySet[Any]:
        """As `by_since`."""
        return until(rows, value)


class EventView(WebhookView):
    """What the views of deliveries share."""

    serializer_class: Any = shapes.EventSerializer

    def get_queryset(self) -> QuerySet[WebhookEvent]:
        """The caller's."""
        return self.events()

    def http_method_not_allowed(self, request: Any, *_args: Any, **_kwargs: Any) -> NoReturn:
        """405, with the reason where somebody wants to edit."""
        is_edit = request.method in ("PUT", "PATCH", "DELETE")
        raise MethodNotAllowed(str(request.method), detail=NEVER_EDITED if is_edit else None)


class EventListView(EventView):
    """Deliveries, newest first; and publishing to one endpoint."""

    rights = {"GET": READ_EVENTS, "POST": PUBLISH}
    keyed = frozenset({"POST"})
    costly = (DeliverThrottle,)
    filter_backends = (DjangoFilterBackend,)
    filterset_class = EventFilter
    pagination_class = RowPages

    def get_throttles(self) -> list[BaseThrottle]:
        """Reading costs nobody else anything."""
        is_read = self.request.method != "POST"
        found = super().get_throttles()
        return [each for each in found if not (is_read and isinstance(each, DeliverThrottle))]

    @extend_schema(
        operation_id="webhook_event_list",
        summary="List deliveries of webhook events",
        responses={200: shapes.EventSerializer(many=True), **REFUSALS, **NOT_FOUND},
        tags=TAGS,
    )
    def get(self, request: Request) -> Response:
        """One page of those that fit every filter."""
        refuse_unknown(request, *EventFilter.base_filters, *PAGING)
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="webhook_event_publish",
        summary="Publish an event to one endpoint",
        description="Of the endpoint's business, and to no other endpoint. The hub's own event "
        "types are refused. It is told to the installation's Python listeners as well.",
        parameters=[HEADER_PARAMETER],
        request=shapes.PublishSerializer,
        responses={
            201: shapes.EventSerializer,
            409: ErrorSerializer,
            503: ErrorSerializer,
            **BODY_REFUSALS,
            **NOT_FOUND,
        },
        examples=[
            OpenApiExample(
                "A shipped order",
                value={
                    "endpoint_id": 7,
                    "event_type": "order.shipped",
                    "payload": {"order": "SO-17"},
                },
                request_only=True,
            )
        ],
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Stored, and sent by a worker. Audited."""
        serializer = shapes.PublishSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wanted = serializer.validated_data
        endpoint = own_endpoint(request, wanted["endpoint_id"])
        _refuse_own(wanted["event_type"])

        def act() -> Response:
            event = publish(
                wanted["event_type"],
                wanted["payload"],
                business=endpoint.business,
                only_endpoint=endpoint,
            )
            row = self.events().get(message__event_id=event.event_id, endpoint=endpoint)
            AuditEntry.objects.record(
                "webhook_event.published", target=row, business=endpoint.business,
                detail=f"{row.event_type}, {row.message.message_id} to {endpoint.name}",
            )  # fmt: skip
            return Response(self.get_serializer(row).data, status=201)

        return answer_once(request, act)


def _refuse_own(event_type: str) -> None:
    if event_type.partition(".")[0] in OWN_TYPES:
        told = "is one of the hub's own event types, which nobody else may publish"
        raise InvalidInput("event_type", told, code="webhook_own_type")


class EventDetailView(EventView):
    """One delivery."""

    rights = {"GET": READ_EVENTS}

    @extend_schema(
        operation_id="webhook_event_read",
        summary="Read a delivery",
        parameters=[ID],
        responses={200: shapes.EventSerializer, **REFUSALS, **NOT_FOUND},
        tags=TAGS,
    )
    def get(self, _request: Request, event_id: str) -> Response:
        """As it stands now. PUT, PATCH and DELETE answer 405: it is never edited."""
        return Response(self.get_serializer(self.find_event(event_id)).data)


class EventDeliverView(EventView):
    """Delivers again."""

    rights = {"POST": DELIVER}
    keyed = frozenset({"POST"})
    costly = (DeliverThrottle,)
    serializer_class: Any = shapes.DeliverSerializer

    @extend_schema(
        operation_id="webhook_event_deliver",
        summary="Deliver an event again",
        description="The same id and the same bytes, once more, soon. A failure begins no new "
        "series of tries.",
        parameters=[ID, HEADER_PARAMETER],
        request=None,
        responses={
            200: shapes.DeliverSerializer,
            409: ErrorSerializer,
            **BODY_REFUSALS,
            **NOT_FOUND,
        },
        tags=TAGS,
    )
    def post(self, request: Request, event_id: str) -> Response:
        """Audited."""
        event = self.find_event(event_id)

        def act() -> Response:
            done = deliver_again(event, actor=request.user)
            body = {"success": True, "message": done.sentence, "job_id": f"webhooks-{event.pk}"}
            return Response(self.get_serializer(body).data)

        return answer_once(request, act)


class EventAttemptsView(EventView):
    """The attempts of a delivery."""

    rights = {"GET": READ_EVENTS}
    serializer_class: Any = shapes.AttemptSerializer
    pagination_class = RowPages

    @extend_schema(
        operation_id="webhook_event_attempts",
        summary="List the attempts of a delivery",
        description="Newest first, with headers (secrets masked) and answers.",
        parameters=[ID],
        responses={200: shapes.AttemptSerializer(many=True), **REFUSALS, **NOT_FOUND},
        tags=TAGS,
    )
    def get(self, request: Request, event_id: str) -> Response:
        """One page."""
        rows = self.attempts().filter(event=self.find_event(event_id))
        refuse_unknown(request, *PAGING)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)
