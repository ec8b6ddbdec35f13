"""Balances and transactions over HTTP: read what is known, ask M-Pesa, read the answer."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.access import request_scope
from integrations.api import query_serializers as shapes
from integrations.api.hub_view import BODY_REFUSALS, REFUSALS, HubView, find_by_uuid, refuse_unknown
from integrations.api.payment_filters import PaymentPages
from integrations.api.rights import Right, choose_business
from integrations.api.serializers import ErrorSerializer
from integrations.api.throttles import AskThrottle
from integrations.exceptions import help_url
from integrations.models import (
    AccountBalance,
    Environment,
    MpesaQuery,
    QueryKind,
    QueryState,
    TokenScope,
)
from integrations.payments import queries

NOT_FOUND = "There is no such question."
_ID = OpenApiParameter("query_id", UUID, OpenApiParameter.PATH, description="The question's id.")
_ASKED: dict[int, Any] = {
    202: shapes.QuerySerializer,
    502: shapes.QueryRefusedSerializer,
    503: ErrorSerializer,
    **BODY_REFUSALS,
}
_READ: dict[int, Any] = {200: shapes.QuerySerializer, **REFUSALS, 404: ErrorSerializer}


class BalanceFilter(filters.FilterSet):  # type: ignore[misc]
    """Every filter narrows; together they must all fit."""

    business = filters.CharFilter(method="by_business", help_text="Empty: the installation.")
    environment = filters.ChoiceFilter(choices=Environment.choices)
    short_code = filters.CharFilter(max_length=20)
    history = filters.BooleanFilter(
        method="by_history", help_text="True: former answers too. Otherwise the latest only."
    )

    class Meta:
        model = AccountBalance
        fields: ClassVar[list[str]] = []

    def filter_queryset(self, queryset: QuerySet[AccountBalance]) -> QuerySet[AccountBalance]:
        """As the library's, where an empty `business` is a business too."""
        rows: QuerySet[AccountBalance] = super().filter_queryset(queryset)
        if self.form.cleaned_data.get("history") is not True:
            rows = rows.filter(is_latest=True)
        return rows.filter(business="") if self.data.get("business") == "" else rows

    def by_business(
        self, rows: QuerySet[AccountBalance], _name: str, value: str
    ) -> QuerySet[AccountBalance]:
        """A stranger's business has no balances here."""
        return rows.filter(business=value)

    def by_history(
        self, rows: QuerySet[AccountBalance], _name: str, _value: bool
    ) -> QuerySet[AccountBalance]:
        """Decided in `filter_queryset`, where its absence counts too."""
        return rows


class BalancePages(PaymentPages):
    """Newest first, by id."""


