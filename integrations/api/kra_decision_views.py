"""Suppliers' invoices and imported items over HTTP: read them, decide about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api import kra_list_base as base
from integrations.api import kra_list_serializers as shapes
from integrations.api.hub_view import BODY_REFUSALS, REFUSALS, refuse_unknown
from integrations.api.idempotency import HEADER_PARAMETER, answer_once
from integrations.api.kra_base import BUSINESS, KRAView, PagedView
from integrations.api.serializers import ErrorSerializer
from integrations.api.throttles import TaxThrottle
from integrations.kra.config import tax_config
from integrations.kra.writes import decisions
from integrations.models import KRAImport, KRAPurchase

_GONE = {404: ErrorSerializer}
_PURCHASE_ID = OpenApiParameter("purchase_id", int, OpenApiParameter.PATH)
_IMPORT_ID = OpenApiParameter("import_id", int, OpenApiParameter.PATH)
# Of the report of a decision, its state alone is told; of branch and item, their names.
_REPORT = ("write__document", "write__body", "branch__details")


def _reads(operation: str, summary: str, *parameters: OpenApiParameter) -> Callable[[Any], Any]:
    return extend_schema(
        operation_id=operation,
        summary=summary,
        parameters=list(parameters),
        responses={200: OpenApiTypes.OBJECT, **REFUSALS, **_GONE},
        tags=base.TAGS,
    )


def _decides(operation: str, summary: str, body: Any, parameter: Any) -> Callable[[Any], Any]:
    return extend_schema(
        operation_id=operation,
        summary=f"{summary}, and report that to KRA",
        request=body,
        parameters=[parameter, HEADER_PARAMETER],
        responses={
            200: OpenApiTypes.OBJECT, 409: ErrorSerializer, 503: ErrorSerializer, **_GONE,
            **BODY_REFUSALS,
        },
        tags=base.TAGS,
    )  # fmt: skip


class _PurchaseView(KRAView):
    model = KRAPurchase
    related = ("branch", "write")
    serializer_class: Any = shapes.KRAPurchaseSerializer


class _ImportView(KRAView):
    model = KRAImport
    related = ("branch", "write", "item")
    serializer_class: Any = shapes.KRAImportSerializer


class _DetailView(KRAView):
    def shown(self, request: Request, row_id: str) -> Response:
        """One of them, as it is here."""
        refuse_unknown(request, "business")
        return Response(self.get_serializer(self.find_row(row_id)).data)


class _DecisionView(KRAView):
    keyed = frozenset({"POST"})
    costly = (TaxThrottle,)
    # How the row is told afterwards; `serializer_class` is the body's.
    shape: ClassVar[Any]

    def decide(self, request: Request, row_id: str, act: Callable[..., Any]) -> Response:
        """Once for each Idempotency-Key: the row afterwards."""
        wanted = base.body_of(self, request)
        row = self.find_row(row_id)

        def done() -> Response:
            config = tax_config(row.business, row.branch.bhf_id)
            decided = act(config, row.pk, by=request.user, **wanted)
            return Response(self.shape(decided).data)

        return answer_once(request, done)


class PurchaseListView(_PurchaseView, PagedView):
    """Suppliers' invoices from KRA's feed."""

    rights = {"GET": base.READ_PURCHASES}
    left_out = _REPORT
    filterset_class = base.PurchaseFilter

    @_reads("kra_purchase_list", "List suppliers' invoices that KRA tells of")
    def get(self, request: Request) -> Response:
        """One page, newest first."""
        return self.paged(request)


class PurchaseDetailView(_PurchaseView, _DetailView):
    """One of them."""

    rights = {"GET": base.READ_PURCHASES}

    @_reads(
        "kra_purchase_read", "Read a supplier's invoice that KRA tells of", _PURCHASE_ID, BUSINESS
    )
    def get(self, request: Request, purchase_id: str) -> Response:
        """As it is here; KRA is not asked."""
        return self.shown(request, purchase_id)


class _PurchaseDecisionView(_DecisionView):
    rights = {"POST": base.DECIDE_PURCHASE}
    model = KRAPurchase
    related = ("branch",)
    shape = shapes.KRAPurchaseSerializer


class PurchaseAcceptView(_PurchaseDecisionView):
    """Accepts a supplier's invoice."""

    serializer_class = shapes.AcceptPurchaseSerializer

    @_decides("kra_purchase_accept", "Accept a supplier's invoice", serializer_class, _PURCHASE_ID)
    def post(self, request: Request, purchase_id: str) -> Response:
        """The purchase afterwards."""
        return self.decide(request, purchase_id, decisions.accept_purchase)


class PurchaseRejectView(_PurchaseDecisionView):
    """Rejects a supplier's invoice."""

    serializer_class = shapes.RejectSerializer

    @_decides("kra_purchase_reject", "Reject a supplier's invoice", serializer_class, _PURCHASE_ID)
    def post(self, request: Request, purchase_id: str) -> Response:
        """The purchase afterwards."""
        return self.decide(request, purchase_id, decisions.reject_purchase)


class ImportListView(_ImportView, PagedView):
    """Imported items from KRA's feed."""

    rights = {"GET": base.READ_IMPORTS}
    left_out = (*_REPORT, "item__data")
    filterset_class = base.ImportFilter

    @_reads("kra_import_list", "List imported items that KRA tells of")
    def get(self, request: Request) -> Response:
        """One page, newest first."""
        return self.paged(request)


class ImportDetailView(_ImportView, _DetailView):
    """One of them."""

    rights = {"GET": base.READ_IMPORTS}

    @_reads("kra_import_read", "Read an imported item that KRA tells of", _IMPORT_ID, BUSINESS)
    def get(self, request: Request, import_id: str) -> Response:
        """As it is here; KRA is not asked."""
        return self.shown(request, import_id)


class _ImportDecisionView(_DecisionView):
    rights = {"POST": base.DECIDE_IMPORT}
    model = KRAImport
    related = ("branch",)
    shape = shapes.KRAImportSerializer


class ImportAcceptView(_ImportDecisionView):
    """Matches an imported item with one of ours."""

    serializer_class = shapes.AcceptImportSerializer

    @_decides(
        "kra_import_accept", "Match an imported item with one of ours", serializer_class, _IMPORT_ID
    )
    def post(self, request: Request, import_id: str) -> Response:
        """The import afterwards."""
        return self.decide(request, import_id, decisions.accept_import)


class ImportRejectView(_ImportDecisionView):
    """Says that an imported item is not ours."""

    serializer_class = shapes.RejectImportSerializer

    @_decides(
        "kra_import_reject", "Say that an imported item is not ours", serializer_class, _IMPORT_ID
    )
    def post(self, request: Request, import_id: str) -> Response:
        """The import afterwards."""
        return self.decide(request, import_id, decisions.reject_import)
