"""The one door out: every call to a provider leaves through here.

Deadlines, safe retries, address guard, breaker, rate limit, tokens, one record per call.
docs/explanation/one-door-out.md tells why.
"""

from __future__ import annotations

from integrations.outbound.breaker import BreakerState
from integrations.outbound.call import Call, Limits, Response
from integrations.outbound.client import Client
from integrations.outbound.guard import check_typed_url
from integrations.outbound.recorder import Record, flush, recorded
from integrations.outbound.redis_link import Sharing
from integrations.outbound.states import (
    ProviderState,
    ProviderStates,
    close_circuit,
    provider_states,
)
from integrations.outbound.tokens import TokenCache
from integrations.outbound.urls import check_url, host_port

__all__ = [
    "BreakerState",
    "Call",
    "Client",
    "Limits",
    "ProviderState",
    "ProviderStates",
    "Record",
    "Response",
    "Sharing",
    "TokenCache",
    "check_typed_url",
    "check_url",
    "close_circuit",
    "flush",
    "host_port",
    "provider_states",
    "recorded",
]
