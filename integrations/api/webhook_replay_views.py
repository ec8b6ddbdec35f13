"""Replays over HTTP: count first, then start, follow, and cancel."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api import webhook_event_serializers as shapes
from integrations.api.errors import describe_error, status_of
from integrations.api.hub_view import BODY_REFUSALS, REFUSALS
from integrations.api.idempotency import HEADER_PARAMETER, answer_once
from integrations.api.rights import choose_business
from integrations.api.serializers import ErrorSerializer
from integrations.api.throttles import ReplayThrottle
from integrations.api.webhook_base import DELIVER, READ_EVENTS, WebhookView, own_endpoint
from integrations.exceptions import InvalidInput
from integrations.webhooks.replay import (
    CountChanged,
    ReplayFilter,
    cancel_replay,
    count_replay,
    start_replay,
)

TAGS = ["webhook events"]
NOT_FOUND = {404: ErrorSerializer}
_ID = OpenApiParameter("replay_id", UUID, OpenApiParameter.PATH, description="The replay's id.")


class ReplayView(WebhookView):
    """Makes many deliveries again."""

    rights = {"POST": DELIVER}
    keyed = frozenset({"POST"})
    costly = (ReplayThrottle,)
    serializer_class: Any = shapes.ReplayWishSerializer

    @extend_schema(
        operation_id="webhook_event_replay",
        summary="Deliver many events again",
        description="With `dry_run` it only counts. Send the same again with `expected_count` and "
        "`until` as they were answered; another count by then is refused with 409, which tells "
        "the present one. A worker makes them due, at `rate_per_second` at most.",
        parameters=[HEADER_PARAMETER],
        responses={
            **BODY_REFUSALS,
            200: shapes.ReplayedSerializer,
            201: shapes.ReplayedSerializer,
            409: shapes.ReplayCountSerializer,
            **NOT_FOUND,
        },
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Audited."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wanted = dict(serializer.validated_data)
        chosen = _chosen(request, wanted)
        if wanted["dry_run"]:
            return _answer(chosen, count_replay(chosen))
        if wanted["expected_count"] is None:
            told = "is needed: ask with dry_run first, and send the count that was answered"
            raise InvalidInput("expected_count", told, code="required")
        try:
            return answer_once(request, lambda: _start(request, chosen, wanted))
        except CountChanged as error:
            body = {**describe_error(error), "count": error.count}
            return Response(body, status=status_of(error))


def _chosen(request: Request, wanted: dict[str, Any]) -> ReplayFilter:
    names = ("status", "event_type", "since", "until", "includes_missed")
    values = {name: wanted[name] for name in names if name in wanted}
    if wanted["endpoint_id"] is None:
        return ReplayFilter(business=choose_business(request, wanted.get("business")), **values)
    if "business" in wanted:
        raise InvalidInput("business", "has no use beside endpoint_id; leave it out")
    return ReplayFilter(endpoint=own_endpoint(request, wanted["endpoint_id"]), **values)


def _start(request: Request, chosen: ReplayFilter, wanted: dict[str, Any]) -> Response:
    replay = start_replay(
        chosen,
        expected_count=wanted["expected_count"],
        rate_per_second=wanted["rate_per_second"],
        actor=request.user,
    )
    return _answer(chosen, replay.total, replay)


def _answer(chosen: ReplayFilter, count: int, replay: Any = None) -> Response:
    body = {"success": True, "count": count, "until": chosen.until, "replay": replay}
    return Response(shapes.ReplayedSerializer(body).data, status=201 if replay else 200)


class ReplayDetailView(WebhookView):
    """One replay."""

    rights = {"GET": READ_EVENTS}
    serializer_class: Any = shapes.ReplaySerializer

    @extend_schema(
        operation_id="webhook_replay_read",
        summary="Read how far a replay is",
        parameters=[_ID],
        responses={200: shapes.ReplaySerializer, **REFUSALS, **NOT_FOUND},
        tags=TAGS,
    )
    def get(self, _request: Request, replay_id: str) -> Response:
        """As it stands."""
        return Response(self.get_serializer(self.find_replay(replay_id)).data)


class ReplayCancelView(WebhookView):
    """Stops a replay."""

    rights = {"POST": DELIVER}
    keyed = frozenset({"POST"})
    serializer_class: Any = shapes.ReplaySerializer

    @extend_schema(
        operation_id="webhook_replay_cancel",
        summary="Stop a replay",
        description="What it has made due already still goes out.",
        parameters=[_ID, HEADER_PARAMETER],
        request=None,
        responses={
            200: shapes.ReplaySerializer,
            409: ErrorSerializer,
            **BODY_REFUSALS,
            **NOT_FOUND,
        },
        tags=TAGS,
    )
    def post(self, request: Request, replay_id: str) -> Response:
        """Audited."""
        replay = self.find_replay(replay_id)

        def act() -> Response:
            stopped = cancel_replay(replay, actor=request.user)
            return Response(self.get_serializer(stopped).data)

        return answer_once(request, act)
