"""The documented HTTP surface: health, cache, summary (compatibility reference, section 4.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.permissions import IsAdminUser, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from integrations.api import serializers
from integrations.api.errors import exception_handler
from integrations.api.recent import recent
from integrations.api.summary import summarize
from integrations.health import all_status, known_slugs
from integrations.models import AuditEntry
from integrations.services import IntegrationConfigService

_REFUSALS = {
    401: serializers.ErrorSerializer,
    403: serializers.ErrorSerializer,
    500: serializers.ErrorSerializer,
}


class HubView(APIView):
    """Logged-in callers only, and our error shape, whatever the host project's defaults are."""

    permission_classes = [IsAuthenticated]

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response]:
        """The handler of this package."""
        return exception_handler


class HealthView(HubView):
    """Every integration of the installation."""

    @extend_schema(
        operation_id="integration_health",
        summary="Health of every integration",
        description="Connections are tested, at most once in five seconds each.",
        responses={200: serializers.HealthSerializer, **_REFUSALS},
        tags=["health"],
    )
    def get(self, _request: Request) -> Response:
        """Test every connection, side by side."""
        answer = {
            "success": True,
            "integrations": all_status(check=recent.status),
            "generated_at": timezone.now(),
        }
        return Response(serializers.HealthSerializer(answer).data)


class IntegrationHealthView(HubView):
    """One integration of the installation."""

    @extend_schema(
        operation_id="integration_health_one",
        summary="Health of one integration",
        description="200 where the provider accepted the credentials, otherwise 503.",
        parameters=[
            OpenApiParameter("slug", str, OpenApiParameter.PATH, enum=known_slugs()),
        ],
        responses={
            200: serializers.IntegrationHealthSerializer,
            503: serializers.IntegrationHealthSerializer,
            404: serializers.ErrorSerializer,
            **_REFUSALS,
        },
        tags=["health"],
    )
    def get(self, _request: Request, slug: str) -> Response:
        """Test one connection; raises Http404 for a slug that nobody declared or documented."""
        if slug not in known_slugs():
            raise Http404(f"There is no integration {slug[:64]!r}.")
        tested = recent.get(slug)
        found = tested.status
        answer = {
            "success": found["connected"],
            "message": found["message"],
            "configured": found["configured"],
            "active": found["active"],
            "status": found["status"],
            "connected": found["connected"],
            "tested_at": tested.at,
        }
        data = serializers.IntegrationHealthSerializer(answer).data
        return Response(data, status=200 if found["connected"] else 503)


class ClearCacheView(HubView):
    """Staff only."""

    permission_classes = [IsAdminUser]

    @extend_schema(
        operation_id="integration_cache_clear",
        summary="Have every process reread the settings",
        request=None,
        responses={200: serializers.ClearedSerializer, **_REFUSALS},
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

    @extend_schema(
        operation_id="integration_summary",
        summary="Installed integrations and configured settings",
        responses={200: serializers.SummarySerializer, **_REFUSALS},
        tags=["configuration"],
    )
    def get(self, _request: Request) -> Response:
        """Count; no provider is asked."""
        answer = {"success": True, "data": summarize(), "generated_at": timezone.now()}
        return Response(serializers.SummarySerializer(answer).data)
