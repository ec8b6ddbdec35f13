"""Filings at KRA over HTTP: list, file, read, settle."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api import kra_gava_serializers as shapes
from integrations.api.hub_view import BODY_REFUSALS, REFUSALS, refuse_unknown
from integrations.api.kra_base import BUSINESS, KRAView, PagedView
from integrations.api.kra_check_views import ASKED, GavaFilter, TaxView
from integrations.api.rights import Right
from integrations.api.serializers import ErrorSerializer
from integrations.api.throttles import TaxThrottle
from integrations.exceptions import help_url
from integrations.kra import filings
from integrations.models import FilingKind, FilingState, KRAFiling, TokenScope

READ = Right(TokenScope.TAX_READ, "integrations.view_krafiling")
TAGS = ["kra filings"]
NOT_FOUND = "There is no such filing."
_ID = OpenApiParameter("filing_id", UUID, OpenApiParameter.PATH, description="The filing's id.")
_EXAMPLE = {"kind": "nil_return", "obligation": "5", "month": 10, "year": 2026}


class FilingFilter(GavaFilter):
    """Of filings."""

    kind = filters.MultipleChoiceFilter(choices=FilingKind.choices)
    state = filters.MultipleChoiceFilter(choices=FilingState.choices)
    needs_attention = filters.BooleanFilter(method="by_attention")

    class Meta:
        model = KRAFiling
        fields: ClassVar[list[str]] = []


class FilingListView(TaxView, PagedView):
    """What was filed, and filing."""

    rights = {"GET": READ, "POST": Right(TokenScope.TAX_WRITE, "integrations.file_krafiling")}
    serializer_class = shapes.FileSerializer
    costly = (TaxThrottle,)
    model = KRAFiling
    left_out = ("body", "response_payload")
    filterset_class = FilingFilter

    @extend_schema(
        operation_id="kra_filing_list",
        summary="List filings",
        responses={200: shapes.FilingSerializer(many=True), **REFUSALS, 404: ErrorSerializer},
        tags=TAGS,
    )
    def get(self, request: Request) -> Response:
        """One page of the filings that fit every filter."""
        return self.paged(request, shapes.FilingSerializer)

    @extend_schema(
        operation_id="kra_filing_create",
        summary="File a NIL return, turnover tax, or withheld tax",
        description="201: KRA has it. 200: it was filed before; the same again (period, or "
        "`unique_number` of withheld tax) sends nothing. 202: KRA's answer was lost: look on "
        "iTax and settle it. 502: KRA refused it, and nothing was filed.",
        request=shapes.FileSerializer,
        responses={
            201: shapes.FilingSerializer,
            200: shapes.FilingSerializer,
            202: shapes.FilingRefusedSerializer,
            409: ErrorSerializer,
            **ASKED,
            502: shapes.FilingRefusedSerializer,
        },
        examples=[OpenApiExample("A NIL return", value=_EXAMPLE, request_only=True)],
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Check it, store it, send it, once."""
        config, found = self.wanted(request)
        given = {name: value for name, value in found.items() if value not in ("", None)}
        wanted = filings.read_filing(config, given.pop("kind"), given)
        user: Any = request.user
        row, is_new = filings.file(config, wanted, by=user)
        return _answer(row, is_new=is_new)


def _answer(row: KRAFiling, *, is_new: bool) -> Response:
    body = dict(shapes.FilingSerializer(row).data)
    if row.state == FilingState.ACCEPTED:
        return Response(body, status=201 if is_new else 200)
    is_refused = row.state == FilingState.REFUSED
    code = row.result_code if is_refused else "outcome_unknown"
    detail = f"{row.message} {row.attention}".strip() or str(row.get_state_display())
    body["error"] = {
        "type": "FilingRefused", "detail": detail, "code": code, "help": help_url(code),
    }  # fmt: skip
    return Response(body, status=502 if is_refused else 202)


class _FilingView(KRAView):
    model = KRAFiling
    missing = NOT_FOUND


class FilingDetailView(_FilingView):
    """One filing."""

    rights = {"GET": READ}
    serializer_class = shapes.FilingSerializer

    @extend_schema(
        operation_id="kra_filing_read",
        summary="Read a filing",
        parameters=[_ID, BUSINESS],
        responses={200: shapes.FilingSerializer, **REFUSALS, 404: ErrorSerializer},
        tags=TAGS,
    )
    def get(self, request: Request, filing_id: str) -> Response:
        """As it stands; nobody is asked."""
        refuse_unknown(request, "business")
        return Response(shapes.FilingSerializer(self.find_row(filing_id)).data)


class FilingSettleView(_FilingView):
    """A person tells what became of a filing in doubt."""

    rights = {"POST": Right(TokenScope.TAX_WRITE, "integrations.settle_krafiling")}
    serializer_class = shapes.SettleFilingSerializer

    @extend_schema(
        operation_id="kra_filing_settle",
        summary="Tell what became of a filing in doubt",
        parameters=[_ID],
        request=shapes.SettleFilingSerializer,
        responses={
            200: shapes.FilingSerializer, 409: ErrorSerializer, 404: ErrorSerializer,
            **BODY_REFUSALS,
        },
        tags=TAGS,
    )  # fmt: skip
    def post(self, request: Request, filing_id: str) -> Response:
        """Settle it; nobody is asked."""
        row = self.find_row(filing_id)
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        settled = filings.settle_filing(row, **serializer.validated_data)
        return Response(shapes.FilingSerializer(settled).data)
