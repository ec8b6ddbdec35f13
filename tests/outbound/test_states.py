"""What an operator can see, and do, from any process."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from integrations.exceptions import TransportError
from integrations.outbound import (
    BreakerState,
    ProviderState,
    Sharing,
    close_circuit,
    provider_states,
)
from integrations.outbound.redis_link import link
from tests.outbound.conftest import Source, limits, pay
from tests.outbound.servers import answer, drop

pytestmark = pytest.mark.usefixtures("environment_keys")
PLACES = {"local": Sharing.LOCAL, "redis": Sharing.REDIS}


def _soon(moment, seconds):
    return moment is not None and abs(moment - datetime.now(UTC)) < timedelta(seconds=seconds + 1)


def test_nothing_is_known_before_the_first_call(sharing):
    states = provider_states()
    assert (states.sharing, states.away_since, states.providers) == (PLACES[sharing], None, ())


def test_a_credential_in_use_shows_its_places_and_its_token(sharing, serve, client_for, settings):
    settings.INTEGRATIONS_RATE_LIMITS = {"mpesa": [0.5, 3]}
    server, source = serve(), Source(lifetime=1000)
    for _ in range(2):
        client_for(server).send(pay(server), authorize=source)
    [state] = provider_states().providers
    assert dataclasses.replace(state, token_until=None) == ProviderState(
        provider="mpesa",
        credential="c1",
        circuit=BreakerState.CLOSED,
        failures=0,
        open_until=None,
        rate=0.5,
        burst=3.0,
        rate_now=0.5,
        slowed_until=None,
        places_left=1,
        waiting=0,
        token_until=None,
    )
    assert state.token_until - datetime.now(UTC) == pytest.approx(
        timedelta(seconds=940), abs=timedelta(seconds=5)
    )
    assert "t1" not in repr(provider_states())


def test_calls_that_wait_are_counted(sharing, serve, client_for, settings):
    settings.INTEGRATIONS_RATE_LIMITS = {"mpesa": [0.2, 1]}
    server, seen = serve(), []

    def sleep(seconds):
        seen.append(provider_states().providers[0])

    for _ in range(3):
        client_for(server, sleep=sleep).send(pay(server, limits=limits(total=20)))
    assert [(state.places_left, state.waiting) for state in seen] == [(0, 1), (0, 2)]


def test_an_open_circuit_shows_until_when_and_can_be_closed(sharing, serve, client_for):
    server = serve(drop)
    for _ in range(5):
        with pytest.raises(TransportError):
            client_for(server).send(pay(server))
    [state] = provider_states().providers
    assert (state.circuit, state.failures) == (BreakerState.OPEN, 5)
    assert _soon(state.open_until, 30)
    server.reply = answer()
    assert close_circuit(state.provider, state.credential) is PLACES[sharing]
    [state] = provider_states().providers
    assert (state.circuit, state.failures, state.open_until) == (BreakerState.CLOSED, 0, None)
    assert client_for(server).send(pay(server)).status == 200


def test_closing_what_is_not_there_leaves_nothing_behind(sharing):
    close_circuit("mpesa", "no-such-credential")
    assert provider_states().providers == ()


def test_without_redis_it_tells_what_this_process_knows(own_redis, settings, serve, client_for):
    settings.REDIS_URL = own_redis.url
    server, source = serve(), Source()
    client_for(server, credential="before").send(pay(server), authorize=source)
    own_redis.kill()
    client_for(server, credential="after").send(pay(server), authorize=source)
    states = provider_states()
    assert states.sharing is Sharing.AWAY
    assert _soon(states.away_since, 5)
    known = {state.credential: state.token_until is not None for state in states.providers}
    assert known == {"before": True, "after": True}
    assert close_circuit("mpesa", "after") is Sharing.AWAY


def test_many_keys_of_others_do_not_hide_ours(empty_redis, serve, client_for):
    with empty_redis.client() as redis:
        redis.mset({f"other:{number}": "x" for number in range(5000)})
    server = serve()
    for number in range(3):
        client_for(server, credential=f"c{number}").send(pay(server))
    assert [state.credential for state in provider_states().providers] == ["c0", "c1", "c2"]
    assert link.sharing is Sharing.REDIS
