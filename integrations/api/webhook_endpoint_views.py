"""Webhook endpoints over HTTP: list, make, read, change, delete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.access import request_scope
from integrations.api import webhook_serializers as shapes
from integrations.api.hub_view import BODY_REFUSALS, REFUSALS, refuse_unknown
from integrations.api.idempotency import HEADER_PARAMETER, answer_once
from integrations.api.rights import choose_business, require_business
from integrations.api.serializers import ErrorSerializer
from integrations.api.webhook_base import (
    ADD,
    CHANGE,
    DELETE,
    PAGING,
    READ,
    RowPages,
    WebhookView,
)
from integrations.models import WebhookEndpoint
from integrations.webhooks import endpoints

TAGS = ["webhook endpoints"]
ID = OpenApiParameter("endpoint_id", int, OpenApiParameter.PATH, description="The endpoint's id.")
NOT_FOUND = {404: ErrorSerializer}
_WRITTEN: dict[Any, Any] = {409: ErrorSerializer, 503: ErrorSerializer, **BODY_REFUSALS}
_TOLD = (
    "A secret that is left out stays, an empty one is cleared. Another host of `url` or "
    "`token_url` demands the secrets that would be sent to it again."
)
_EXAMPLE = {
    "name": "Accounting", "url": "https://erp.example.ke/hooks/payments",
    "event_types": ["payment.*"], "business": "branch-7",
}  # fmt: skip


class EndpointFilter(filters.FilterSet):  # type: ignore[misc]
    """Every filter narrows; together they must all fit."""

    business = filters.CharFilter(method="by_business", help_text="Empty: the installation.")
    is_active = filters.BooleanFilter()
    is_paused = filters.BooleanFilter()

    class Meta:
        model = WebhookEndpoint
        fields: ClassVar[list[str]] = []

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """As the library's, where an empty `business` is a business too."""
        rows: QuerySet[Any] = super().filter_queryset(queryset)
        return rows.filter(business="") if self.data.get("business") == "" else rows

    def by_business(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        """A stranger's business has nothing here."""
        return rows.filter(business=value)


class EndpointView(WebhookView):
    """What the views of endpoints share."""

    serializer_class: Any = shapes.EndpointSerializer

    def get_queryset(self) -> QuerySet[WebhookEndpoint]:
        """The caller's."""
        return self.endpoints()


class EndpointListView(EndpointView):
    """Endpoints, newest first; and making one."""

    rights = {"GET": READ, "POST": ADD}
    keyed = frozenset({"POST"})
    filter_backends = (DjangoFilterBackend,)
    filterset_class = EndpointFilter
    pagination_class = RowPages

    @extend_schema(
        operation_id="webhook_endpoint_list",
        summary="List webhook endpoints",
        responses={200: shapes.EndpointSerializer(many=True), **REFUSALS, **NOT_FOUND},
        tags=TAGS,
    )
    def get(self, request: Request) -> Response:
        """One page of those that fit every filter."""
        refuse_unknown(request, *EndpointFilter.base_filters, *PAGING)
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="webhook_endpoint_create",
        summary="Make a webhook endpoint",
        description="The answer shows the signing secret, once. A repeated Idempotency-Key "
        "answers with the same endpoint and without it.",
        parameters=[HEADER_PARAMETER],
        request=shapes.EndpointSerializer,
        responses={201: shapes.CreatedEndpointSerializer, **_WRITTEN},
        examples=[OpenApiExample("Payments of a branch", value=_EXAMPLE, request_only=True)],
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Check it, look its names up, store it."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        values = dict(serializer.validated_data)
        values["business"] = choose_business(request, values.get("business"))
        # Before anything is locked: a name server may take seconds.
        warnings = endpoints.look_up_of(None, values)
        shown: list[str] = []

        def create() -> Response:
            made = endpoints.create_endpoint(
                values, actor=request.user, scope=request_scope(request), warnings=warnings
            )
            shown.append(made.secret)
            body = {**_shown(made.endpoint), "warnings": made.warnings}
            return Response({**body, "secret": None}, status=201)

        answer = _own_once(request, create)
        if shown and shown[0]:
            # Added here, so that the kept answer of an Idempotency-Key does not have it.
            answer.data = {**answer.data, "secret": shown[0]}
        return answer


class EndpointDetailView(EndpointView):
    """One endpoint."""

    rights = {"GET": READ, "PUT": CHANGE, "PATCH": CHANGE, "DELETE": DELETE}
    keyed = frozenset({"PUT", "PATCH", "DELETE"})

    @extend_schema(
        operation_id="webhook_endpoint_read",
        summary="Read a webhook endpoint",
        parameters=[ID],
        responses={200: shapes.EndpointSerializer, **REFUSALS, **NOT_FOUND},
        tags=TAGS,
    )
    def get(self, _request: Request, endpoint_id: str) -> Response:
        """As it is, secrets as previews."""
        return Response(_shown(self.find_endpoint(endpoint_id)))

    @extend_schema(
        operation_id="webhook_endpoint_replace",
        summary="Change a webhook endpoint",
        description=f"As PATCH, with name and url. {_TOLD}",
        parameters=[ID, HEADER_PARAMETER],
        responses={200: shapes.SavedEndpointSerializer, **_WRITTEN, **NOT_FOUND},
        tags=TAGS,
    )
    def put(self, request: Request, endpoint_id: str) -> Response:
        """What is left out stays."""
        return self._change(request, endpoint_id, is_partial=False)

    @extend_schema(
        operation_id="webhook_endpoint_change",
        summary="Change a webhook endpoint",
        description=_TOLD,
        parameters=[ID, HEADER_PARAMETER],
        request=shapes.EndpointSerializer(partial=True),
        responses={200: shapes.SavedEndpointSerializer, **_WRITTEN, **NOT_FOUND},
        tags=TAGS,
    )
    def patch(self, request: Request, endpoint_id: str) -> Response:
        """Change what was sent."""
        return self._change(request, endpoint_id, is_partial=True)

    @extend_schema(
        operation_id="webhook_endpoint_delete",
        summary="Delete a webhook endpoint",
        description="With its deliveries, sent or not. To stop for a while, pause or disable it.",
        parameters=[ID, HEADER_PARAMETER],
        request=None,
        responses={204: None, 409: ErrorSerializer, **BODY_REFUSALS, **NOT_FOUND},
        tags=TAGS,
    )
    def delete(self, request: Request, endpoint_id: str) -> Response:
        """A repeated Idempotency-Key answers 204 again, not 404."""

        def remove() -> Response:
            endpoints.delete_endpoint(self.find_endpoint(endpoint_id), actor=request.user)
            return Response(status=204)

        return answer_once(request, remove)

    def _change(self, request: Request, endpoint_id: str, *, is_partial: bool) -> Response:
        row = self.find_endpoint(endpoint_id)
        serializer = self.get_serializer(row, data=request.data, partial=is_partial)
        serializer.is_valid(raise_exception=True)
        values: Mapping[str, Any] = serializer.validated_data
        warnings = endpoints.look_up_of(row, values)

        def change() -> Response:
            changed = endpoints.update_endpoint(
                row, values, actor=request.user, scope=request_scope(request), warnings=warnings
            )
            return Response({**_shown(changed.endpoint), "warnings": changed.warnings})

        return _own_once(request, change)


def _shown(row: WebhookEndpoint) -> dict[str, Any]:
    return dict(shapes.EndpointSerializer(row).data)


def _own_once(request: Request, act: Callable[[], Response]) -> Response:
    """`answer_once` for an answer that shows an endpoint."""
    answer = answer_once(request, act)
    # A repeated answer is of then; the caller may have lost the business since.
    require_business(request, str(answer.data["business"]))
    return answer
