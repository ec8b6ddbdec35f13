"""KRA's lists over HTTP: codes, item classes, items, how far each was read, reading anew."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api import kra_list_serializers as shapes
from integrations.api.hub_view import BODY_REFUSALS, REFUSALS, refuse_unknown
from integrations.api.idempotency import HEADER_PARAMETER, answer_once
from integrations.api.kra_base import BUSINESS, KRAView, PagedView
from integrations.api.kra_list_base import (
    PLACE,
    READ_CURSORS,
    READ_ITEMS,
    READ_LISTS,
    REPORT,
    SYNC,
    TAGS,
    CursorFilter,
    ItemFilter,
    config_for,
)
from integrations.api.serializers import ErrorSerializer
from integrations.api.throttles import AskThrottle, TaxThrottle
from integrations.kra.lists import sync_lists
from integrations.kra.writes import items
from integrations.models import KRACode, KRACursor, KRAItem, KRAItemClass

MOST = 200
_GONE = {404: ErrorSerializer}
_UNREADY = {503: ErrorSerializer}


class CodeListView(KRAView):
    """KRA's codes, as last read."""

    rights = {"GET": READ_LISTS}
    serializer_class = shapes.KRACodeSerializer
    model = KRACode

    @extend_schema(
        operation_id="kra_code_list",
        summary="List KRA's codes",
        parameters=[*PLACE, OpenApiParameter("class", str, description="Such as 04 or 17.")],
        responses={200: shapes.KRACodeSerializer(many=True), **REFUSALS, **_UNREADY},
        tags=TAGS,
    )
    def get(self, request: Request) -> Response:
        """A bare list, by class and in KRA's order."""
        refuse_unknown(request, "business", "branch", "class")
        rows = KRACode.objects.filter(environment=_config(request).environment, is_used=True)
        if request.query_params.get("class"):
            rows = rows.filter(class_code=request.query_params["class"])
        return Response(self.get_serializer(rows, many=True).data)


class ItemClassListView(KRAView):
    """Item classes, as last read."""

    rights = {"GET": READ_LISTS}
    serializer_class = shapes.KRAItemClassSerializer
    model = KRAItemClass

    @extend_schema(
        operation_id="kra_item_class_list",
        summary="Search KRA's item classes",
        parameters=[
            *PLACE,
            OpenApiParameter("search", str, description="The code's beginning, or of the name."),
        ],
        responses={200: shapes.KRAItemClassSerializer(many=True), **REFUSALS, **_UNREADY},
        tags=TAGS,
    )
    def get(self, request: Request) -> Response:
        """The first 200 that fit, by code."""
        refuse_unknown(request, "business", "branch", "search")
        rows = KRAItemClass.objects.filter(environment=_config(request).environment, is_used=True)
        wanted = request.query_params.get("search", "").strip()
        if wanted:
            rows = rows.filter(Q(code__startswith=wanted) | Q(name__icontains=wanted))
        return Response(self.get_serializer(rows[:MOST], many=True).data)


