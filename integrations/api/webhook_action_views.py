"""What can be done with a webhook endpoint: switch, rotate, test, look at its attempts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api import webhook_event_serializers as event_shapes
from integrations.api import webhook_serializers as shapes
from integrations.api.hub_view import BODY_REFUSALS, REFUSALS, refuse_unknown
from integrations.api.idempotency import HEADER_PARAMETER, answer_once
from integrations.api.serializers import ErrorSerializer
from integrations.api.throttles import TestThrottle
from integrations.api.webhook_base import CHANGE, PAGING, READ_EVENTS, RowPages, WebhookView
from integrations.api.webhook_endpoint_views import ID, NOT_FOUND, TAGS
from integrations.models import AttemptOutcome, WebhookEndpoint, acting_as
from integrations.webhooks import endpoints
from integrations.webhooks.secrets import rotate_secret
from integrations.webhooks.trial import describe, send_test


def _described(verb: str, summary: str, told: str = "") -> Callable[[Any], Any]:
    return extend_schema(
        operation_id=f"webhook_endpoint_{verb}",
        summary=summary,
        description=told,
        parameters=[ID, HEADER_PARAMETER],
        request=None,
        responses={
            200: shapes.SwitchedSerializer,
            409: ErrorSerializer,
            503: ErrorSerializer,
            **BODY_REFUSALS,
            **NOT_FOUND,
        },
        tags=TAGS,
    )


class SwitchView(WebhookView):
    """What the views share that switch an endpoint."""

    rights = {"POST": CHANGE}
    keyed = frozenset({"POST"})
    serializer_class: Any = shapes.SwitchedSerializer

    def switch(
        self, request: Request, endpoint_id: str, act: Callable[[WebhookEndpoint], list[str] | None]
    ) -> Response:
        """Do it once for an Idempotency-Key, and answer with the endpoint as it then stands."""
        row = self.find_endpoint(endpoint_id)

        def answer() -> Response:
            warnings = act(row) or []
            done = {"success": True, "endpoint": row, "warnings": warnings}
            return Response(self.get_serializer(done).data)

        return answer_once(request, answer)


class EndpointPauseView(SwitchView):
    """Pauses."""

    @_described("pause", "Send nothing for a while", "Events are kept, and wait.")
    def post(self, request: Request, endpoint_id: str) -> Response:
        """A paused one stays as it is."""
        return self.switch(
            request, endpoint_id, lambda row: endpoints.pause(row, actor=request.user)
        )


class EndpointResumeView(SwitchView):
    """Resumes."""

    @_described("resume", "Send again what has waited since a pause")
    def post(self, request: Request, endpoint_id: str) -> Response:
        """At the endpoint's own rate."""
        return self.switch(
            request, endpoint_id, lambda row: endpoints.resume(row, actor=request.user)
        )


class EndpointEnableView(SwitchView):
    """Switches on."""

    @_described(
        "enable", "Switch a webhook endpoint on",
        "With a fresh start. What waited since the hub switched it off is sent.",
    )  # fmt: skip
    def post(self, request: Request, endpoint_id: str) -> Response:
        """Refused where it can't be sent to as it is."""
        # Before anything is locked: a name server may take seconds.
        warnings = endpoints.look_up_new(self.find_endpoint(endpoint_id), None)
        return self.switch(
            request,
            endpoint_id,
            lambda row: endpoints.enable(row, actor=request.user, warnings=warnings),
        )


class EndpointDisableView(SwitchView):
    """Switches off."""

    @_described(
        "disable", "Switch a webhook endpoint off",
        "Events from now on are not kept for it; a replay with `includes_missed` finds them.",
    )  # fmt: skip
    def post(self, request: Request, endpoint_id: str) -> Response:
        """By hand."""
        return self.switch(
            request, endpoint_id, lambda row: endpoints.disable(row, actor=request.user)
        )


class EndpointRotateView(WebhookView):
    """Replaces a key."""

    rights = {"POST": CHANGE}
    keyed = frozenset({"POST"})
    serializer_class: Any = shapes.RotateSerializer

    @extend_schema(
        operation_id="webhook_endpoint_rotate_secret",
        summary="Replace the signing secret",
        description="The new one is shown in this answer, once. The former one signs beside it "
        "for the overlap, so that the receiver can change over without a gap.",
        parameters=[ID, HEADER_PARAMETER],
        responses={
            200: shapes.RotatedSerializer,
            409: ErrorSerializer,
            503: ErrorSerializer,
            **BODY_REFUSALS,
            **NOT_FOUND,
        },
        tags=TAGS,
    )
    def post(self, request: Request, endpoint_id: str) -> Response:
        """Audited."""
        row = self.find_endpoint(endpoint_id)
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wanted = serializer.validated_data
        shown: list[str] = []

        def rotate() -> Response:
            with acting_as(request.user):
                issued = rotate_secret(row, wanted["overlap_hours"], wanted["kind"])
            shown.append(issued.secret)
            body = {
                "success": True, "kind": issued.kind, "secret": None,
                "public_key": issued.public_key, "former_until": issued.former_until,
            }  # fmt: skip
            return Response(shapes.RotatedSerializer(body).data)

        answer = answer_once(request, rotate)
        if shown and shown[0]:
            # Added here, so that the kept answer of an Idempotency-Key does not have it.
            answer.data = {**answer.data, "secret": shown[0]}
        return answer


class EndpointTestView(WebhookView):
    """Sends a test."""

    rights = {"POST": CHANGE}
    costly = (TestThrottle,)
    serializer_class: Any = event_shapes.TestedSerializer

    @extend_schema(
        operation_id="webhook_endpoint_test",
        summary="Send a test event now",
        description="One `webhook.test`, signed as every event, also to an endpoint that is off "
        "or paused. Takes at most its time limit. It is never tried again.",
        parameters=[ID],
        request=None,
        responses={
            200: event_shapes.TestedSerializer,
            503: ErrorSerializer,
            **BODY_REFUSALS,
            **NOT_FOUND,
        },
        tags=TAGS,
    )
    def post(self, request: Request, endpoint_id: str) -> Response:
        """The attempt, as it was stored."""
        attempt = send_test(self.find_endpoint(endpoint_id), actor=request.user)
        found = {
            "success": attempt.outcome == AttemptOutcome.DELIVERED,
            "message": describe(attempt),
            "milliseconds": attempt.duration_ms,
            "attempt": attempt,
        }
        return Response(self.get_serializer(found).data)


class EndpointAttemptsView(WebhookView):
    """The attempts of an endpoint."""

    rights = {"GET": READ_EVENTS}
    serializer_class: Any = event_shapes.BriefAttemptSerializer
    pagination_class = RowPages

    @extend_schema(
        operation_id="webhook_endpoint_attempts",
        summary="List what was tried at an endpoint",
        description="Newest first. `webhook-events/{event_id}/attempts/` has headers and answers.",
        parameters=[ID],
        responses={200: event_shapes.BriefAttemptSerializer(many=True), **REFUSALS, **NOT_FOUND},
        tags=TAGS,
    )
    def get(self, request: Request, endpoint_id: str) -> Response:
        """One page."""
        big = ("request_headers", "response_headers", "response_body")
        rows = self.attempts().filter(endpoint=self.find_endpoint(endpoint_id)).defer(*big)
        refuse_unknown(request, *PAGING)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)
