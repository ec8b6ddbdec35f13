"""Statements over HTTP: import one, read what it tells."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.access import request_scope
from integrations.api import statement_serializers as shapes
from integrations.api.errors import describe_error
from integrations.api.hub_view import BODY_REFUSALS, REFUSALS, HubView, find_by_uuid, refuse_unknown
from integrations.api.payment_filters import PaymentPages
from integrations.api.rights import Right, choose_business
from integrations.api.serializers import ErrorSerializer
from integrations.api.throttles import CostlyThrottle
from integrations.models import ItemFinding, RunState, StatementItem, StatementRun, TokenScope
from integrations.payments.statements.reader import BadStatement
from integrations.payments.statements.start import MAX_BYTES, import_file

NOT_FOUND = "There is no such statement."
READ = Right(TokenScope.STATEMENTS_READ, "integrations.view_statementrun")
_ID = OpenApiParameter(
    "statement_id", UUID, OpenApiParameter.PATH, description="The statement's id."
)


class ImportThrottle(CostlyThrottle):
    """Of statements, which may be large."""

    scope = "integrations-import"
    default_rate = "30/min"


class StatementFilter(filters.FilterSet):  # type: ignore[misc]
    """Every filter narrows; together they must all fit."""

    business = filters.CharFilter(method="by_business", help_text="Empty: the installation.")
    short_code = filters.CharFilter(max_length=20)
    state = filters.ChoiceFilter(choices=RunState.choices)

    class Meta:
        model = StatementRun
        fields: ClassVar[list[str]] = []

    def filter_queryset(self, queryset: QuerySet[StatementRun]) -> QuerySet[StatementRun]:
        """As the library's, where an empty `business` is a business too."""
        rows: QuerySet[StatementRun] = super().filter_queryset(queryset)
        return rows.filter(business="") if self.data.get("business") == "" else rows

    def by_business(
        self, rows: QuerySet[StatementRun], _name: str, value: str
    ) -> QuerySet[StatementRun]:
        """A stranger's business has no statements here."""
        return rows.filter(business=value)


class ItemFilter(filters.FilterSet):  # type: ignore[misc]
    """Every filter narrows; together they must all fit."""

    finding = filters.MultipleChoiceFilter(
        choices=ItemFinding.choices, help_text="May be given several times."
    )
    is_open = filters.BooleanFilter()

    class Meta:
        model = StatementItem
        fields: ClassVar[list[str]] = []


def _names(kind: type[Any]) -> list[str]:
    paging = [PaymentPages.cursor_query_param, str(PaymentPages.page_size_query_param)]
    return [*kind.base_filters, *paging]


class StatementView(HubView):
    """What the views of statements share."""

    serializer_class: Any = shapes.StatementSerializer

    def get_queryset(self) -> QuerySet[StatementRun]:
        """The statements of the caller's businesses; others don't exist here."""
        if getattr(self, "swagger_fake_view", False):
            return StatementRun.objects.none()
        return request_scope(self.request).narrow(StatementRun.objects.all())

    def find(self, statement_id: str) -> StatementRun:
        """The caller's statement; raises Http404 for any other text."""
        return find_by_uuid(self.get_queryset(), statement_id, NOT_FOUND)


class StatementListView(StatementView):
    """Statements: read the list, import one."""

    rights = {
        "GET": READ,
        "POST": Right(TokenScope.STATEMENTS_WRITE, "integrations.import_statement"),
    }
    parser_classes = [MultiPartParser]
    max_body_bytes = MAX_BYTES + 64 * 1024
    filter_backends = (DjangoFilterBackend,)
    filterset_class = StatementFilter
    pagination_class = PaymentPages

    def get_throttles(self) -> Any:
        """Imports have a limit of their own."""
        found = super().get_throttles()
        return [*found, ImportThrottle()] if self.request.method == "POST" else found

    @extend_schema(
        operation_id="statement_list",
        summary="List statements",
        responses={200: shapes.StatementSerializer(many=True), **REFUSALS, 404: ErrorSerializer},
        tags=["statements"],
    )
    def get(self, request: Request) -> Response:
        """One page of the statements that fit every filter, newest first."""
        refuse_unknown(request, *_names(StatementFilter))
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="statement_import",
        summary="Import an M-Pesa organisation statement (CSV)",
        description="202: the statement is stored and is being compared; read it until its state "
        "is done. 200: this very file was imported before. A file with a line that can't be read "
        "is refused whole, and `faults` names its lines.",
        request={"multipart/form-data": shapes.UploadSerializer},
        responses={
            202: shapes.StatementSerializer,
            200: shapes.StatementSerializer,
            503: ErrorSerializer,
            **BODY_REFUSALS,
            400: shapes.BadStatementSerializer,
        },
        tags=["statements"],
    )
    def post(self, request: Request) -> Response:
        """Store the lines; a worker compares them."""
        serializer = shapes.UploadSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wanted = serializer.validated_data
        business = choose_business(request, wanted.get("business"))
        try:
            started = import_file(
                wanted["file"].file, name=wanted["file"].name, business=business,
                short_code=wanted.get("short_code", ""), by=str(request.user),
            )  # fmt: skip
        except BadStatement as error:
            faults = [{"line": line, "reason": reason} for line, reason in error.faults]
            return Response({**describe_error(error), "faults": faults}, status=400)
        code = status.HTTP_202_ACCEPTED if started.is_new else status.HTTP_200_OK
        return Response(shapes.StatementSerializer(started.run).data, status=code)


class StatementDetailView(StatementView):
    """One statement."""

    rights = {"GET": READ}

    @extend_schema(
        operation_id="statement_read",
        summary="Read a statement and its counts",
        parameters=[_ID],
        responses={200: shapes.StatementSerializer, **REFUSALS, 404: ErrorSerializer},
        tags=["statements"],
    )
    def get(self, _request: Request, statement_id: str) -> Response:
        """As it stands."""
        return Response(self.get_serializer(self.find(statement_id)).data)


class StatementItemsView(StatementView):
    """What one statement tells."""

    rights = {"GET": Right(TokenScope.STATEMENTS_READ, "integrations.view_statementitem")}
    serializer_class = shapes.ItemSerializer
    queryset = StatementItem.objects.none()  # what the schema is derived from
    filter_backends = (DjangoFilterBackend,)
    filterset_class = ItemFilter
    pagination_class = PaymentPages

    @extend_schema(
        operation_id="statement_items",
        summary="List what a statement tells of payments and lines",
        parameters=[_ID],
        responses={200: shapes.ItemSerializer(many=True), **REFUSALS, 404: ErrorSerializer},
        tags=["statements"],
    )
    def get(self, request: Request, statement_id: str) -> Response:
        """One page of the items that fit every filter, newest first."""
        refuse_unknown(request, *_names(ItemFilter))
        rows = StatementItem.objects.filter(run=self.find(statement_id))
        found = self.filter_queryset(rows.select_related("line", "payment"))
        page = self.paginate_queryset(found)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)
