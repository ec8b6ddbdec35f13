"""Stock and reports over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api import kra_list_base as base
from integrations.api import kra_list_serializers as shapes
from integrations.api.hub_view import BODY_REFUSALS, REFUSALS, refuse_unknown
from integrations.api.idempotency import HEADER_PARAMETER, answer_once
from integrations.api.kra_base import BUSINESS, KRAView, PagedView
from integrations.api.serializers import ErrorSerializer
from integrations.api.throttles import AskThrottle, TaxThrottle
from integrations.kra.writes import movements, resend
from integrations.models import KRAStock, KRAWrite
from integrations.providers.kra.payloads.stock import IN

_GONE = {404: ErrorSerializer}
_STORED: dict[Any, Any] = {409: ErrorSerializer, 503: ErrorSerializer, **BODY_REFUSALS}


class StockListView(PagedView):
    """What is left of each item."""

    rights = {"GET": base.READ_STOCK}
    model = KRAStock
    related = ("item", "branch")
    business_field = "branch__business"
    left_out = ("item__data", "branch__details")
    serializer_class = shapes.KRAStockSerializer
    filterset_class = base.StockFilter

    @extend_schema(
        operation_id="kra_stock_list",
        summary="List what is left of each item, branch by branch",
        responses={200: shapes.KRAStockSerializer(many=True), **REFUSALS, **_GONE},
        tags=base.TAGS,
    )
    def get(self, request: Request) -> Response:
        """One page."""
        return self.paged(request)


class StockMoveView(KRAView):
    """Takes movements."""

    rights = {"POST": base.REPORT}
    keyed = frozenset({"POST"})
    costly = (TaxThrottle,)
    model = KRAWrite
    serializer_class = shapes.MoveSerializer

    @extend_schema(
        operation_id="kra_stock_move",
        summary="Report goods that came in or went out",
        description="`movement` tells which: 01 to 06 in, 11 to 16 out. What KRA was not told of "
        "can't go out. Stored now, sent in its turn; then what is left of each item.",
        request=shapes.MoveSerializer,
        parameters=[HEADER_PARAMETER],
        responses={201: shapes.MovedSerializer, **_STORED},
        tags=base.TAGS,
    )
    def post(self, request: Request) -> Response:
        """The reports, as stored."""
        wanted = base.body_of(self, request)
        config = base.config_for(request, wanted)
        lines = [dict(line) for line in wanted.pop("lines")]
        movement = wanted.pop("movement")

        def act() -> Response:
            made = movements.move_stock(
                config, lines, movement, by=request.user, incoming=movement in IN, **wanted
            )
            return _moved(made)

        return answer_once(request, act)


class StockCountView(KRAView):
    """Takes counts."""

    rights = {"POST": base.REPORT}
    keyed = frozenset({"POST"})
    costly = (TaxThrottle,)
    model = KRAWrite
    serializer_class = shapes.CountSerializer

    @extend_schema(
        operation_id="kra_stock_count",
        summary="Report how much of an item is there",
        description="KRA is told the difference as an adjustment, worked out in its turn.",
        request=shapes.CountSerializer,
        parameters=[HEADER_PARAMETER],
        responses={201: shapes.MovedSerializer, **_STORED},
        tags=base.TAGS,
    )
    def post(self, request: Request) -> Response:
        """The reports, as stored."""
        wanted = base.body_of(self, request)
        config = base.config_for(request, wanted)
        item, quantity = wanted.pop("item"), wanted.pop("quantity")

        def act() -> Response:
            made = movements.count_stock(config, item, quantity, by=request.user, **wanted)
            return _moved(made)

        return answer_once(request, act)


class _ReportView(KRAView):
    model = KRAWrite
    related = ("branch",)
    missing = "There is no such report."
    serializer_class: Any = shapes.KRAReportSerializer


class ReportListView(_ReportView, PagedView):
    """Reports to KRA beside invoices."""

    rights = {"GET": base.READ_REPORTS}
    left_out = ("document", "body", "branch__details")
    filterset_class = base.ReportFilter

    @extend_schema(
        operation_id="kra_report_list",
        summary="List reports to KRA: items, stock, purchases, imports, parties",
        responses={200: shapes.KRAReportSerializer(many=True), **REFUSALS, **_GONE},
        tags=base.TAGS,
    )
    def get(self, request: Request) -> Response:
        """One page, newest first."""
        return self.paged(request)


_REPORT_ID = OpenApiParameter("report_id", UUID, OpenApiParameter.PATH)


class ReportDetailView(_ReportView):
    """One report."""

    rights = {"GET": base.READ_REPORTS}

    @extend_schema(
        operation_id="kra_report_read",
        summary="Read how a report to KRA stands",
        parameters=[_REPORT_ID, BUSINESS],
        responses={200: shapes.KRAReportSerializer, **REFUSALS, **_GONE},
        tags=base.TAGS,
    )
    def get(self, request: Request, report_id: str) -> Response:
        """As it stands; KRA is not asked."""
        refuse_unknown(request, "business")
        return Response(self.get_serializer(self.find_row(report_id)).data)


class ReportResendView(_ReportView):
    """Sends a report again."""

    rights = {"POST": base.RESEND_REPORT}
    keyed = frozenset({"POST"})
    costly = (AskThrottle,)

    @extend_schema(
        operation_id="kra_report_resend",
        summary="Send a rejected report again, or one in doubt at once",
        description="One in doubt keeps its number and body. What is done or waits is left alone.",
        request=None,
        parameters=[_REPORT_ID, HEADER_PARAMETER],
        responses={200: shapes.ResentSerializer, 409: ErrorSerializer, **REFUSALS, **_GONE},
        tags=base.TAGS,
    )
    def post(self, request: Request, report_id: str) -> Response:
        """Once for each Idempotency-Key: the report afterwards."""
        write = self.find_row(report_id)

        def act() -> Response:
            done = bool(resend(KRAWrite.objects.filter(pk=write.pk)))
            told = {"success": done, "report": self.find_row(report_id)}
            return Response(shapes.ResentSerializer(told).data)

        return answer_once(request, act)


def _moved(writes: list[KRAWrite]) -> Response:
    told = {"movement": writes[0], "remaining": writes[1:]}
    return Response(shapes.MovedSerializer(told).data, status=status.HTTP_201_CREATED)
