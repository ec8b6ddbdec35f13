"""What people do with KRA documents that do not settle by themselves."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api import kra_shapes as shapes
from integrations.api.hub_view import BODY_REFUSALS, REFUSALS
from integrations.api.idempotency import HEADER_PARAMETER, answer_once
from integrations.api.kra_base import INVOICE_ID, NO_INVOICE, RESEND, SETTLE, TAGS, InvoiceView
from integrations.api.serializers import ErrorSerializer
from integrations.api.throttles import AskThrottle
from integrations.exceptions import InvalidInput
from integrations.kra.outbox.settle import Resent, TypedSignature, settle, verify_and_resend

_ANSWERS: dict[Any, Any] = {409: ErrorSerializer, **BODY_REFUSALS}
_TAKEN = {"taken": False, "note": "KRA's portal has no receipt of this number."}


class InvoiceResendView(InvoiceView):
    """Has one document looked at."""

    rights = {"POST": RESEND}
    keyed = frozenset({"POST"})
    costly = (AskThrottle,)
    serializer_class = shapes.VerifiedSerializer

    @extend_schema(
        operation_id="kra_invoice_resend",
        summary="Verify a KRA document, and send it again where KRA does not have it",
        description="What is in doubt is asked about now; what was rejected goes again as it is, "
        "under the next number. Nothing that KRA has is ever sent twice.",
        request=None,
        parameters=[INVOICE_ID, HEADER_PARAMETER],
        responses={
            200: shapes.VerifiedSerializer,
            404: ErrorSerializer,
            409: ErrorSerializer,
            **REFUSALS,
        },
        tags=TAGS,
    )
    def post(self, request: Request, invoice_id: str) -> Response:
        """The worker does it; read the document afterwards."""
        invoice = self.find_invoice(invoice_id)
        return answer_once(request, lambda: _told(verify_and_resend([invoice], by=request.user)))


class InvoiceVerifyView(InvoiceView):
    """Has many documents looked at."""

    rights = {"POST": RESEND}
    keyed = frozenset({"POST"})
    costly = (AskThrottle,)
    serializer_class = shapes.VerifySerializer

    @extend_schema(
        operation_id="kra_invoice_verify",
        summary="Verify many KRA documents, and send again what KRA does not have",
        description="As for one. An id that is not the caller's refuses them all with 404.",
        request=shapes.VerifySerializer,
        parameters=[HEADER_PARAMETER],
        responses={200: shapes.VerifiedSerializer, 404: ErrorSerializer, **_ANSWERS},
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """The worker does it; read the documents afterwards."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wanted = set(serializer.validated_data["invoice_ids"])

        def act() -> Response:
            rows = list(self.get_queryset().filter(public_id__in=wanted).order_by("pk"))
            if len(rows) != len(wanted):
                raise Http404(NO_INVOICE)
            return _told(verify_and_resend(rows, by=request.user))

        return answer_once(request, act)


class InvoiceSettleView(InvoiceView):
    """Takes a person's word."""

    rights = {"POST": SETTLE}
    keyed = frozenset({"POST"})
    serializer_class = shapes.SettleSerializer

    @extend_schema(
        operation_id="kra_invoice_settle",
        summary="Tell what became of a KRA document in doubt",
        description="For a person who looked at the control unit or on KRA's portal. `taken` "
        "true, with the signature from there: it is signed. False: it is sent again under the "
        "next number, which is refused where KRA's later numbers prove that it has this one. 409 "
        "(`not_open`): there is nothing to settle any more.",
        request=shapes.SettleSerializer,
        parameters=[INVOICE_ID, HEADER_PARAMETER],
        responses={200: shapes.KRAInvoiceDetailSerializer, 404: ErrorSerializer, **_ANSWERS},
        examples=[OpenApiExample("KRA does not have it", value=_TAKEN, request_only=True)],
        tags=TAGS,
    )
    def post(self, request: Request, invoice_id: str) -> Response:
        """The document afterwards."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wanted = dict(serializer.validated_data)
        invoice = self.find_invoice(invoice_id)

        def act() -> Response:
            settle(invoice, signed=_signature(wanted), text=wanted["note"], by=request.user)
            shown = self.find_invoice(invoice_id)
            return Response(shapes.KRAInvoiceDetailSerializer(shown).data)

        return answer_once(request, act)


def _signature(wanted: dict[str, Any]) -> TypedSignature | None:
    """What was typed; raises InvalidInput where it contradicts itself."""
    names = ("internal_data", "receipt_number", "total_receipt_number", "signed_at")
    given = {name: wanted[name] for name in names if wanted.get(name)}
    signature = wanted.get("signature") or ""
    if wanted["taken"]:
        if not signature:
            raise InvalidInput("signature", "is needed: KRA has it, so it has signed it.")
        return TypedSignature(signature=signature, **given)
    if signature or given:
        raise InvalidInput("taken", "is false, yet there is a signature.")
    return None


def _told(done: Resent) -> Response:
    counts = {"asked": done.asked, "queued": done.queued, "left": done.left,
              "refused": len(done.refused)}  # fmt: skip
    words = [f"{count} {name}" for name, count in counts.items() if count]
    answer = {
        "success": not done.refused,
        "message": (", ".join(words) or "Nothing to do") + ".",
        "counts": counts,
        "refused": done.refused,
    }
    return Response(shapes.VerifiedSerializer(answer).data)
