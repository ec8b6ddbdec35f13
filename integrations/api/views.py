"""The documented HTTP surface: health, cache, summary (compatibility reference, section 4.2)."""

from __future__ import annotations

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.access import request_scope
from integrations.api import serializers
from integrations.api.hub_view import REFUSALS, HubView, refuse_unknown
from integrations.api.recent import TOTAL_SECONDS, recent
from integrations.api.rights import Right, choose_business
from integrations.api.summary import summarize
from integrations.health import known_slugs
from integrations.models import AuditEntry, TokenScope
from integrations.services import IntegrationConfigService


class HealthView(HubView):
    """Every integration, of the installation or of one business."""

    rights = {"GET": Right(TokenScope.HEALTH_READ)}

    @extend_schema(
        operation_id="integration_health",
        summary="Health of every integration",
        description="Connections are tested side by side, at most once in five seconds each. "
        f"One that does not answer within {TOTAL_SECONDS:g} seconds is reported as unhealthy.",
        parameters=[serializers.BUSINESS],
        responses={200: serializers.HealthSerializer, **REFUSALS},
        tags=["health"],
    )
    def get(self, request: Request) -> Response:
        """Test every connection, side by side."""
        refuse_unknown(request, "business")
        business = choose_business(request, request.query_params.get("business"))
        found = recent.get_all(known_slugs(), business)
        answer = {
            "success": True,
            "integrations": {slug: tested.status for slug, tested in found.items()},
            "generated_at": timezone.now(),
        }
        return Response(serializers.HealthSerializer(answer).data)


class IntegrationHealthView(HubView):
    """One integration, of the installation or of one business."""

    rights = {"GET": Right(TokenScope.HEALTH_READ)}

    @extend_schema(
        operation_id="integration_health_one",
        summary="Health of one integration",
        description="200 where the provider accepted the credentials, otherwise 503.",
        parameters=[
            OpenApiParameter("slug", str, OpenApiParameter.PATH, enum=known_slugs()),
            serializers.BUSINESS,
        ],
        responses={
            200: serializers.IntegrationHealthSerializer,
            503: serializers.IntegrationHealthSerializer,
            404: serializers.ErrorSerializer,
            **REFUSALS,
        },
        tags=["health"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Test one connection; raises Http404 for a slug that nobody declared or documented."""
        if slug not in known_slugs():
            raise Http404(f"There is no integration {slug[:64]!r}.")
        refuse_unknown(request, "business")
        tested = recent.get(slug, choose_business(request, request.query_params.get("business")))
        found = tested.status
        answer = {
            "success": found["connected"],
            "message": found["message"],
            "configured": found["configured"],
            "active": found["active"],
            "status": found["status"],
            "connected": found["connected"],
            "warnings": found["warnings"],
            "tested_at": tested.at,
            **({"accounts": found["accounts"]} if "accounts" in found else {}),
        }
        data = serializers.IntegrationHealthSerializer(answer).data
        return Response(data, status=200 if found["connected"] else 503)


class ClearCacheView(HubView):
    """Staff only."""

    rights = {"POST": Right(TokenScope.SETTINGS_WRITE, staff=True)}

    @extend_schema(
        operation_id="integration_cache_clear",
        summary="Have every process reread the settings",
        request=None,
        responses={200: serializers.ClearedSerializer, **REFUSALS},
        tags=["configuration"],
    )
    def post(self, _request: Request) -> Response:
        """Forget what is remembered of settings and of connection tests."""
        IntegrationConfigService.clear_config_cache()
        recent.forget()
        AuditEntry.objects.record("cache.cleared")
        answer = {
            "success": True,
            "message": "Integration configuration cache cleared.",
            "cleared_at": timezone.now(),
        }
        return Response(serializers.ClearedSerializer(answer).data)


class SummaryView(HubView):
    """What is installed and configured."""

    rights = {"GET": Right(TokenScope.HEALTH_READ)}

    @extend_schema(
        operation_id="integration_summary",
        summary="Installed integrations and configured settings",
        responses={200: serializers.SummarySerializer, **REFUSALS},
        tags=["configuration"],
    )
    def get(self, request: Request) -> Response:
        """Count; no provider is asked."""
        data = summarize(request_scope(request))
        answer = {"success": True, "data": data, "generated_at": timezone.now()}
        return Response(serializers.SummarySerializer(answer).data)
