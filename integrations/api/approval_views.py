"""Approvals over HTTP: read what waits, approve it, reject it, take it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from integrations import approvals
from integrations.access import request_scope
from integrations.api import approval_serializers as shapes
from integrations.api.hub_view import BODY_REFUSALS, REFUSALS, HubView, find_by_uuid, refuse_unknown
from integrations.api.idempotency import HEADER_PARAMETER, answer_once
from integrations.api.payment_filters import PaymentPages
from integrations.api.rights import Right
from integrations.api.serializers import ErrorSerializer
from integrations.conf import hub_settings
from integrations.exceptions import ApprovalRefused
from integrations.models import ApiToken, Approval, ApprovalState, TokenScope
from integrations.work.clock import database_now

NOT_FOUND = "There is no such approval."
PROGRAMS = (
    "API tokens may not decide here: a person does, in the admin. "
    "INTEGRATIONS_TOKENS_MAY_APPROVE changes that."
)
READ = Right(TokenScope.APPROVALS_READ, "integrations.view_approval")
DECIDE = Right(TokenScope.APPROVALS_DECIDE, "integrations.view_approval")
_ID = OpenApiParameter("approval_id", UUID, OpenApiParameter.PATH, description="The approval's id.")
_DECISION: dict[Any, Any] = {
    200: shapes.DecidedSerializer,
    404: ErrorSerializer,
    409: ErrorSerializer,
    503: ErrorSerializer,
    **BODY_REFUSALS,
}


class ApprovalFilter(filters.FilterSet):  # type: ignore[misc]
    """Every filter narrows; together they must all fit."""

    state = filters.MultipleChoiceFilter(
        choices=ApprovalState.choices, help_text="May be given several times."
    )
    kind = filters.CharFilter(max_length=40)
    business = filters.CharFilter(max_length=64)
    waits_for_me = filters.BooleanFilter(
        method="by_reader", help_text="true: only what this caller's user could approve now."
    )

    class Meta:
        model = Approval
        fields: list[str] = []

    def by_reader(self, rows: QuerySet[Approval], _name: str, value: bool) -> QuerySet[Approval]:
        """What the caller's user could approve."""
        return approvals.decidable_by(self.request.user, rows) if value else rows


def _filter_names() -> list[str]:
    paging = [PaymentPages.cursor_query_param, str(PaymentPages.page_size_query_param)]
    return [*ApprovalFilter.base_filters, *paging]


class ApprovalView(HubView):
    """What the approval views share."""

    serializer_class: Any = shapes.ApprovalSerializer

    def get_queryset(self) -> QuerySet[Approval]:
        """The approvals of the caller's businesses; others don't exist here."""
        if getattr(self, "swagger_fake_view", False):
            return Approval.objects.none()
        rows = Approval.objects.select_related("content_type").prefetch_related("subject")
        return request_scope(self.request).narrow(rows)

    def find_approval(self, approval_id: str) -> Approval:
        """The caller's approval; raises Http404 for any other text."""
        return find_by_uuid(self.get_queryset(), approval_id, NOT_FOUND)

    def _answer(self, approval: Approval) -> Response:
        answer = {"success": True, "approval": approval}
        serializer = shapes.DecidedSerializer(answer, context=self.get_serializer_context())
        return Response(serializer.data)

    def _decide(
        self, request: Request, approval_id: str, act: Callable[[Approval, str], Approval]
    ) -> Response:
        """Carry `act` out once for an Idempotency-Key, with the reason that was sent."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        reason = str(serializer.validated_data.get("reason", ""))
        approval = self.find_approval(approval_id)
        return answer_once(request, lambda: self._answer(act(approval, reason)))


class ApprovalListView(ApprovalView):
    """What waits, and what was decided, newest first."""

    rights = {"GET": READ}
    filter_backends = (filters.DjangoFilterBackend,)
    filterset_class = ApprovalFilter
    pagination_class = PaymentPages

    @extend_schema(
        operation_id="approval_list",
        summary="List requests for approval",
        responses={200: shapes.ApprovalSerializer(many=True), **REFUSALS, 404: ErrorSerializer},
        tags=["approvals"],
    )
    def get(self, request: Request) -> Response:
        """One page of those that fit every filter."""
        refuse_unknown(request, *_filter_names())
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        # Asked for once, not for each row.
        known = {"scope": request_scope(request), "now": database_now()}
        context = {**self.get_serializer_context(), "known": known}
        shown = shapes.ApprovalSerializer(page, many=True, context=context)
        return self.get_paginated_response(shown.data)


class ApprovalDetailView(ApprovalView):
    """One request for approval."""

    rights = {"GET": READ}

    @extend_schema(
        operation_id="approval_read",
        summary="Read a request for approval",
        parameters=[_ID],
        responses={200: shapes.ApprovalSerializer, **REFUSALS, 404: ErrorSerializer},
        tags=["approvals"],
    )
    def get(self, _request: Request, approval_id: str) -> Response:
        """As it stands."""
        return Response(self.get_serializer(self.find_approval(approval_id)).data)


def _refuse_token(request: Request) -> None:
    """A program that approves is no second person, unless the installation says so."""
    if isinstance(request.auth, ApiToken) and not hub_settings.tokens_may_approve:
        raise ApprovalRefused(PROGRAMS, code="approval_by_token")


class ApproveView(ApprovalView):
    """Says yes."""

    rights = {"POST": DECIDE}
    serializer_class = shapes.ApproveSerializer
    keyed = frozenset({"POST"})

    @extend_schema(
        operation_id="approval_approve",
        summary="Approve what somebody else asked for",
        description="It goes ahead at once. Whoever asked can't approve, not by a token either. "
        "Tokens may approve only where the installation lets them.",
        parameters=[_ID, HEADER_PARAMETER],
        request=None,
        responses=_DECISION,
        tags=["approvals"],
    )
    def post(self, request: Request, approval_id: str) -> Response:
        """Approve, and do what was asked for."""

        def act(approval: Approval, _reason: str) -> Approval:
            _refuse_token(request)
            return approvals.decide(approval, request.user, approve=True)

        return self._decide(request, approval_id, act)


class RejectView(ApprovalView):
    """Says no."""

    rights = {"POST": DECIDE}
    serializer_class = shapes.RejectSerializer
    keyed = frozenset({"POST"})

    @extend_schema(
        operation_id="approval_reject",
        summary="Reject what somebody else asked for",
        parameters=[_ID, HEADER_PARAMETER],
        request=shapes.RejectSerializer,
        responses=_DECISION,
        tags=["approvals"],
    )
    def post(self, request: Request, approval_id: str) -> Response:
        """Reject, with a reason."""

        def act(approval: Approval, reason: str) -> Approval:
            _refuse_token(request)
            return approvals.decide(approval, request.user, approve=False, reason=reason)

        return self._decide(request, approval_id, act)


class WithdrawView(ApprovalView):
    """Takes a request back."""

    rights = {"POST": DECIDE}
    serializer_class = shapes.WithdrawSerializer
    keyed = frozenset({"POST"})

    @extend_schema(
        operation_id="approval_withdraw",
        summary="Take back what you asked for",
        parameters=[_ID, HEADER_PARAMETER],
        request=shapes.WithdrawSerializer,
        responses=_DECISION,
        tags=["approvals"],
    )
    def post(self, request: Request, approval_id: str) -> Response:
        """Withdraw; tokens of the maker may as well."""

        def act(approval: Approval, reason: str) -> Approval:
            return approvals.withdraw(approval, request.user, reason=reason)

        return self._decide(request, approval_id, act)
