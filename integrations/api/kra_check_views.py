"""Checks at KRA over HTTP: PINs, compliance, certificates, and further questions."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api import kra_gava_serializers as shapes
from integrations.api.hub_view import BODY_REFUSALS, REFUSALS
from integrations.api.kra_base import KRAView, PagedView, RowFilter
from integrations.api.rights import Right, choose_business
from integrations.api.serializers import ErrorSerializer
from integrations.api.throttles import AskThrottle
from integrations.config import Snapshot
from integrations.exceptions import InvalidInput
from integrations.kra import checks
from integrations.kra.config import tax_config
from integrations.models import Environment, KRAComplianceCheck, TokenScope

CHECK = Right(TokenScope.TAX_WRITE, "integrations.check_kracompliancecheck")
TAGS = ["kra checks"]
ASKED: dict[Any, Any] = {502: ErrorSerializer, 503: ErrorSerializer, **BODY_REFUSALS}


class TaxView(KRAView):
    """What the views of GavaConnect share."""

    def wanted(self, request: Request) -> tuple[Snapshot, dict[str, Any]]:
        """The settings of the chosen business, and the body's other values.

        Raises BusinessRefused, and what `tax_config` raises.
        """
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        found = dict(serializer.validated_data)
        business = choose_business(request, found.pop("business", None))
        return tax_config(business, found.pop("branch", "")), found


class GavaFilter(RowFilter):
    """Of what was asked of GavaConnect."""

    environment = filters.ChoiceFilter(choices=Environment.choices)
    kra_pin = filters.CharFilter(method="by_pin", max_length=20)

    def by_pin(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        """In any case."""
        return rows.filter(kra_pin=value.strip().upper())


class CheckFilter(GavaFilter):
    """Of compliance checks."""

    compliant = filters.BooleanFilter(field_name="is_compliant")

    class Meta:
        model = KRAComplianceCheck
        fields: ClassVar[list[str]] = []


class PinCheckView(TaxView):
    """A PIN, or the PIN of an id."""

    rights = {"POST": CHECK}
    serializer_class = shapes.PinCheckSerializer
    costly = (AskThrottle,)

    @extend_schema(
        operation_id="kra_pin_check",
        summary="Check a PIN at KRA, or find the PIN of an id",
        description="Send `kra_pin` alone, or `taxpayer_id` with `taxpayer_type`. A PIN that KRA "
        "does not know is an answer: `is_known` is false.",
        request=shapes.PinCheckSerializer,
        responses={200: shapes.PinAnswerSerializer, **ASKED},
        examples=[OpenApiExample("A PIN", value={"kra_pin": "A744610021G"}, request_only=True)],
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Ask KRA; nothing is stored."""
        config, found = self.wanted(request)
        if bool(found.get("kra_pin")) == bool(found.get("taxpayer_id")):
            raise InvalidInput("kra_pin", "give this or taxpayer_id, one of the two.")
        if found.get("kra_pin"):
            return Response(checks.check_pin_online(config, found["kra_pin"]).as_dict())
        kind = found.get("taxpayer_type", "KE")
        return Response(checks.find_pin(config, found["taxpayer_id"], kind))


class CheckListView(TaxView, PagedView):
    """Compliance checks: those that were made, and new ones."""

    rights = {
        "GET": Right(TokenScope.TAX_READ, "integrations.view_kracompliancecheck"),
        "POST": CHECK,
    }
    serializer_class = shapes.ComplianceSerializer
    costly = (AskThrottle,)
    model = KRAComplianceCheck
    filterset_class = CheckFilter

    @extend_schema(
        operation_id="kra_check_list",
        summary="List compliance checks",
        responses={200: shapes.CheckSerializer(many=True), **REFUSALS, 404: ErrorSerializer},
        tags=TAGS,
    )
    def get(self, request: Request) -> Response:
        """One page of the checks that fit every filter."""
        return self.paged(request, shapes.CheckSerializer)

    @extend_schema(
        operation_id="kra_check_compliance",
        summary="Check whether a taxpayer is compliant",
        description="Compliant is who has an active PIN and a valid certificate. An active PIN "
        "alone is not compliance; `missing` tells what stands in the way.",
        request=shapes.ComplianceSerializer,
        responses={201: shapes.CheckSerializer, **ASKED},
        examples=[OpenApiExample("A PIN", value={"kra_pin": "A744610021G"}, request_only=True)],
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Ask KRA and store what it said."""
        config, found = self.wanted(request)
        user: Any = request.user
        made = checks.check_compliance(config, by=user, **found)
        return Response(shapes.CheckSerializer(made).data, status=201)


class CertificateCheckView(TaxView):
    """How a certificate stands."""

    rights = {"POST": CHECK}
    serializer_class = shapes.CertificateCheckSerializer
    costly = (AskThrottle,)

    @extend_schema(
        operation_id="kra_check_certificate",
        summary="Check a tax compliance certificate",
        request=shapes.CertificateCheckSerializer,
        responses={200: shapes.CertificateStandingSerializer, **ASKED},
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Ask KRA; nothing is stored."""
        config, found = self.wanted(request)
        standing = checks.check_certificate(config, found["kra_pin"], found["certificate_number"])
        return Response(standing.as_dict())


class LookUpView(TaxView):
    """Further questions, by name."""

    rights = {"POST": CHECK}
    serializer_class = shapes.LookUpSerializer
    costly = (AskThrottle,)

    @extend_schema(
        operation_id="kra_look_up",
        summary="Ask KRA something else: obligations, invoice, station, exemptions …",
        description="`check` is one of: " + ", ".join(checks.LOOK_UPS) + ".",
        parameters=[OpenApiParameter("check", str, OpenApiParameter.PATH)],
        request=shapes.LookUpSerializer,
        responses={200: shapes.LookUpAnswerSerializer, **ASKED},
        tags=TAGS,
    )
    def post(self, request: Request, check: str) -> Response:
        """Ask KRA; nothing is stored."""
        config, found = self.wanted(request)
        return Response(checks.look_up(config, check, found))
