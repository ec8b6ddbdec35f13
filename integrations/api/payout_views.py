"""Money out over HTTP: pay a phone, give the money of a payment back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api import payout_serializers as shapes
from integrations.api.hub_view import BODY_REFUSALS, HubView
from integrations.api.idempotency import HEADER_PARAMETER, read_key
from integrations.api.payment_views import PaymentView, one_key
from integrations.api.push_answer import answer_refusal
from integrations.api.rights import Right, choose_business
from integrations.api.serializers import ErrorSerializer
from integrations.api.throttles import PayoutThrottle
from integrations.models import PaymentState, TokenScope
from integrations.payments.mpesa_payment import MpesaPaymentService

SHOWN = (
    "payment_id", "state", "originator_id", "conversation_id", "receipt", "code", "retry_safe",
    "repeated",
)  # fmt: skip
# Nothing is certain yet: it waits for a person, or M-Pesa's answer was lost.
OPEN = {PaymentState.AWAITING_APPROVAL, PaymentState.SENDING, PaymentState.UNKNOWN}
_MEANING = (
    "201 means that M-Pesa took it, never that it is paid. 202 means that it waits for a second "
    "person (awaiting_approval), or that the outcome is not known: don't send it again, read the "
    "payment. A repeated Idempotency-Key answers 200 with the first one and sends nothing."
)
_ANSWERS: dict[Any, Any] = {
    201: shapes.SentSerializer,
    200: shapes.SentSerializer,
    202: shapes.SentSerializer,
    409: ErrorSerializer,
    502: shapes.SendingFailedSerializer,
    503: ErrorSerializer,
    **BODY_REFUSALS,
}
_EXAMPLE = {"phone": "0712345678", "amount": "1500", "reference": "SAL-11",
            "command": "SalaryPayment", "remarks": "Salary May"}  # fmt: skip
_ID = OpenApiParameter("public_id", UUID, OpenApiParameter.PATH, description="The payment's id.")


class PayoutView(HubView):
    """Pays phones."""

    rights = {"POST": Right(TokenScope.PAYOUTS_WRITE, "integrations.payout_payment")}
    serializer_class = shapes.PayoutSerializer
    keyed = frozenset({"POST"})
    costly = (PayoutThrottle,)

    @extend_schema(
        operation_id="payout_create",
        summary="Pay out to a phone (M-Pesa B2C)",
        description=_MEANING,
        request=shapes.PayoutSerializer,
        parameters=[HEADER_PARAMETER],
        responses=_ANSWERS,
        examples=[OpenApiExample("A salary", value=_EXAMPLE, request_only=True)],
        tags=["payments"],
    )
    def post(self, request: Request) -> Response:
        """Store the payout; then send it, or let it wait for a second person."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wanted = dict(serializer.validated_data)
        wanted["business"] = choose_business(request, wanted.get("business"))
        wanted["idempotency_key"] = one_key(read_key(request), wanted.get("idempotency_key"))
        return answer_sent(MpesaPaymentService.pay_out(**wanted, requested_by=request.user))


class ReversalView(PaymentView):
    """Gives money back."""

    rights = {"POST": Right(TokenScope.PAYOUTS_WRITE, "integrations.reverse_payment")}
    serializer_class = shapes.ReversalSerializer
    keyed = frozenset({"POST"})
    costly = (PayoutThrottle,)

    @extend_schema(
        operation_id="payment_reverse",
        summary="Give the money of a payment back, all or a part",
        description=_MEANING,
        request=shapes.ReversalSerializer,
        parameters=[_ID, HEADER_PARAMETER],
        responses={**_ANSWERS, 404: ErrorSerializer},
        tags=["payments"],
    )
    def post(self, request: Request, public_id: str) -> Response:
        """Store the reversal; then send it, or let it wait for a second person."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wanted = dict(serializer.validated_data)
        payment = self.find_payment(public_id)
        key = one_key(read_key(request), wanted.get("idempotency_key"))
        answer = MpesaPaymentService.reverse(
            payment, wanted.get("amount"), remarks=wanted["remarks"], idempotency_key=key,
            business=payment.business, requested_by=request.user,
        )  # fmt: skip
        return answer_sent(answer)


def answer_sent(answer: tuple[bool, str | None, dict[str, Any] | None]) -> Response:
    """201 taken, 202 waiting or not known, 200 repeated; 502 failed, with the payment.

    What was refused before anything was stored: 400, 403, 409 or 503, without one.
    """
    success, text, found = answer[0], answer[1] or "", answer[2] or {}
    if not found.get("payment_id") or found.get("state") == "refused":
        return answer_refusal(found, text)
    defaults = dict.fromkeys(SHOWN, "") | {"retry_safe": False, "repeated": False}
    body = {"success": success, **{name: found.get(name, defaults[name]) for name in SHOWN}}
    body["message"] = text
    if found.get("repeated"):
        return Response(body, status=status.HTTP_200_OK)
    if found["state"] in OPEN:
        return Response(body, status=status.HTTP_202_ACCEPTED)
    if success:
        return Response(body, status=status.HTTP_201_CREATED)
    marks = {name: str(found.get(name, "")) for name in ("code", "help")}
    body["error"] = {"type": "PaymentFailed", "detail": text, **marks}
    return Response(body, status=status.HTTP_502_BAD_GATEWAY)
