"""Expected payments over HTTP: what should come, and where receipts belong."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from django_filters import rest_framework as filters
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.access import request_scope
from integrations.api import expectation_serializers as shapes
from integrations.api.hub_view import BODY_REFUSALS, REFUSALS, HubView, find_by_uuid, refuse_unknown
from integrations.api.idempotency import HEADER_PARAMETER, read_key
from integrations.api.payment_filters import PaymentPages
from integrations.api.rights import Right, choose_business
from integrations.api.serializers import ErrorSerializer
from integrations.models import (
    Allotment,
    AllotmentStatus,
    Environment,
    ExpectationState,
    ExpectedPayment,
    Payment,
    TokenScope,
)
from integrations.payments import expectations
from integrations.payments.references import reference_key

NO_EXPECTATION, NO_PAYMENT = "There is no such expected payment.", "There is no such payment."
_ID = OpenApiParameter("expectation_id", UUID, OpenApiParameter.PATH)
_READ = Right(TokenScope.PAYMENTS_READ, "integrations.view_expectedpayment")
_ADD = Right(TokenScope.PAYMENTS_WRITE, "integrations.add_expectedpayment")
_MATCH = Right(TokenScope.PAYMENTS_WRITE, "integrations.match_payment")
_FOUND = {200: shapes.ExpectedPaymentSerializer, **REFUSALS, 404: ErrorSerializer}


class _BusinessFilter(filters.FilterSet):  # type: ignore[misc]
    """What both lists can be narrowed by."""

    environment = filters.ChoiceFilter(choices=Environment.choices)
    business = filters.CharFilter(method="by_business", help_text="Empty: the installation.")
    reference = filters.CharFilter(method="by_reference", max_length=64)

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """As the library's, where an empty `business` is a business too."""
        rows: QuerySet[Any] = super().filter_queryset(queryset)
        return rows.filter(business="") if self.data.get("business") == "" else rows

    def by_business(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        """A stranger's business has nothing here."""
        return rows.filter(business=value)

    def by_reference(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        """In any spelling."""
        return rows.filter(reference_key=reference_key(value))


class ExpectationFilter(_BusinessFilter):
    """Every filter narrows; together they must all fit."""

    state = filters.MultipleChoiceFilter(choices=ExpectationState.choices)

    class Meta:
        model = ExpectedPayment
        fields: ClassVar[list[str]] = []


class ReceiptFilter(_BusinessFilter):
    """Of receipts."""

    status = filters.MultipleChoiceFilter(choices=AllotmentStatus.choices)

    class Meta:
        model = Allotment
        fields: ClassVar[list[str]] = []


class RowPages(PaymentPages):
    """Newest first, by id."""


def _names(filterset: Any) -> list[str]:
    return [
        *filterset.base_filters, RowPages.cursor_query_param, str(RowPages.page_size_query_param),
    ]  # fmt: skip


class ExpectationView(HubView):
    """What the views of expectations share."""

    serializer_class: Any = shapes.ExpectedPaymentSerializer

    def get_queryset(self) -> QuerySet[ExpectedPayment]:
        """Those of the caller's businesses; others don't exist here."""
        if getattr(self, "swagger_fake_view", False):
            return ExpectedPayment.objects.none()
        return request_scope(self.request).narrow(ExpectedPayment.objects.all())

    def find(self, expectation_id: str) -> ExpectedPayment:
        """The caller's expectation; raises Http404 for any other text."""
        return find_by_uuid(self.get_queryset(), expectation_id, NO_EXPECTATION)


class ExpectationListView(ExpectationView):
    """What is expected, newest first; and expecting more."""

    rights = {"GET": _READ, "POST": _ADD}
    keyed = frozenset({"POST"})
    filter_backends = (DjangoFilterBackend,)
    filterset_class = ExpectationFilter
    pagination_class = RowPages

    @extend_schema(
        operation_id="expected_payment_list",
        summary="List expected payments",
        responses={
            200: shapes.ExpectedPaymentSerializer(many=True), **REFUSALS, 404: ErrorSerializer,
        },
        tags=["expected payments"],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """One page of those that fit every filter."""
        refuse_unknown(request, *_names(ExpectationFilter))
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="expected_payment_create",
        summary="Expect a payment",
        description="Payments that come with its reference are allotted to it; one that came "
        "before is allotted at once. A repeated Idempotency-Key answers 200 with the first one.",
        request=shapes.ExpectSerializer,
        parameters=[HEADER_PARAMETER],
        responses={
            201: shapes.ExpectedPaymentSerializer,
            200: shapes.ExpectedPaymentSerializer,
            409: ErrorSerializer,
            503: ErrorSerializer,
            **BODY_REFUSALS,
        },
        tags=["expected payments"],
    )
    def post(self, request: Request) -> Response:
        """Store it."""
        serializer = shapes.ExpectSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wanted = dict(serializer.validated_data)
        wanted["business"] = choose_business(request, wanted.get("business"))
        wish = expectations.Wish(**wanted, idempotency_key=read_key(request))
        found, is_new = expectations.expect(wish)
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return Response(self.get_serializer(found).data, status=code)


class ExpectationDetailView(ExpectationView):
    """One expectation."""

    rights = {"GET": _READ}

    @extend_schema(
        operation_id="expected_payment_read",
        summary="Read an expected payment",
        parameters=[_ID],
        responses=_FOUND,
        tags=["expected payments"],
    )
    def get(self, _request: Request, expectation_id: str) -> Response:
        """As it stands now."""
        return Response(self.get_serializer(self.find(expectation_id)).data)


class ExpectationCancelView(ExpectationView):
    """Ends an expectation."""

    rights = {"POST": _ADD}

    @extend_schema(
        operation_id="expected_payment_cancel",
        summary="Expect a payment no longer",
        description="What had come for it is on the list of receipts to match afterwards.",
        parameters=[_ID],
        request=None,
        responses=_FOUND,
        tags=["expected payments"],
    )
    def post(self, _request: Request, expectation_id: str) -> Response:
        """Cancel it; a cancelled one stays so."""
        found = self.find(expectation_id)
        expectations.cancel(found)
        return Response(self.get_serializer(found).data)


class ReceiptListView(HubView):
    """Receipts and their places, newest first; `status=unmatched` is the work list."""

    rights = {"GET": Right(TokenScope.PAYMENTS_READ, "integrations.view_allotment")}
    serializer_class: Any = shapes.ReceiptSerializer
    filter_backends = (DjangoFilterBackend,)
    filterset_class = ReceiptFilter
    pagination_class = RowPages

    def get_queryset(self) -> QuerySet[Allotment]:
        """Those of the caller's businesses; others don't exist here."""
        if getattr(self, "swagger_fake_view", False):
            return Allotment.objects.none()
        rows = Allotment.objects.select_related("payment", "expectation")
        return request_scope(self.request).narrow(rows)

    @extend_schema(
        operation_id="receipt_list",
        summary="List receipts and what they are matched to",
        responses={200: shapes.ReceiptSerializer(many=True), **REFUSALS, 404: ErrorSerializer},
        tags=["expected payments"],
    )
    def get(self, request: Request) -> Response:
        """One page of those that fit every filter."""
        refuse_unknown(request, *_names(ReceiptFilter))
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class MatchView(HubView):
    """A person's, or a program's, word about one receipt."""

    rights = {"POST": _MATCH}
    serializer_class: Any = shapes.MatchSerializer

    @extend_schema(
        operation_id="payment_match",
        summary="Match a payment to an expected payment, or leave it on account",
        description="The whole payment goes to one expectation; it is never split. May be "
        "called again to change the match.",
        parameters=[OpenApiParameter("public_id", UUID, OpenApiParameter.PATH)],
        request=shapes.MatchSerializer,
        responses={200: shapes.ReceiptSerializer, 404: ErrorSerializer, **BODY_REFUSALS},
        tags=["expected payments"],
    )
    def post(self, request: Request, public_id: str) -> Response:
        """Audited; raises Http404 for what is not the caller's."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wanted = serializer.validated_data
        scope = request_scope(request)
        payment = find_by_uuid(scope.narrow(Payment.objects.all()), public_id, NO_PAYMENT)
        if not wanted["expectation_id"]:
            allotment = expectations.leave_on_account(payment, wanted["note"])
        else:
            rows = ExpectedPayment.objects.filter(public_id=wanted["expectation_id"])
            found = scope.narrow(rows).first()
            if found is None:
                raise Http404(NO_EXPECTATION)
            allotment = expectations.match_by_hand(payment, found)
        return Response(shapes.ReceiptSerializer(allotment).data)
