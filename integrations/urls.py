"""URLs of the hub; a host project includes them wherever it likes.

path("api/v1/integrations/", include("integrations.urls"))
"""

from __future__ import annotations

from django.urls import path

from integrations.api import views
from integrations.callbacks.views import callback

app_name = "integrations"

urlpatterns = [
    path("health/", views.HealthView.as_view(), name="integration-health"),
    path(
        "health/<str:slug>/", views.IntegrationHealthView.as_view(), name="integration-health-one"
    ),
    path("cache/clear/", views.ClearCacheView.as_view(), name="integration-cache-clear"),
    path("summary/", views.SummaryView.as_view(), name="integration-summary"),
    # Short on purpose: M-Pesa forbids its own name, among other words, in callback addresses.
    path("cb/<slug:route>/<str:token>/", callback, name="callback"),
    # A redirect to the address with the slash would lose the callback.
    path("cb/<slug:route>/<str:token>", callback),
]
