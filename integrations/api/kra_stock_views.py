"""Stock, purchases, imports and reports over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.access import request_scope
from integrations.api import kra_list_base as base
from integrations.api import kra_list_serializers as shapes
from integrations.api.hub_view import BODY_REFUSALS, REFUSALS, refuse_unknown
from integrations.api.idempotency import HEADER_PARAMETER, answer_once
from integrations.api.serializers import ErrorSerializer
from integrations.api.throttles import TaxThrottle
from integrations.config import Snapshot
from integrations.kra.config import tax_config
from integrations.kra.writes import decisions, movements, resend
from integrations.models import KRAImport, KRAPurchase, KRAStock, KRAWrite
from integrations.providers.kra.payloads.stock import IN

_GONE = {404: ErrorSerializer}
_STORED: dict[Any, Any] = {409: ErrorSerializer, 503: ErrorSerializer, **BODY_REFUSALS}
_PURCHASE_ID = OpenApiParameter("purchase_id", int, OpenApiParameter.PATH)
_IMPORT_ID = OpenApiParameter("import_id", int, OpenApiParameter.PATH)


class StockListView(base.PagedView):
    """What is left of each item."""

    rights = {"GET": base.READ_STOCK}
    model = KRAStock
    serializer_class = shapes.KRAStockSerializer
    filterset_class = base.StockFilter

    def get_queryset(self) -> QuerySet[Any]:
        """Of the caller's branches."""
        if getattr(self, "swagger_fake_view", False):
            return KRAStock.objects.none()
        rows = KRAStock.objects.select_related("item", "branch")
        scope = request_scope(self.request)
        return rows if scope.is_all else rows.filter(branch__business__in=scope.businesses)

    @extend_schema(
        operation_id="kra_stock_list",
        summary="List what is left of each item, branch by branch",
        responses={200: shapes.KRAStockSerializer(many=True), **REFUSALS, **_GONE},
        tags=base.TAGS,
    )
    def get(self, request: Request) -> Response:
        """One page."""
        return self.paged(request)


class StockMoveView(base.PagedView):
    """Takes movements."""

    rights = {"POST": base.REPORT}
    keyed = frozenset({"POST"})
    costly = (TaxThrottle,)
    model = KRAWrite
    filter_backends = ()
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
        wanted = _body(self, request)
        config = base.config_for(request, wanted)
        lines = [dict(line) for line in wanted.pop("lines")]
        movement = wanted.pop("movement")

        def act() -> Response:
            made = movements.move_stock(
                config, lines, movement, by=request.user, incoming=movement in IN, **wanted
            )
            return _moved(made)

        return answer_once(request, act)


class StockCountView(base.PagedView):
    """Takes counts."""

    rights = {"POST": base.REPORT}
    keyed = frozenset({"POST"})
    costly = (TaxThrottle,)
    model = KRAWrite
    filter_backends = ()
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
        wanted = _body(self, request)
        config = base.config_for(request, wanted)
        item, quantity = wanted.pop("item"), wanted.pop("quantity")

        def act() -> Response:
            made = movements.count_stock(config, item, quantity, by=request.user, **wanted)
            return _moved(made)

        return answer_once(request, act)


class PurchaseListView(base.PagedView):
    """Suppliers' invoices from KRA's feed."""

    rights = {"GET": base.READ_PURCHASES}
    model = KRAPurchase
    related = ("branch", "write")
    serializer_class = shapes.KRAPurchaseSerializer
    filterset_class = base.PurchaseFilter

    @extend_schema(
        operation_id="kra_purchase_list",
        summary="List suppliers' invoices that KRA tells of",
        responses={200: OpenApiTypes.OBJECT, **REFUSALS, **_GONE},
        tags=base.TAGS,
    )
    def get(self, request: Request) -> Response:
        """One page, newest first."""
        return self.paged(request)


class ImportListView(base.PagedView):
    """Imported items from KRA's feed."""

    rights = {"GET": base.READ_IMPORTS}
    model = KRAImport
    related = ("branch", "write", "item")
    serializer_class = shapes.KRAImportSerializer
    filterset_class = base.ImportFilter

    @extend_schema(
        operation_id="kra_import_list",
        summary="List imported items that KRA tells of",
        responses={200: OpenApiTypes.OBJECT, **REFUSALS, **_GONE},
        tags=base.TAGS,
    )
    def get(self, request: Request) -> Response:
        """One page, newest first."""
        return self.paged(request)


