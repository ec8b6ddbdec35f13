"""Middleware of the hub."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from integrations.models import acting


class ActorMiddleware:
    """Names the logged-in user as the actor of everything the request records."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Handle the request with its user as the actor."""
        with acting(getattr(request, "user", None)):
            return self.get_response(request)
