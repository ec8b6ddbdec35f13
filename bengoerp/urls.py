"""URLs of the project: admin, API version 1, schema and docs pages, probes."""

from __future__ import annotations

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import include, path
from drf_spectacular.views import (
    SpectacularAPIView,
    SpectacularRedocView,
    SpectacularSwaggerSplitView,
)

from integrations.api.metrics import metrics
from integrations.api.probes import livez, readyz


def no_search(_request: HttpRequest) -> HttpResponse:
    """The theme's search is not offered: what it caches is no JSON, so Redis would refuse it."""
    raise Http404("There is no search over all pages.")


admin.site.index_template = "admin/integrations/start.html"
admin.site.index_title = "Start"

urlpatterns = [
    path("admin/search/", no_search),
    path("admin/", admin.site.urls),
    path("api/v1/integrations/", include("integrations.urls", namespace="v1-integrations")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path(
        "api/redoc/",
        SpectacularRedocView.as_view(url_name="schema", template_name="integrations/redoc.html"),
        name="redoc",
    ),
    path("livez", livez, name="livez"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
]
