"""Payments over HTTP: read them, start one, ask the provider about one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.access import request_scope
from integrations.api import payment_serializers as shapes
from integrations.api.hub_view import BODY_REFUSALS, REFUSALS, HubView, find_by_uuid, refuse_unknown
from integrations.api.idempotency import HEADER, HEADER_PARAMETER, read_key
from integrations.api.payment_filters import PaymentFilter, PaymentPages, filter_names
from integrations.api.push_answer import answer_push
from integrations.api.rights import Right, choose_business
from integrations.api.serializers import ErrorSerializer
from integrations.api.throttles import AskThrottle, PushThrottle
from integrations.exceptions import InvalidInput, OutcomeUnknown
from integrations.models import AuditEntry, Payment, PaymentEvent, PaymentState, TokenScope
from integrations.payments.mpesa_payment import MpesaPaymentService
from integrations.payments.opening import config_of
from integrations.payments.states import REVISABLE

NOT_FOUND = "There is no such payment."
# States about which the provider can tell more than we know.
ASKABLE = {PaymentState.PENDING, PaymentState.UNKNOWN, *REVISABLE}
_ID = OpenApiParameter("public_id", UUID, OpenApiParameter.PATH, description="The payment's id.")
_EXAMPLE = {
    "phone": "0712345678", "amount": "100", "account_reference": "INV-001",
    "description": "Invoice 001",
}  # fmt: skip


class PaymentView(HubView):
    """What the payment views share."""

    serializer_class: Any = shapes.PaymentSerializer

    def get_queryset(self) -> QuerySet[Payment]:
        """The payments of the caller's businesses; others don't exist here."""
        if getattr(self, "swagger_fake_view", False):
            return Payment.objects.none()
        return request_scope(self.request).narrow(Payment.objects.select_related("original"))

    def find_payment(self, public_id: str) -> Payment:
        """The caller's payment with its history; raises Http404 for any other text."""
        history = Prefetch("events", PaymentEvent.objects.order_by("id"))
        return find_by_uuid(self.get_queryset().prefetch_related(history), public_id, NOT_FOUND)


class PaymentListView(PaymentView):
    """The ledger, newest first."""

    rights = {"GET": Right(TokenScope.PAYMENTS_READ, "integrations.view_payment")}
    filter_backends = (DjangoFilterBackend,)
    filterset_class = PaymentFilter
    pagination_class = PaymentPages

    @extend_schema(
        operation_id="payment_list",
        summary="List payments",
        responses={200: shapes.PaymentSerializer(many=True), **REFUSALS, 404: ErrorSerializer},
        tags=["payments"],
    )
    def get(self, request: Request) -> Response:
        """One page of the payments that fit every filter."""
        refuse_unknown(request, *filter_names())
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class PaymentDetailView(PaymentView):
    """One payment."""

    rights = {"GET": Right(TokenScope.PAYMENTS_READ, "integrations.view_payment")}
    serializer_class = shapes.PaymentDetailSerializer

    @extend_schema(
        operation_id="payment_read",
        summary="Read a payment and its history",
        parameters=[_ID],
        responses={200: shapes.PaymentDetailSerializer, **REFUSALS, 404: ErrorSerializer},
        tags=["payments"],
    )
    def get(self, _request: Request, public_id: str) -> Response:
        """The payment as it stands, nobody is asked."""
        return Response(self.get_serializer(self.find_payment(public_id)).data)


class StkPushView(HubView):
    """Starts M-Pesa payments."""

    rights = {"POST": Right(TokenScope.PAYMENTS_WRITE, "integrations.push_payment")}
    serializer_class = shapes.PushSerializer
    keyed = frozenset({"POST"})
    costly = (PushThrottle,)

    @extend_schema(
        operation_id="payment_stk_push",
        summary="Prompt a payer on the phone (M-Pesa STK push)",
        description="201 means that the prompt is on its way, never that it is paid. 202 means "
        "that the outcome is not known: don't send it again, read the payment. A repeated "
        "Idempotency-Key answers 200 with the first payment and sends nothing.",
        request=shapes.PushSerializer,
        parameters=[HEADER_PARAMETER],
        responses={
            201: shapes.PushedSerializer,
            200: shapes.PushedSerializer,
            202: shapes.PushedSerializer,
            409: ErrorSerializer,
            502: shapes.PushFailedSerializer,
            503: ErrorSerializer,
            **BODY_REFUSALS,
        },
        examples=[OpenApiExample("KES 100 for an invoice", value=_EXAMPLE, request_only=True)],
        tags=["payments"],
    )
    def post(self, request: Request) -> Response:
        """Store the payment, then prompt the payer."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wanted = dict(serializer.validated_data)
        wanted["business"] = choose_business(request, wanted.get("business"))
        wanted["idempotency_key"] = one_key(read_key(request), wanted.get("idempotency_key"))
        success, message, data = MpesaPaymentService.initiate_stk_push(**wanted)
        return answer_push(success, message, data)


def one_key(header: str | None, field: str | None) -> str | None:
    """The key of the header or of the body; raises InvalidInput where they differ."""
    if header is not None and field is not None and header != field:
        raise InvalidInput("idempotency_key", f"differs from the header {HEADER}.")
    return header if header is not None else field


class PaymentStatusView(PaymentView):
    """Asks the provider."""

    rights = {"POST": Right(TokenScope.PAYMENTS_WRITE, "integrations.ask_payment")}
    serializer_class = shapes.AskedSerializer
    costly = (AskThrottle,)

    @extend_schema(
        operation_id="payment_status",
        summary="Ask the provider about a payment now",
        description="The answer moves the payment. What is settled is not asked about.",
        parameters=[_ID],
        request=None,
        responses={
            200: shapes.AskedSerializer,
            404: ErrorSerializer,
            502: ErrorSerializer,
            503: ErrorSerializer,
            **REFUSALS,
        },
        tags=["payments"],
    )
    def post(self, _request: Request, public_id: str) -> Response:
        """Ask, then answer with the payment as it stands now."""
        payment = self.find_payment(public_id)
        asked = payment.state in ASKABLE and bool(payment.checkout_id)
        if asked:
            _ask(payment)
            payment = self.find_payment(public_id)
        answer = {
            "success": True,
            "asked": asked,
            "message": payment.message or str(PaymentState(payment.state).label),
            "payment": payment,
        }
        return Response(self.get_serializer(answer).data)


def _ask(payment: Payment) -> None:
    """Raises OutcomeUnknown where the provider told nothing, ConfigurationError where it can't
    be asked."""
    config_of(payment).require_configured()
    answered, error, _body = MpesaPaymentService.query_stk_status(
        payment.checkout_id or "", business=payment.business
    )
    AuditEntry.objects.record("payment.asked", target=payment, business=payment.business)
    if not answered:
        raise OutcomeUnknown(error or "The provider gave no usable answer.", code="no_answer")
