"""The callback endpoint: quick, and never 5xx except 503 when storing failed."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.http.request import UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from integrations.callbacks.receive import body_limit, receive
from integrations.callbacks.routes import (
    CallbackRefused,
    CallbackRequest,
    CallbackRoute,
    find_route,
)
from integrations.callbacks.source import client_address
from integrations.exceptions import IntegrationError
from integrations.logs import log_event
from integrations.metrics import callbacks

logger = logging.getLogger(__name__)
NOT_AUTHENTIC = 401


# How each answer to a POST is counted.
_RESULTS = {
    200: "accepted",
    400: "malformed",
    401: "refused",
    404: "unknown_route",
    413: "too_large",
    503: "not_stored",
}


@csrf_exempt
def callback(request: HttpRequest, route: str, token: str) -> HttpResponseBase:
    """Take a provider's callback.

    200 when it is stored; 400 malformed; 401 not authentic; 404 no such route; 405 other
    methods (GET and HEAD probes get an empty 200); 413 too large; 503 when it can't be stored.
    """
    known = find_route(route)
    if request.method == "POST":
        response = _take(request, known, token)
        # An unknown name is the caller's word, and no label.
        name = known.name if known else "unknown"
        callbacks.add(name, _RESULTS.get(response.status_code, "refused"))
        return response
    if known is None:
        return _not_found()
    if request.method in ("GET", "HEAD"):
        return HttpResponse(content_type="text/plain")
    return JsonResponse({"error": "method not allowed"}, status=405, headers={"Allow": "POST"})


def _not_found() -> HttpResponseBase:
    return JsonResponse({"error": "not found"}, status=404)


def _take(request: HttpRequest, known: CallbackRoute | None, token: str) -> HttpResponseBase:
    if known is None:
        return _not_found()
    route = known.name
    try:
        body = read_body(request)
        arrived = CallbackRequest(
            route=route,
            token_digest=hashlib.sha256(token.encode()).hexdigest(),
            body=body,
            headers=request.headers,
            source=client_address(request),
        )
        answer = receive(known, arrived)
    except CallbackRefused as refusal:
        if refusal.status == NOT_AUTHENTIC:
            # Who is not let in hears no reason.
            return HttpResponse(status=NOT_AUTHENTIC, content_type="text/plain")
        return JsonResponse({"error": refusal.message}, status=refusal.status)
    except (DatabaseError, IntegrationError) as error:
        log_event(
            logger, logging.ERROR, "callback_not_stored", route=route, error=type(error).__name__
        )
        return JsonResponse({"error": "can't be stored now"}, status=503)
    return JsonResponse(dict(answer))


def _stream(request: HttpRequest) -> Any:
    """Where the body comes from. Django reads no chunked body under WSGI, servers can."""
    if request.META.get("wsgi.input_terminated") and not request.META.get("CONTENT_LENGTH"):
        return request.META["wsgi.input"]
    return request


def read_body(request: HttpRequest) -> bytes:
    """The body, read only as far as the limit; raises CallbackRefused."""
    limit = body_limit()
    try:
        declared = int(request.META.get("CONTENT_LENGTH") or 0)
        body = _stream(request).read(limit + 1) if declared <= limit else b""
    except (UnreadablePostError, OSError):
        raise CallbackRefused(400, "The body could not be read.") from None
    except ValueError:
        raise CallbackRefused(400, "The Content-Length is not a number.") from None
    if declared > limit or len(body) > limit:
        raise CallbackRefused(413, f"The body is larger than {limit} bytes.")
    return body
