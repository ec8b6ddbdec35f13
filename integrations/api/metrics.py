"""The page that Prometheus reads; for everybody else there is none."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from integrations.callbacks.source import client_address
from integrations.exposition import CONTENT_TYPE, exposition, may_scrape


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The metrics in Prometheus's text format; 404 for whoever may not read them."""
    authorization = request.headers.get("Authorization", "")
    if not may_scrape(address=_address(request), authorization=authorization):
        raise Http404
    return HttpResponse(exposition(), content_type=CONTENT_TYPE)


def _address(request: HttpRequest) -> str:
    """Where the request comes from; "" where a proxy that nobody has named stands in between.

    Such a proxy on this machine would make the whole world local.
    """
    address = client_address(request)
    is_forwarded = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    return "" if is_forwarded and address == request.META.get("REMOTE_ADDR") else address
