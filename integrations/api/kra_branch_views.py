"""KRA's control units over HTTP: how each branch fares, and letting a held one go on."""

from __future__ import annotations

from typing import ClassVar

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api import kra_shapes as shapes
from integrations.api.hub_view import BODY_REFUSALS, REFUSALS, refuse_unknown
from integrations.api.idempotency import HEADER_PARAMETER, answer_once
from integrations.api.kra_base import BRANCH_ID, READ_BRANCHES, RELEASE, TAGS, KRAView
from integrations.api.serializers import ErrorSerializer
from integrations.kra.outbox import holds
from integrations.models import DeviceState, Environment, KRABranch


class BranchFilter(filters.FilterSet):  # type: ignore[misc]
    """Every filter narrows; together they must all fit."""

    business = filters.CharFilter(method="by_business", help_text="Empty: the installation.")
    environment = filters.ChoiceFilter(choices=Environment.choices)
    pin = filters.CharFilter(field_name="tin", max_length=20)
    branch = filters.CharFilter(field_name="bhf_id", max_length=10)
    device_state = filters.ChoiceFilter(choices=DeviceState.choices)
    is_held = filters.BooleanFilter(method="by_hold", help_text="Whether nothing is sent.")

    class Meta:
        model = KRABranch
        fields: ClassVar[list[str]] = []

    def filter_queryset(self, queryset: QuerySet[KRABranch]) -> QuerySet[KRABranch]:
        """As the library's, where an empty `business` is a business too."""
        rows: QuerySet[KRABranch] = super().filter_queryset(queryset)
        return rows.filter(business="") if self.data.get("business") == "" else rows

    def by_business(self, rows: QuerySet[KRABranch], _name: str, value: str) -> QuerySet[KRABranch]:
        """A stranger's business has no branches here."""
        return rows.filter(business=value)

    def by_hold(self, rows: QuerySet[KRABranch], _name: str, value: bool) -> QuerySet[KRABranch]:
        """Whether a reason stands."""
        return rows.exclude(held_reason="") if value else rows.filter(held_reason="")


class BranchListView(KRAView):
    """All control units of the caller's businesses."""

    rights = {"GET": READ_BRANCHES}
    serializer_class = shapes.KRABranchSerializer
    filter_backends = (DjangoFilterBackend,)
    filterset_class = BranchFilter

    def get_queryset(self) -> QuerySet[KRABranch]:
        """With what waits for them."""
        return self.branches()

    @extend_schema(
        operation_id="kra_branch_list",
        summary="List KRA branches: control units, waiting documents, holds",
        responses={200: shapes.KRABranchSerializer(many=True), **REFUSALS},
        tags=TAGS,
    )
    def get(self, request: Request) -> Response:
        """A bare list, by id."""
        refuse_unknown(request, *BranchFilter.base_filters)
        rows = self.filter_queryset(self.get_queryset())
        return Response(self.get_serializer(rows, many=True).data)


class BranchDetailView(KRAView):
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
        return Response(self.get_serializer(self.find_branch(branch_id)).data)


class BranchReleaseView(KRAView):
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
        unit = self.find_branch(branch_id)

        def act() -> Response:
            done = holds.release(
                unit, by=request.user, next_number=wanted.get("next_number"),
                text=wanted.get("note", ""),
            )  # fmt: skip
            shown = self.find_branch(branch_id)
            answer = {"success": True, "released": done, "branch": shown}
            return Response(shapes.ReleasedSerializer(answer).data)

        return answer_once(request, act)
