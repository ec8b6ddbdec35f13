"""URLs of the project: admin, API version 1, schema and docs pages, probes."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerView

from integrations.api.probes import livez, readyz

admin.site.site_header = admin.site.site_title = "BengoERP Integrations"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/integrations/", include("integrations.urls", namespace="v1-integrations")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path(
        "api/redoc/",
        SpectacularRedocView.as_view(url_name="schema", template_name="integrations/redoc.html"),
        name="redoc",
    ),
    path("livez", livez, name="livez"),
    path("readyz", readyz, name="readyz"),
]
