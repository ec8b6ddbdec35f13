"""What KRA's settings can do over HTTP beside what all settings can."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.access import request_scope
from integrations.api import kra_shapes as shapes
from integrations.api.hub_view import BODY_REFUSALS, HubView, find_by_number
from integrations.api.rights import Right
from integrations.api.serializers import ErrorSerializer
from integrations.api.settings_views import NOT_FOUND
from integrations.api.throttles import TestThrottle
from integrations.exceptions import InvalidInput
from integrations.kra.config import tax_config
from integrations.kra.device import initialise_device
from integrations.kra.service import KRAService
from integrations.models import KRASettings, TokenScope

_ID = OpenApiParameter("id", int, OpenApiParameter.PATH, description="The settings row's id.")


class ValidatePinView(HubView):
    """Looks at the form of a PIN."""

    rights = {"POST": Right(TokenScope.TAX_READ, staff=True)}
    serializer_class = shapes.PinSerializer

    @extend_schema(
        operation_id="kra_settings_validate_pin",
        summary="Check the form of a KRA PIN (KRA)",
        description="The documented answers. Nobody is asked: the PIN check asks KRA.",
        request=shapes.PinSerializer,
        responses={200: shapes.PinValidSerializer, **BODY_REFUSALS},
        examples=[OpenApiExample("A PIN", value={"pin": "P051234567X"}, request_only=True)],
        tags=["settings"],
    )
    def post(self, request: Request) -> Response:
        """200 with the PIN as KRA writes it, 400 where it can't be one."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wanted = serializer.validated_data
        text = wanted.get("pin") or wanted.get("kra_pin") or ""
        is_valid, found = KRAService().validate_pin(text)
        if is_valid:
            return Response({"success": True, "result": found})
        fault = InvalidInput("kra_pin", str(found))
        # The documented sentence, without the field in front of it.
        fault.message = str(found)
        raise fault


class InitialiseView(HubView):
    """Initialises control units."""

    rights = {
        "POST": Right(TokenScope.SETTINGS_WRITE, "integrations.initialise_krabranch", staff=True)
    }
    serializer_class = shapes.InitialiseSerializer
    costly = (TestThrottle,)

    def get_queryset(self) -> QuerySet[KRASettings]:
        """The rows of the caller's businesses."""
        if getattr(self, "swagger_fake_view", False):
            return KRASettings.objects.none()
        return request_scope(self.request).narrow(KRASettings.objects.all())

    @extend_schema(
        operation_id="kra_settings_initialise",
        summary="Initialise the control unit of these settings, once (KRA)",
        description="KRA hands the communication key out once; it is stored encrypted and never "
        "told. A second call is refused without asking KRA: `again` is for a person who knows that "
        "KRA did nothing the first time. 502 with `outcome_unknown`: KRA's answer was lost.",
        request=shapes.InitialiseSerializer,
        parameters=[_ID],
        responses={
            200: shapes.InitialisedSerializer,
            404: ErrorSerializer,
            409: ErrorSerializer,
            502: ErrorSerializer,
            503: ErrorSerializer,
            **BODY_REFUSALS,
        },
        examples=[OpenApiExample("Confirmed", value={"confirm": True}, request_only=True)],
        tags=["settings"],
    )
    def post(self, request: Request, pk: str) -> Response:
        """Ask KRA, store what it hands out."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wanted = serializer.validated_data
        row = find_by_number(self.get_queryset(), pk, NOT_FOUND)
        if not wanted["confirm"]:
            raise InvalidInput(
                "confirm", "must be true: KRA does this once.", code="confirmation_needed"
            )
        account = "" if row.is_main else row.branch_code
        initialise_device(tax_config(row.business, account), request.user, again=wanted["again"])
        _, told = KRAService(row.business, account).device_status()
        return Response(shapes.InitialisedSerializer({"success": True, "device": told}).data)
