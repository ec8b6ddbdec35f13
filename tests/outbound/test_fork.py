"""After a fork, in a process of its own: nothing of the parent's connections is used."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.outbound.servers import answer

SCRIPT = """
import os, sys, threading
import django
django.setup()
from django.conf import settings
from django.db import connections
from integrations.crypto.keyring import EnvironmentOnly, keyring
from integrations.outbound import Call, Client, provider_states
from integrations.outbound import gate, pool, recorder, resolver
from integrations.outbound.breaker import Verdict
from integrations.outbound.redis_link import link
from integrations.outbound.tokens import tokens

keyring.use(EnvironmentOnly())
place = sys.argv[1]
settings.OUTBOUND_ALLOWED_HOSTS = [place]
settings.REDIS_URL = ""
client = Client("mpesa", credential="c", hosts=frozenset({place}))

def send(who):
    call = Call("q", "POST", f"http://{place}/{who}", json={}, retry=1)
    return client.send(call, authorize=lambda deadline: ("t", 3599)).status

assert send("parent") == 200
for _ in range(5):
    ticket = gate.gate.admit(("mpesa", "elsewhere"), max_wait=0)
    gate.gate.report(ticket, Verdict.FAILED)
recorder._pending.rows.append("a row of the parent")

# The worst moment: other threads hold every lock.
held = [gate.local._lock, link._lock, pool.sessions._lock, tokens._guard]
held += [flight.lock for flight in tokens._flights.values()]
for lock in held:
    lock.acquire()
while resolver._slots.acquire(blocking=False):
    pass
connections.close_all()
child = os.fork()
if child == 0:
    tokens._held.clear()
    ok = send("child") == 200 and send("child") == 200
    ok = ok and [state.credential for state in provider_states().providers] == ["c"]
    os._exit(0 if ok and not recorder._pending.rows else 1)
_, status = os.waitpid(child, 0)
for lock in held:
    lock.release()
assert os.waitstatus_to_exitcode(status) == 0, status
assert send("parent") == 200
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_uses_no_connection_and_no_lock_of_its_parent(serve):
    def tell(handler, request):
        answer(200, b"{}")(handler, request)
        seen.append((request.path, handler.client_address[1]))

    seen: list[tuple[str, int]] = []
    server = serve(tell)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, server.place],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    parent = {port for path, port in seen if path == "/parent"}
    child = {port for path, port in seen if path == "/child"}
    assert (len(parent), len(child)) == (1, 1)
    assert parent.isdisjoint(child)
    assert (len(server.requests), server.connections) == (4, 2)