class ItemListView(PagedView):
    """The catalogue."""

    rights = {"GET": READ_ITEMS, "POST": REPORT}
    keyed = frozenset({"POST"})
    costly = (TaxThrottle,)
    model = KRAItem
    left_out = ("data",)
    serializer_class = shapes.KRAItemSerializer
    filterset_class = ItemFilter

    @extend_schema(
        operation_id="kra_item_list",
        summary="List the items of the catalogue",
        responses={200: shapes.KRAItemSerializer(many=True), **REFUSALS, **_GONE},
        tags=TAGS,
    )
    def get(self, request: Request) -> Response:
        """One page."""
        return self.paged(request)

    @extend_schema(
        operation_id="kra_item_save",
        summary="Save an item and report it to KRA",
        description="KRA's next item code is given to a new one. The worker reports it; the same "
        "again is no second report.",
        request=shapes.ItemBodySerializer,
        parameters=[HEADER_PARAMETER],
        responses={
            200: shapes.SavedItemSerializer,
            409: ErrorSerializer,
            **_UNREADY,
            **BODY_REFUSALS,
        },
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Item and report, stored together."""
        wanted = _body(shapes.ItemBodySerializer, request)
        config = config_for(request, wanted)

        def act() -> Response:
            item, report = items.save_item(config, wanted, by=request.user)
            told = {"item": item, "report": report}
            return Response(shapes.SavedItemSerializer(told).data)

        return answer_once(request, act)


class ItemDetailView(KRAView):
    """One item."""

    rights = {"GET": READ_ITEMS}
    model = KRAItem
    serializer_class = shapes.KRAItemSerializer

    @extend_schema(
        operation_id="kra_item_read",
        summary="Read an item of the catalogue",
        parameters=[OpenApiParameter("item_id", int, OpenApiParameter.PATH), BUSINESS],
        responses={200: shapes.KRAItemSerializer, **REFUSALS, **_GONE},
        tags=TAGS,
    )
    def get(self, request: Request, item_id: str) -> Response:
        """As it is here; KRA is not asked."""
        refuse_unknown(request, "business")
        return Response(self.get_serializer(self.find_row(item_id)).data)


class ItemExcludeView(KRAView):
    """Leaves an item out, or takes it in again."""

    rights = {"POST": REPORT}
    model = KRAItem
    serializer_class = shapes.ExcludeSerializer

    @extend_schema(
        operation_id="kra_item_exclude",
        summary="Leave an item out of what KRA is told, or take it in again",
        request=shapes.ExcludeSerializer,
        parameters=[OpenApiParameter("item_id", int, OpenApiParameter.PATH)],
        responses={200: shapes.KRAItemSerializer, **_GONE, **BODY_REFUSALS},
        tags=TAGS,
    )
    def post(self, request: Request, item_id: str) -> Response:
        """The item afterwards."""
        excluded = _body(shapes.ExcludeSerializer, request)["excluded"]
        item = self.find_row(item_id)
        if item.is_excluded != excluded:
            items.set_excluded(item, excluded=excluded)
        return Response(shapes.KRAItemSerializer(item).data)


class SyncView(PagedView):
    """How far KRA's lists were read, and reading them anew."""

    rights = {"GET": READ_CURSORS, "POST": SYNC}
    costly = (AskThrottle,)
    model = KRACursor
    serializer_class = shapes.KRACursorSerializer
    filterset_class = CursorFilter

    @extend_schema(
        operation_id="kra_cursor_list",
        summary="List how far each of KRA's lists was read",
        responses={200: shapes.KRACursorSerializer(many=True), **REFUSALS, **_GONE},
        tags=TAGS,
    )
    def get(self, request: Request) -> Response:
        """One page, of the caller's branches."""
        return self.paged(request)

    @extend_schema(
        operation_id="kra_sync",
        summary="Read KRA's lists now",
        description="Everything new since the last reading; no endpoint of KRA takes a period, "
        "so the dates are only checked. `success` is false where a list could not be read.",
        request=shapes.SyncSerializer,
        responses={200: shapes.SyncedSerializer, **_UNREADY, **BODY_REFUSALS},
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """What became of each list. Twice does no harm."""
        wanted = _body(shapes.SyncSerializer, request)
        report = sync_lists(
            config_for(request, wanted),
            wanted.get("lists"),
            start_date=wanted.get("start_date"),
            end_date=wanted.get("end_date"),
        )
        told = {"success": not report.failed, "message": report.message, **report.as_dict()}
        return Response(shapes.SyncedSerializer(told).data)


def _body(shape: Any, request: Request) -> dict[str, Any]:
    serializer = shape(data=request.data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _config(request: Request) -> Any:
    params = request.query_params
    named = {name: params[name] for name in ("business", "branch") if name in params}
    return config_for(request, named)
