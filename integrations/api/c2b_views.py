"""C2B over HTTP: registering addresses, and playing a payer in the sandbox."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api import expectation_serializers as shapes
from integrations.api.hub_view import BODY_REFUSALS, HubView
from integrations.api.rights import Right, choose_business
from integrations.api.serializers import ErrorSerializer
from integrations.api.throttles import AskThrottle
from integrations.models import RegistrationState, TokenScope
from integrations.payments import c2b

_RIGHT = "integrations.register_c2b"
_AWAY = {502: ErrorSerializer, 503: ErrorSerializer, **BODY_REFUSALS}


class _C2BView(HubView):
    """What both share."""

    costly = (AskThrottle,)

    def wanted(self, request: Request) -> dict[str, Any]:
        """The body's values, for a business that is the caller's; raises BusinessRefused."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        found = dict(serializer.validated_data)
        found["business"] = choose_business(request, found.get("business"))
        return found


class C2BRegisterView(_C2BView):
    """Gives M-Pesa the addresses of a short code."""

    rights = {"POST": Right(TokenScope.SETTINGS_WRITE, _RIGHT)}
    serializer_class: Any = shapes.AccountChoiceSerializer

    @extend_schema(
        operation_id="c2b_register",
        summary="Register C2B addresses with M-Pesa",
        description="`success` says that M-Pesa took them. 200 with `success` false: refused, or "
        "the answer was lost, with the reason in `message`.",
        request=shapes.AccountChoiceSerializer,
        responses={201: shapes.RegisteredSerializer, 200: shapes.RegisteredSerializer, **_AWAY},
        tags=["c2b"],
    )
    def post(self, request: Request) -> Response:
        """Store the registration, then send it."""
        done = c2b.register(**self.wanted(request)).registration
        success = done.state == RegistrationState.REGISTERED
        body = {
            "success": success,
            "registration_id": str(done.public_id),
            "state": done.state,
            "short_code": done.short_code,
            "version": done.version,
            "message": done.message,
        }
        code = status.HTTP_201_CREATED if success else status.HTTP_200_OK
        return Response(shapes.RegisteredSerializer(body).data, status=code)


class C2BSimulateView(_C2BView):
    """Plays a payer, in the sandbox only."""

    rights = {"POST": Right(TokenScope.PAYMENTS_WRITE, _RIGHT)}
    serializer_class: Any = shapes.SimulateSerializer

    @extend_schema(
        operation_id="c2b_simulate",
        summary="Simulate a C2B payment (sandbox only)",
        request=shapes.SimulateSerializer,
        responses={202: shapes.SimulatedSerializer, **_AWAY},
        tags=["c2b"],
    )
    def post(self, request: Request) -> Response:
        """Have the sandbox pay; the payment comes by confirmation."""
        text = c2b.simulate(**self.wanted(request))
        body = {"success": True, "message": text}
        return Response(body, status=status.HTTP_202_ACCEPTED)