class _DecisionView(base.PagedView):
    keyed = frozenset({"POST"})
    costly = (TaxThrottle,)
    filter_backends = ()

    def decide(self, request: Request, row_id: str, act: Any, shape: Any) -> Response:
        """Once for each Idempotency-Key: the row afterwards."""
        wanted = _body(self, request)
        row = self.find_row(row_id)

        def done() -> Response:
            decided = act(_config_of(row), row.pk, by=request.user, **wanted)
            return Response(shape(decided).data)

        return answer_once(request, done)


class PurchaseDetailView(base.PagedView):
    """One of them."""

    rights = {"GET": base.READ_PURCHASES}
    model = KRAPurchase
    related = ("branch", "write")
    filter_backends = ()
    serializer_class = shapes.KRAPurchaseSerializer

    @extend_schema(
        operation_id="kra_purchase_read",
        summary="Read a supplier's invoice that KRA tells of",
        parameters=[_PURCHASE_ID],
        responses={200: OpenApiTypes.OBJECT, **REFUSALS, **_GONE},
        tags=base.TAGS,
    )
    def get(self, request: Request, purchase_id: str) -> Response:
        """As it is here; KRA is not asked."""
        refuse_unknown(request, "business")
        return Response(self.get_serializer(self.find_row(purchase_id)).data)


class PurchaseAcceptView(_DecisionView):
    """Accepts a supplier's invoice."""

    rights = {"POST": base.DECIDE_PURCHASE}
    model = KRAPurchase
    related = ("branch",)
    serializer_class = shapes.AcceptPurchaseSerializer

    @extend_schema(
        operation_id="kra_purchase_accept",
        summary="Accept a supplier's invoice, and report that to KRA",
        request=shapes.AcceptPurchaseSerializer,
        parameters=[_PURCHASE_ID, HEADER_PARAMETER],
        responses={200: OpenApiTypes.OBJECT, **_GONE, **_STORED},
        tags=base.TAGS,
    )
    def post(self, request: Request, purchase_id: str) -> Response:
        """The purchase afterwards."""
        act = decisions.accept_purchase
        return self.decide(request, purchase_id, act, shapes.KRAPurchaseSerializer)


class PurchaseRejectView(_DecisionView):
    """Rejects a supplier's invoice."""

    rights = {"POST": base.DECIDE_PURCHASE}
    model = KRAPurchase
    related = ("branch",)
    serializer_class = shapes.RejectSerializer

    @extend_schema(
        operation_id="kra_purchase_reject",
        summary="Reject a supplier's invoice, and report that to KRA",
        request=shapes.RejectSerializer,
        parameters=[_PURCHASE_ID, HEADER_PARAMETER],
        responses={200: OpenApiTypes.OBJECT, **_GONE, **_STORED},
        tags=base.TAGS,
    )
    def post(self, request: Request, purchase_id: str) -> Response:
        """The purchase afterwards."""
        act = decisions.reject_purchase
        return self.decide(request, purchase_id, act, shapes.KRAPurchaseSerializer)


class ImportDetailView(base.PagedView):
    """One of them."""

    rights = {"GET": base.READ_IMPORTS}
    model = KRAImport
    related = ("branch", "write", "item")
    filter_backends = ()
    serializer_class = shapes.KRAImportSerializer

    @extend_schema(
        operation_id="kra_import_read",
        summary="Read an imported item that KRA tells of",
        parameters=[_IMPORT_ID],
        responses={200: OpenApiTypes.OBJECT, **REFUSALS, **_GONE},
        tags=base.TAGS,
    )
    def get(self, request: Request, import_id: str) -> Response:
        """As it is here; KRA is not asked."""
        refuse_unknown(request, "business")
        return Response(self.get_serializer(self.find_row(import_id)).data)


