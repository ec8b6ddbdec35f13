"""Payout files over HTTP: give one, follow it, pause, cancel, and pay failed rows again."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.access import request_scope
from integrations.api import batch_serializers as shapes
from integrations.api.hub_view import BODY_REFUSALS, REFUSALS, HubView, find_by_uuid, refuse_unknown
from integrations.api.idempotency import HEADER_PARAMETER, answer_once, read_key
from integrations.api.payment_filters import PaymentPages
from integrations.api.payment_views import one_key
from integrations.api.push_answer import answer_refusal
from integrations.api.rights import Right, choose_business
from integrations.api.serializers import ErrorSerializer
from integrations.api.throttles import PayoutThrottle
from integrations.models import PayoutBatch, TokenScope
from integrations.payments.batches import control
from integrations.payments.mpesa_payment import MpesaPaymentService

NOT_FOUND = "There is no such payout file."
READ = Right(TokenScope.PAYMENTS_READ, "integrations.view_payoutbatch")
WRITE = Right(TokenScope.PAYOUTS_WRITE, "integrations.payout_payment")
PAGING = [PaymentPages.cursor_query_param, str(PaymentPages.page_size_query_param)]
TOLD = ("errors", "error_count", "findings")
_ID = OpenApiParameter("batch_id", UUID, OpenApiParameter.PATH, description="The file's id.")


class BatchView(HubView):
    """What the views of payout files share."""

    serializer_class: Any = shapes.PayoutBatchSerializer

    def get_queryset(self) -> QuerySet[PayoutBatch]:
        """The files of the caller's businesses; others don't exist here."""
        if getattr(self, "swagger_fake_view", False):
            return PayoutBatch.objects.none()
        return request_scope(self.request).narrow(PayoutBatch.objects.select_related("retry_of"))

    def find_batch(self, batch_id: str) -> PayoutBatch:
        """The caller's file; raises Http404 for any other text."""
        return find_by_uuid(self.get_queryset(), batch_id, NOT_FOUND)


class BatchListView(BatchView):
    """Payout files, newest first; and giving one."""

    rights = {"GET": READ, "POST": WRITE}
    keyed = frozenset({"POST"})
    costly = (PayoutThrottle,)
    pagination_class = PaymentPages
    # As much as Django takes of a body unless it is told otherwise.
    max_body_bytes: ClassVar[int] = 2_621_440

    @extend_schema(
        operation_id="payout_batch_list",
        summary="List payout files",
        responses={200: shapes.PayoutBatchSerializer(many=True), **REFUSALS, 404: ErrorSerializer},
        tags=["payout files"],
    )
    def get(self, request: Request) -> Response:
        """One page."""
        refuse_unknown(request, *PAGING)
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="payout_batch_create",
        summary="Give a payout file",
        description="All of it is stored, or nothing. 400 lists every fault by line. 409 points "
        "out what has to be looked at; send the file again with its name in `confirm`. A "
        "repeated Idempotency-Key answers 200 with the first file.",
        request=shapes.GiveFileSerializer,
        parameters=[HEADER_PARAMETER],
        responses={
            **BODY_REFUSALS,
            201: shapes.GivenSerializer,
            200: shapes.GivenSerializer,
            400: shapes.FileRefusedSerializer,
            409: shapes.FileRefusedSerializer,
            503: ErrorSerializer,
        },
        tags=["payout files"],
    )
    def post(self, request: Request) -> Response:
        """Check the file and store its payouts."""
        serializer = shapes.GiveFileSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wanted = dict(serializer.validated_data)
        wanted["business"] = choose_business(request, wanted.get("business"))
        wanted["idempotency_key"] = one_key(read_key(request), wanted.get("idempotency_key"))
        file = io.BytesIO(wanted.pop("csv").encode("utf-8", "replace"))
        success, text, data = MpesaPaymentService.pay_out_file(
            file, **wanted, requested_by=request.user
        )
        return _answer(success, text or "", data or {})


def _answer(success: bool, text: str, data: dict[str, Any]) -> Response:
    if not success:
        answer = answer_refusal({"retry_safe": True, "payment_id": "", **data}, text)
        answer.data = {**(answer.data or {}), **{n: data[n] for n in TOLD if data.get(n)}}
        answer.data.pop("retry_safe", None)
        return answer
    names = ("batch_id", "state", "count", "total", "currency", "repeated")
    body = {"success": True, **{name: data[name] for name in names}, "message": text}
    code = status.HTTP_200_OK if data["repeated"] else status.HTTP_201_CREATED
    return Response(body, status=code)


class BatchDetailView(BatchView):
    """One payout file."""

    rights = {"GET": READ}
    serializer_class = shapes.PayoutBatchDetailSerializer

    @extend_schema(
        operation_id="payout_batch_read",
        summary="Read a payout file and how far it is",
        description="Its rows are `payments/?batch={batch_id}`.",
        parameters=[_ID],
        responses={200: shapes.PayoutBatchDetailSerializer, **REFUSALS, 404: ErrorSerializer},
        tags=["payout files"],
    )
    def get(self, _request: Request, batch_id: str) -> Response:
        """As it stands."""
        return Response(self.get_serializer(self.find_batch(batch_id)).data)


def _described(operation: str, summary: str) -> Callable[[Any], Any]:
    return extend_schema(
        operation_id=f"payout_batch_{operation}",
        summary=summary,
        parameters=[_ID, HEADER_PARAMETER],
        request=None,
        responses={
            200: shapes.BatchMovedSerializer,
            404: ErrorSerializer,
            409: ErrorSerializer,
            503: ErrorSerializer,
            **REFUSALS,
        },
        tags=["payout files"],
    )


class BatchMoveView(BatchView):
    """What the views share that do something to a file."""

    rights = {"POST": WRITE}
    keyed = frozenset({"POST"})
    serializer_class = shapes.BatchMovedSerializer

    def move(
        self, request: Request, batch_id: str, act: Callable[[PayoutBatch, Any], PayoutBatch]
    ) -> Response:
        """Do it once for an Idempotency-Key, and answer with the file as it then stands."""
        batch = self.find_batch(batch_id)

        def answer() -> Response:
            done = {"success": True, "batch": act(batch, request.user)}
            return Response(self.get_serializer(done).data)

        return answer_once(request, answer)


class BatchPauseView(BatchMoveView):
    """Pauses."""

    @_described("pause", "Let no further row of a payout file go out")
    def post(self, request: Request, batch_id: str) -> Response:
        """What is in hand right now still goes out."""
        return self.move(request, batch_id, control.pause)


class BatchResumeView(BatchMoveView):
    """Resumes."""

    @_described("resume", "Let a paused payout file go on")
    def post(self, request: Request, batch_id: str) -> Response:
        """Where it was paused."""
        return self.move(request, batch_id, control.resume)


class BatchCancelView(BatchMoveView):
    """Cancels."""

    @_described("cancel", "Never send what is not sent yet of a payout file")
    def post(self, request: Request, batch_id: str) -> Response:
        """Where it waits for approval, only whoever asked can take it back."""
        return self.move(request, batch_id, control.cancel)


class BatchRetryView(BatchMoveView):
    """Pays again."""

    @_described("retry", "Pay the failed rows of a payout file again, by a new file")
    def post(self, request: Request, batch_id: str) -> Response:
        """Answers with the new file, which needs approval as every file does."""
        return self.move(request, batch_id, control.retry)
