"""Request limits that let people in when the cache that counts them is away."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import AnonRateThrottle, SimpleRateThrottle, UserRateThrottle

from integrations.models import ApiToken

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
    """Of logged-in users; each API token has a count of its own."""

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        """By token, by user, or by address."""
        if isinstance(request.auth, ApiToken):
            return self.cache_format % {"scope": self.scope, "ident": f"token-{request.auth.pk}"}
        return super().get_cache_key(request, view)


class CostlyThrottle(UserThrottle):
    """Of what makes a provider work. The rate is the project's, by scope, or the default."""

    default_rate = "60/min"

    def get_rate(self) -> str | None:
        """DEFAULT_THROTTLE_RATES of the project where it names the scope."""
        rates: dict[str, Any] = api_settings.DEFAULT_THROTTLE_RATES
        return str(rates.get(str(self.scope)) or self.default_rate)


class PushThrottle(CostlyThrottle):
    """Of payments that are started."""

    scope = "integrations-push"
    default_rate = "120/min"


class PayoutThrottle(CostlyThrottle):
    """Of payouts, reversals and payout files."""

    scope = "integrations-payout"
    default_rate = "120/min"


class AskThrottle(CostlyThrottle):
    """Of questions to a provider about a payment."""

    scope = "integrations-ask"


class TaxThrottle(CostlyThrottle):
    """Of what is handed in for KRA."""

    scope = "integrations-tax"
    default_rate = "600/min"


class TestThrottle(CostlyThrottle):
    """Of connection tests."""

    scope = "integrations-test"
    default_rate = "20/min"


class DeliverThrottle(CostlyThrottle):
    """Of webhook events that are published or delivered again by hand."""

    scope = "integrations-deliver"
    default_rate = "120/min"


class ReplayThrottle(CostlyThrottle):
    """Of replays, and of the counts before them."""

    scope = "integrations-replay"
    default_rate = "20/min"
