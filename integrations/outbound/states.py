"""What is known of each provider's calls, for people to look at, and what they may do about it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from integrations.outbound.admission import Key, Standing
from integrations.outbound.breaker import BreakerState
from integrations.outbound.gate import gate
from integrations.outbound.limiter import BRAKE_STEP, configured_rate
from integrations.outbound.redis_link import Sharing, link
from integrations.outbound.tokens import tokens


@dataclass(frozen=True, slots=True)
class ProviderState:
    """Calls to one provider with one set of credentials.

    `credential` is the digest of the secrets. `failures` in a row; `open_until` is when the next
    call is let through, as a probe (None while the circuit is closed). `rate` in calls per second;
    `rate_now` is lower while the provider said "too many", until `slowed_until`. `places_left` of
    `burst` can be used at once, and `waiting` calls wait for theirs. `token_until` is when the
    access token is replaced (None where none is held); the token itself is nowhere here.
    """

    provider: str
    credential: str
    circuit: BreakerState
    failures: int
    open_until: datetime | None
    rate: float
    burst: float
    rate_now: float
    slowed_until: datetime | None
    places_left: int
    waiting: int
    token_until: datetime | None


@dataclass(frozen=True, slots=True)
class ProviderStates:
    """All states, and where they come from.

    `sharing`: "redis" holds for all processes, "redis_away" (since `away_since`) and "local" for
    the process that was asked alone.
    """

    sharing: Sharing
    away_since: datetime | None
    providers: tuple[ProviderState, ...]


def provider_states() -> ProviderStates:
    """The state of each provider and credential that was called in the last hour.

    Never waits long: without Redis it tells what this process knows. Walks through all keys of the
    Redis database, so it is for pages and commands, not for every call. Raises ConfigurationError
    for a wrong INTEGRATIONS_RATE_LIMITS.
    """
    standings = gate.standings()
    until = _token_ends()
    keys = sorted({*standings, *until})
    providers = tuple(_state(key, standings.get(key), until.get(key)) for key in keys)
    return ProviderStates(link.sharing, _away_since(), providers)


def close_circuit(provider: str, credential: str) -> Sharing:
    """Let calls through again at once, for an operator who knows that the provider is back.

    `credential` is the digest as in `ProviderState`. The answer tells for whom it was done: "redis"
    for all processes, "redis_away" or "local" for this process alone. Whoever offers this to people
    writes the audit entry.
    """
    return gate.close((provider, credential))


def _state(key: Key, standing: Standing | None, token_until: datetime | None) -> ProviderState:
    rate, burst = configured_rate(key[0])
    left, circuit, open_until = burst, BreakerState.CLOSED, None
    rate_now, slowed_until = rate, None
    if standing is not None:
        circuit = standing.circuit.state
        if standing.bucket is not None:
            bucket, now = standing.bucket, standing.now
            rate, burst, left = bucket.per_second, bucket.burst, bucket.left(now)
            rate_now = bucket.pace(now)[0]
            if bucket.slowness(now):
                seconds = bucket.braked_at + bucket.brake * BRAKE_STEP - now
                slowed_until = timezone.now() + timedelta(seconds=seconds)
        if circuit is not BreakerState.CLOSED:
            seconds = standing.circuit.seconds_left(standing.now)
            open_until = timezone.now() + timedelta(seconds=seconds)
    return ProviderState(
        provider=key[0],
        credential=key[1],
        circuit=circuit,
        failures=standing.circuit.failures if standing else 0,
        open_until=open_until,
        rate=rate,
        burst=burst,
        rate_now=rate_now,
        slowed_until=slowed_until,
        places_left=max(0, math.floor(left)),
        waiting=max(0, math.ceil(-left)),
        token_until=token_until,
    )


def _token_ends() -> dict[Key, datetime]:
    ends: dict[Key, datetime] = {}
    for name, end in tokens.held_until().items():
        provider, _, rest = name.partition(":")
        credential, _, _ = rest.partition(":")
        key, moment = (provider, credential), datetime.fromtimestamp(end, UTC)
        ends[key] = max(ends.get(key, moment), moment)
    return ends


def _away_since() -> datetime | None:
    seconds = link.away_seconds
    return None if seconds is None else timezone.now() - timedelta(seconds=seconds)
