"""The product's URLs, and the bare view that the callback figures are compared with."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from benchmarks.models import BareInbox
from bengoerp.urls import urlpatterns as product_patterns


@csrf_exempt
def bare(request: HttpRequest) -> JsonResponse:
    """The floor: one row by the ORM, and yes."""
    BareInbox.objects.create(body=request.body.decode())
    return JsonResponse({"ResultCode": 0, "ResultDesc": "Accepted"})


# Below the callbacks' own prefix: the redirect to HTTPS treats both alike.
urlpatterns = [path("api/v1/integrations/cb/bare/", bare), *product_patterns]
