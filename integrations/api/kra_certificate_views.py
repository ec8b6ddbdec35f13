"""Requests for certificates over HTTP, and the documented addresses of the original."""

from __future__ import annotations

from typing import Any, ClassVar

from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api import kra_gava_serializers as shapes
from integrations.api.hub_view import BODY_REFUSALS, REFUSALS, HubView
from integrations.api.idempotency import HEADER_PARAMETER, read_key
from integrations.api.kra_base import KRAView, PagedView
from integrations.api.kra_check_views import ASKED, CHECK, GavaFilter, TaxView
from integrations.api.kra_list_base import SYNC
from integrations.api.rights import Right, choose_business
from integrations.api.serializers import ErrorSerializer
from integrations.api.throttles import AskThrottle, TaxThrottle
from integrations.kra import checks
from integrations.kra.checks.certificates import request_once
from integrations.models import CertificateStatus, KRACertificateRequest, TokenScope
from integrations.services import KRAService

REQUEST = Right(TokenScope.TAX_WRITE, "integrations.request_kracertificaterequest")
TAGS = ["kra certificates"]
NOT_FOUND = "There is no such request."


class CertificateFilter(GavaFilter):
    """Of requests for certificates."""

    status = filters.MultipleChoiceFilter(choices=CertificateStatus.choices)

    class Meta:
        model = KRACertificateRequest
        fields: ClassVar[list[str]] = []


class CertificateListView(TaxView, PagedView):
    """Requests that were made, and new ones."""

    rights = {
        "GET": Right(TokenScope.TAX_READ, "integrations.view_kracertificaterequest"),
        "POST": REQUEST,
    }
    serializer_class = shapes.AskCertificateSerializer
    keyed = frozenset({"POST"})
    costly = (TaxThrottle,)
    model = KRACertificateRequest
    left_out = ("response_payload",)
    filterset_class = CertificateFilter

    @extend_schema(
        operation_id="kra_certificate_list",
        summary="List requests for certificates",
        responses={200: shapes.CertificateSerializer(many=True), **REFUSALS, 404: ErrorSerializer},
        tags=TAGS,
    )
    def get(self, request: Request) -> Response:
        """One page of the requests that fit every filter."""
        return self.paged(request, shapes.CertificateSerializer)

    @extend_schema(
        operation_id="kra_certificate_request",
        summary="Apply for a tax compliance certificate",
        description="KRA has no public API for the other types: they are refused in words. Where "
        "KRA's answer is lost the request is `unknown`, and the same one is refused until a "
        "person has told what became of it.",
        parameters=[HEADER_PARAMETER],
        request=shapes.AskCertificateSerializer,
        responses={201: shapes.CertificateSerializer, 409: ErrorSerializer, **ASKED},
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Store the request, then send it, once."""
        config, found = self.wanted(request)
        user: Any = request.user
        row = request_once(config, read_key(request), by=user, **found)
        return Response(shapes.CertificateSerializer(row).data, status=201)


class CertificateSettleView(KRAView):
    """A person tells what became of a request in doubt."""

    rights = {"POST": Right(TokenScope.TAX_WRITE, "integrations.settle_kracertificaterequest")}
    model = KRACertificateRequest
    missing = NOT_FOUND
    serializer_class = shapes.SettleCertificateSerializer

    @extend_schema(
        operation_id="kra_certificate_settle",
        summary="Tell what became of a request in doubt",
        parameters=[OpenApiParameter("request_id", int, OpenApiParameter.PATH)],
        request=shapes.SettleCertificateSerializer,
        responses={
            200: shapes.CertificateSerializer, 409: ErrorSerializer, 404: ErrorSerializer,
            **BODY_REFUSALS,
        },
        tags=TAGS,
    )  # fmt: skip
    def post(self, request: Request, request_id: str) -> Response:
        """Settle it; nobody is asked."""
        row = self.find_row(request_id)
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        settled = checks.settle_certificate(row, **serializer.validated_data)
        return Response(shapes.CertificateSerializer(settled).data)


class OriginalView(HubView):
    """The documented answers: `{success, result}`, or 400 `{success, error}`."""

    def body(self, request: Request) -> tuple[KRAService, dict[str, Any]]:
        """The service of the chosen business, and the body's other values."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        found = dict(serializer.validated_data)
        return KRAService(choose_business(request, found.pop("business", None))), found

    @staticmethod
    def told(answer: tuple[bool, Any]) -> Response:
        """A 2-tuple of the service."""
        success, found = answer
        if success:
            return Response({"success": True, "result": found})
        error = {"type": "TaxRefused", "detail": str(found), "code": found.code, "help": found.help}
        if found.field:
            error["field"] = found.field
        return Response({"success": False, "error": error}, status=400)


_DONE: dict[Any, Any] = {200: shapes.OriginalAnswerSerializer, **BODY_REFUSALS}


class OriginalCertificateView(OriginalView):
    """POST webhook-events/certificate/."""

    rights = {"POST": REQUEST}
    serializer_class = shapes.OriginalCertificateSerializer
    costly = (TaxThrottle,)

    @extend_schema(
        operation_id="original_certificate",
        summary="Apply for a certificate, at its documented address",
        description="As `kra/certificates/`, which is the better place for it.",
        request=shapes.OriginalCertificateSerializer,
        responses=_DONE,
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Ask for it."""
        service, found = self.body(request)
        kind = found.get("tax_type") or found.get("type") or ""
        return self.told(
            service.get_tax_certificate(kind, found.get("period", ""), requested_by=request.user)
        )


class OriginalComplianceView(OriginalView):
    """POST webhook-events/compliance/."""

    rights = {"POST": CHECK}
    serializer_class = shapes.OriginalComplianceSerializer
    costly = (AskThrottle,)

    @extend_schema(
        operation_id="original_compliance",
        summary="Check compliance, at its documented address",
        description="As `kra/checks/`, which is the better place for it.",
        request=shapes.OriginalComplianceSerializer,
        responses=_DONE,
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Ask for it."""
        service, found = self.body(request)
        pin = found.get("kra_pin") or found.get("pin") or ""
        return self.told(service.check_compliance(pin, requested_by=request.user))


class OriginalSyncView(OriginalView):
    """POST webhook-events/sync/."""

    rights = {"POST": SYNC}
    serializer_class = shapes.OriginalSyncSerializer
    costly = (AskThrottle,)

    @extend_schema(
        operation_id="original_sync",
        summary="Read what is new in KRA's lists, at its documented address",
        request=shapes.OriginalSyncSerializer,
        responses=_DONE,
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Read them."""
        service, found = self.body(request)
        dates = [found.get(name) or None for name in ("start_date", "end_date")]
        return self.told(service.sync_tax_data(*dates))
