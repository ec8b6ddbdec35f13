"""The one door out: every call to a provider leaves through here.

Deadlines, safe retries, address guard, breaker, rate limit, tokens, one record per call.
docs/explanation/one-door-out.md tells why.
"""

from __future__ import annotations

from integrations.outbound.breaker import BreakerState, breaker_states
from integrations.outbound.call import Call, Limits, Response
from integrations.outbound.client import Client
from integrations.outbound.recorder import Record, flush, recorded
from integrations.outbound.tokens import TokenCache
from integrations.outbound.urls import check_url, host_port

__all__ = [
    "BreakerState",
    "Call",
    "Client",
    "Limits",
    "Record",
    "Response",
    "TokenCache",
    "breaker_states",
    "check_url",
    "flush",
    "host_port",
    "recorded",
]
