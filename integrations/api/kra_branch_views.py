"""KRA's control units over HTTP: how each branch fares, and letting a held one go on."""

from __future__ import annotations

from typing import ClassVar

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api import kra_shapes as shapes
from integrations.api.hub_view import BODY_REFUSALS, REFUSALS, refuse_unknown
from integrations.api.idempotency import HEADER_PARAMETER, answer_once
from integrations.api.kra_base import (
    BRANCH_ID,
    NO_BRANCH,
    READ_BRANCHES,
    RELEASE,
    TAGS,
    KRAView,
    PagedView,
    RowFilter,
)
from integrations.api.serializers import ErrorSerializer
from integrations.kra.outbox import holds
from integrations.kra.outbox.line import with_line
from integrations.models import DeviceState, Environment, KRABranch


class BranchFilter(RowFilter):
    """Of control units."""

    environment = filters.ChoiceFilter(choices=Environment.choices)
    pin = filters.CharFilter(field_name="tin", max_length=20)
    branch = filters.CharFilter(field_name="bhf_id", max_length=10)
    device_state = filters.ChoiceFilter(choices=DeviceState.choices)
    is_held = filters.BooleanFilter(method="by_hold", help_text="Whether nothing is sent.")

    class Meta:
        model = KRABranch
        fields: ClassVar[list[str]] = []

    def by_hold(self, rows: QuerySet[KRABranch], _name: str, value: bool) -> QuerySet[KRABranch]:
        """Whether a reason stands."""
        return rows.exclude(held_reason="") if value else rows.filter(held_reason="")


class _BranchView(KRAView):
    model = KRABranch
    missing = NO_BRANCH

    def all_rows(self) -> QuerySet[KRABranch]:
        """With what waits for them."""
        return with_line(super().all_rows())


class BranchListView(_BranchView, PagedView):
    """All control units of the caller's businesses."""

    rights = {"GET": READ_BRANCHES}
    left_out = ("details",)
    serializer_class = shapes.KRABranchSerializer
    filterset_class = BranchFilter

    @extend_schema(
        operation_id="kra_branch_list",
        summary="List KRA branches: control units, waiting documents, holds",
        responses={200: shapes.KRABranchSerializer(many=True), **REFUSALS, 404: ErrorSerializer},
        tags=TAGS,
    )
    def get(self, request: Request) -> Response:
        """One page, newest first."""
        return self.paged(request)


class BranchDetailView(_BranchView):
    """One control unit."""

    rights = {"GET": READ_BRANCHES}
    serializer_class = shapes.KRABranchSerializer

    @extend_schema(
        operation_id="kra_branch_read",
        summary="Read a KRA branch",
        parameters=[BRANCH_ID],
        responses={200: shapes.KRABranchSerializer, **REFUSALS, 404: ErrorSerializer},
        tags=TAGS,
    )
    def get(self, request: Request, branch_id: str) -> Response:
        """As it stands now; KRA is not asked."""
        refuse_unknown(request)
        return Response(self.get_serializer(self.find_row(branch_id)).data)


class BranchReleaseView(_BranchView):
    """Lets a held branch go on."""

    rights = {"POST": RELEASE}
    keyed = frozenset({"POST"})
    serializer_class = shapes.ReleaseSerializer

    @extend_schema(
        operation_id="kra_branch_release",
        summary="Let a held KRA branch go on",
        description="After its cause is gone. `next_number` is for a control unit that another "
        "program used too: it sets the KRA number of the next invoice, and is refused where our "
        "own book has that number, or while a number is in doubt.",
        request=shapes.ReleaseSerializer,
        parameters=[BRANCH_ID, HEADER_PARAMETER],
        responses={
            200: shapes.ReleasedSerializer,
            404: ErrorSerializer,
            409: ErrorSerializer,
            **BODY_REFUSALS,
        },
        tags=TAGS,
    )
    def post(self, request: Request, branch_id: str) -> Response:
        """Once for each Idempotency-Key."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wanted = serializer.validated_data
        unit = self.find_row(branch_id)

        def act() -> Response:
            done = holds.release(
                unit, by=request.user, next_number=wanted.get("next_number"),
                text=wanted.get("note", ""),
            )  # fmt: skip
            shown = self.find_row(branch_id)
            answer = {"success": True, "released": done, "branch": shown}
            return Response(shapes.ReleasedSerializer(answer).data)

        return answer_once(request, act)
