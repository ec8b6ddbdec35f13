"""Request limits that let people in when the cache that counts them is away."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from rest_framework.request import Request
from rest_framework.throttling import AnonRateThrottle, SimpleRateThrottle, UserRateThrottle

if TYPE_CHECKING:  # The views module reads the setting that names this one.
    from rest_framework.views import APIView

logger = logging.getLogger(__name__)


class ForgivingThrottle(SimpleRateThrottle):
    """Counts in the cache; a cache that fails limits nobody (the health page must answer)."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Whether the request is within its limit, or can't be counted."""
        try:
            return super().allow_request(request, view)
        except Exception as error:  # noqa: BLE001 - any cache backend, any failure
            logger.warning("requests are not counted: the cache failed (%s)", type(error).__name__)
            return True


class AnonThrottle(ForgivingThrottle, AnonRateThrottle):
    """Of callers who are not logged in."""


class UserThrottle(ForgivingThrottle, UserRateThrottle):
    """Of logged-in users."""
