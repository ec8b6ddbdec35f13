"""The gate before every attempt: the limiter's place and the breaker's leave, together."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from integrations.outbound.admission import Key, Rate, Standing, State, Ticket, Wait
from integrations.outbound.breaker import Verdict
from integrations.outbound.limiter import configured_rate
from integrations.outbound.local_gate import LocalState
from integrations.outbound.redis_gate import RedisState
from integrations.outbound.redis_link import RedisAway, Sharing, link


class Gate:
    """Asks the state that all processes share, or this process's own while there is none.

    `rate` tells (calls per second, burst) of a provider and is asked at every call, with what is
    usual for the credentials.
    """

    def __init__(
        self,
        local: State,
        shared: State,
        *,
        rate: Callable[[str, Rate | None], Rate] = configured_rate,
    ) -> None:
        self._local, self._shared, self._rate = local, shared, rate

    def admit(
        self,
        key: Key,
        *,
        max_wait: float,
        usual: Rate | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Ticket:
        """Wait for a place and return the ticket; to be followed by one `report`.

        Raises TransportError(sent=False): "breaker_open" where no call may be made now,
        "rate_limited" where the place is further off than `max_wait` seconds (none is taken), or
        came to be while the provider was slowing us down. Places are given in the order of asking.
        `usual` is the rate of these credentials, where nobody configured another one.
        """
        rate, left = self._rate(key[0], usual), max_wait
        answer = self._ask(key, rate, left, None)
        while isinstance(answer, Wait):
            sleep(answer.seconds)
            left = max(0.0, left - answer.seconds)
            # The circuit may have opened meanwhile, or the rate been lowered.
            answer = self._ask(key, rate, left, answer)
        return answer

    def _ask(self, key: Key, rate: Rate, max_wait: float, held: Wait | None) -> Ticket | Wait:
        try:
            return self._shared.admit(key, rate, max_wait=max_wait, held=held)
        except RedisAway:
            return self._local.admit(key, rate, max_wait=max_wait, held=held)

    def report(self, ticket: Ticket, verdict: Verdict) -> None:
        """Tell what the call showed about the provider.

        A ticket may be of one state and its verdict go to the other: no turn but 0, that of a
        circuit that never opened, means anything to both.
        """
        try:
            self._shared.heed(ticket, verdict)
        except RedisAway:
            self._local.heed(ticket, verdict)

    def close(self, key: Key) -> Sharing:
        """Close a circuit by hand, and tell whether for all processes or for this one."""
        self._local.close(key)
        try:
            self._shared.close(key)
        except RedisAway:
            return link.sharing
        return Sharing.REDIS

    def standings(self) -> dict[Key, Standing]:
        """All that is known, in the state that is in use."""
        try:
            return self._shared.standings()
        except RedisAway:
            return self._local.standings()


local = LocalState()
gate = Gate(local, RedisState(link))
# What this process remembers of an earlier outage says nothing about a new one.
link.on_outage(local.forget)
os.register_at_fork(after_in_child=local.forget)
