"""URLs of the hub; a host project includes them wherever it likes.

path("api/v1/integrations/", include("integrations.urls"))
"""

from __future__ import annotations

from django.urls import path

from integrations.callbacks.views import callback

app_name = "integrations"

urlpatterns = [
    # Short on purpose: M-Pesa forbids its own name, among other words, in callback addresses.
    path("cb/<slug:route>/<str:token>/", callback, name="callback"),
]