class BalanceListView(HubView):
    """What is known of the accounts; nobody is asked."""

    rights = {"GET": Right(TokenScope.PAYMENTS_READ, "integrations.view_accountbalance")}
    serializer_class = shapes.BalanceSerializer
    filter_backends = (DjangoFilterBackend,)
    filterset_class = BalanceFilter
    pagination_class = BalancePages

    def get_queryset(self) -> QuerySet[AccountBalance]:
        """The balances of the caller's businesses; others don't exist here."""
        if getattr(self, "swagger_fake_view", False):
            return AccountBalance.objects.none()
        rows = AccountBalance.objects.select_related("query")
        return request_scope(self.request).narrow(rows)

    @extend_schema(
        operation_id="balance_list",
        summary="List account balances",
        responses={200: shapes.BalanceSerializer(many=True), **REFUSALS, 404: ErrorSerializer},
        tags=["balances"],
    )
    def get(self, request: Request) -> Response:
        """One page of the balances that fit every filter."""
        paging = [BalancePages.cursor_query_param, str(BalancePages.page_size_query_param)]
        refuse_unknown(request, *BalanceFilter.base_filters, *paging)
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class QueryView(HubView):
    """What the views of questions share."""

    serializer_class: Any = shapes.QuerySerializer
    kind: ClassVar[QueryKind]

    def find_query(self, query_id: str) -> MpesaQuery:
        """How the caller's question stands now; raises Http404 for any other text."""
        rows = request_scope(self.request).narrow(MpesaQuery.objects.filter(kind=self.kind))
        return find_by_uuid(rows, query_id, NOT_FOUND)

    def answer(self, query_id: str) -> Response:
        """The question under the id that was asked for, as its best try stands."""
        asked = self.find_query(query_id)
        standing = queries.standing_of(asked)
        standing.public_id = asked.public_id
        return Response(shapes.QuerySerializer(standing).data)

    def asked(self, query: MpesaQuery) -> Response:
        """202, or 502 with the reason where it was refused at once."""
        body = dict(shapes.QuerySerializer(query).data)
        if query.state != QueryState.REFUSED:
            return Response(body, status=status.HTTP_202_ACCEPTED)
        code = query.result_code
        body["error"] = {
            "type": "QueryRefused", "detail": query.message, "code": code, "help": help_url(code),
        }  # fmt: skip
        return Response(body, status=status.HTTP_502_BAD_GATEWAY)

    def wanted(self, request: Request) -> dict[str, Any]:
        """The body's values, for a business that is the caller's; raises BusinessRefused."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        found = dict(serializer.validated_data)
        found["business"] = choose_business(request, found.get("business"))
        return {**found, "requested_by": request.user, "now": True}


class BalanceRefreshView(QueryView):
    """Asks for balances."""

    rights = {"POST": Right(TokenScope.PAYMENTS_WRITE, "integrations.refresh_accountbalance")}
    serializer_class = shapes.AskBalanceSerializer
    costly = (AskThrottle,)
    kind = QueryKind.ACCOUNT_BALANCE

    @extend_schema(
        operation_id="balance_refresh",
        summary="Ask M-Pesa for the balances of an account",
        description="The answer comes later: read it by `query_id`, or list the balances. While "
        "a question about the account is open, that one is answered and nothing is sent.",
        request=shapes.AskBalanceSerializer,
        responses=_ASKED,
        tags=["balances"],
    )
    def post(self, request: Request) -> Response:
        """Store the question, then send it."""
        return self.asked(queries.ask_balance(**self.wanted(request)))


class BalanceAnswerView(QueryView):
    """One question about balances."""

    rights = {"GET": Right(TokenScope.PAYMENTS_READ, "integrations.view_accountbalance")}
    kind = QueryKind.ACCOUNT_BALANCE

    @extend_schema(
        operation_id="balance_refresh_read",
        summary="Read the answer to a question about balances",
        parameters=[_ID],
        responses=_READ,
        tags=["balances"],
    )
    def get(self, _request: Request, query_id: str) -> Response:
        """The question as it stands; nobody is asked."""
        return self.answer(query_id)


class StatusAskView(QueryView):
    """Asks about a transaction."""

    rights = {"POST": Right(TokenScope.PAYMENTS_WRITE, "integrations.ask_mpesaquery")}
    serializer_class = shapes.AskStatusSerializer
    costly = (AskThrottle,)
    kind = QueryKind.TRANSACTION_STATUS

    @extend_schema(
        operation_id="transaction_status",
        summary="Ask M-Pesa about a transaction, by receipt or by id",
        description="The answer comes later: read it by `query_id`. It may be about a "
        "transaction that is not in the ledger.",
        request=shapes.AskStatusSerializer,
        responses=_ASKED,
        examples=[OpenApiExample("By receipt", value={"receipt": "UAE4X7K2QP"}, request_only=True)],
        tags=["balances"],
    )
    def post(self, request: Request) -> Response:
        """Store the question, then send it."""
        return self.asked(queries.ask_status(**self.wanted(request)))


class StatusAnswerView(QueryView):
    """One question about a transaction."""

    rights = {"GET": Right(TokenScope.PAYMENTS_READ, "integrations.view_mpesaquery")}
    kind = QueryKind.TRANSACTION_STATUS

    @extend_schema(
        operation_id="transaction_status_read",
        summary="Read the answer to a question about a transaction",
        parameters=[_ID],
        responses=_READ,
        tags=["balances"],
    )
    def get(self, _request: Request, query_id: str) -> Response:
        """The question as it stands; nobody is asked."""
        return self.answer(query_id)