class ImportAcceptView(_DecisionView):
    """Matches an imported item with one of ours."""

    rights = {"POST": base.DECIDE_IMPORT}
    model = KRAImport
    related = ("branch",)
    serializer_class = shapes.AcceptImportSerializer

    @extend_schema(
        operation_id="kra_import_accept",
        summary="Match an imported item with one of ours, and report that to KRA",
        request=shapes.AcceptImportSerializer,
        parameters=[_IMPORT_ID, HEADER_PARAMETER],
        responses={200: OpenApiTypes.OBJECT, **_GONE, **_STORED},
        tags=base.TAGS,
    )
    def post(self, request: Request, import_id: str) -> Response:
        """The import afterwards."""
        return self.decide(request, import_id, decisions.accept_import, shapes.KRAImportSerializer)


class ImportRejectView(_DecisionView):
    """Says that an imported item is not ours."""

    rights = {"POST": base.DECIDE_IMPORT}
    model = KRAImport
    related = ("branch",)
    serializer_class = shapes.RejectImportSerializer

    @extend_schema(
        operation_id="kra_import_reject",
        summary="Say that an imported item is not ours, and report that to KRA",
        request=shapes.RejectImportSerializer,
        parameters=[_IMPORT_ID, HEADER_PARAMETER],
        responses={200: OpenApiTypes.OBJECT, **_GONE, **_STORED},
        tags=base.TAGS,
    )
    def post(self, request: Request, import_id: str) -> Response:
        """The import afterwards."""
        return self.decide(request, import_id, decisions.reject_import, shapes.KRAImportSerializer)


class ReportListView(base.PagedView):
    """Reports to KRA beside invoices."""

    rights = {"GET": base.READ_REPORTS}
    model = KRAWrite
    related = ("branch",)
    serializer_class = shapes.KRAReportSerializer
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


class _ReportView(base.PagedView):
    model = KRAWrite
    related = ("branch",)
    filter_backends = ()
    serializer_class: Any = shapes.KRAReportSerializer

    def find_report(self, report_id: str) -> KRAWrite:
        """The caller's report; raises Http404 for any other text."""
        try:
            row = self.get_queryset().filter(public_id=UUID(report_id)).first()
        except ValueError:
            row = None
        if row is None:
            raise Http404("There is no such report.")
        return row  # type: ignore[no-any-return]


_REPORT_ID = OpenApiParameter("report_id", UUID, OpenApiParameter.PATH)


class ReportDetailView(_ReportView):
    """One report."""

    rights = {"GET": base.READ_REPORTS}

    @extend_schema(
        operation_id="kra_report_read",
        summary="Read how a report to KRA stands",
        parameters=[_REPORT_ID],
        responses={200: shapes.KRAReportSerializer, **REFUSALS, **_GONE},
        tags=base.TAGS,
    )
    def get(self, _request: Request, report_id: str) -> Response:
        """As it stands; KRA is not asked."""
        return Response(self.get_serializer(self.find_report(report_id)).data)


class ReportResendView(_ReportView):
    """Sends a report again."""

    rights = {"POST": base.RESEND_REPORT}

    @extend_schema(
        operation_id="kra_report_resend",
        summary="Send a rejected report again, or one in doubt at once",
        description="One in doubt keeps its number and body. What is done or waits is left alone.",
        request=None,
        parameters=[_REPORT_ID],
        responses={200: shapes.ResentSerializer, **REFUSALS, **_GONE},
        tags=base.TAGS,
    )
    def post(self, _request: Request, report_id: str) -> Response:
        """The report afterwards."""
        write = self.find_report(report_id)
        done = bool(resend(KRAWrite.objects.filter(pk=write.pk)))
        told = {"success": done, "report": self.find_report(report_id)}
        return Response(shapes.ResentSerializer(told).data)


def _config_of(row: KRAPurchase | KRAImport) -> Snapshot:
    return tax_config(row.business, row.branch.bhf_id)


def _body(view: Any, request: Request) -> dict[str, Any]:
    serializer = view.get_serializer(data=request.data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _moved(writes: list[KRAWrite]) -> Response:
    told = {"movement": writes[0], "remaining": writes[1:]}
    return Response(shapes.MovedSerializer(told).data, status=status.HTTP_201_CREATED)
