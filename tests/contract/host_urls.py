"""The foreign project's URLs: the hub below a prefix of the project's own."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("erp/hub/", include("integrations.urls"))]
