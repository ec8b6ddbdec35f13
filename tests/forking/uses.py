"""One use of everything that keeps a connection, a lock or a thread. Runs in child processes.

`FORK_PLACE` is the listener's host:port; it answers with the port that a request came from.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends import locmem
from django.db import connection

from integrations import tasks, work
from integrations.api.recent import recent
from integrations.config import clear_cache, get_snapshot
from integrations.crypto import keyring
from integrations.outbound import Call, Client, resolver
from integrations.outbound.tokens import tokens

# Far above what any use takes, also on a slow machine.
DEADLOCK_SECONDS = 30


def use_everything(who: str) -> dict[str, Any]:
    """Use all of it in this process; what the servers call our connections, for a start.

    The cache's and the broker's servers are asked by the witness.
    """
    clear_cache()
    keyring.forget()
    get_snapshot("mpesa")
    recent._memory.tested.clear()  # and not its locks
    assert recent.get("mpesa").status["status"] == "not_configured"
    assert keyring.decrypt(keyring.encrypt(who)) == who
    tokens.reject("fork", tokens.get("fork", lambda: ("another-token", 3599)))
    caches["default"].set(f"by-{who}", who, 60)
    assert caches["default"].get(f"by-{who}") == who
    work.ring("payments")
    if settings.CELERY_BROKER_URL:
        assert tasks._bell.flush(seconds=15), "no ring left"
    return {"who": who, "pid": os.getpid(), "http": call(who), "database": backend()}


def call(who: str) -> int:
    """A call with a token through the one door; the port that it came from."""
    place = os.environ["FORK_PLACE"]
    settings.OUTBOUND_ALLOWED_HOSTS = [place]
    client = Client("mpesa", credential="fork", hosts=frozenset({place}))
    url = f"http://{place}/{who}"
    response = client.send(
        Call("q", "POST", url, json={}, retry=1), authorize=lambda deadline: ("a-token", 3599)
    )
    return int(response.json()["port"])


def backend() -> int | None:
    """PostgreSQL's own name for this connection."""
    if connection.vendor != "postgresql":
        connection.ensure_connection()
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def say(told: dict[str, Any]) -> None:
    """Tell the witness, in one line."""
    os.write(sys.stdout.fileno(), json.dumps(told).encode() + b"\n")


# --- the worst moment -----------------------------------------------------------------------

_LOCKS = (type(threading.Lock()), type(threading.RLock()), threading.Condition)


def locks_of(thing: Any, depth: int, seen: set[int]) -> Iterator[Any]:
    """Every lock that can be reached from a module or an object of ours."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, _LOCKS):
        yield thing
    # Taking the lock inside a semaphore would keep everybody from its slots, us included.
    elif depth and not isinstance(thing, threading.Semaphore):
        for value in _parts(thing):
            yield from locks_of(value, depth - 1, seen)


def _parts(thing: Any) -> list[Any]:
    if isinstance(thing, dict):
        return list(thing.values())
    if isinstance(thing, list | tuple | set | frozenset):
        return list(thing)
    if not type(thing).__module__.startswith(("integrations", "redis")):
        return []  # what others made is theirs, and mostly bound to one thread
    slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
    found = [getattr(thing, name, None) for name in slots]
    return found + list(getattr(thing, "__dict__", {}).values())


def our_locks() -> list[Any]:
    """The locks of `integrations`, and those of the cache: its pool's, or LocMem's."""
    seen: set[int] = set()
    modules = [m for name, m in sorted(sys.modules.items()) if name.startswith("integrations")]
    kept = [value for module in modules for value in vars(module).values()]
    found = [lock for value in kept for lock in locks_of(value, 5, seen)]
    client = getattr(caches["default"], "client", None)
    if client is not None:
        found += locks_of(client.get_client().connection_pool, 2, seen)
    return found + list(locmem._locks.values())


@contextmanager
def all_locks_held() -> Iterator[int]:
    """Another thread holds every lock, and every slot of the resolver, inside the block."""
    locks = our_locks()
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        # One lock may be part of several conditions, and is taken once.
        taken = [lock for lock in locks if lock.acquire(timeout=0.2)]
        slots = resolver._slots
        drained = 0
        while slots.acquire(blocking=False):
            drained += 1
        held.set()
        release.wait(60)
        for lock in taken:
            lock.release()
        slots.release(drained)

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    assert held.wait(60)
    yield len(locks)
    release.set()
    thread.join(10)


@contextmanager
def busy_threads(count: int) -> Iterator[None]:
    """Threads that use everything, again and again, inside the block."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            while not stop.is_set():
                use_everything("parent-thread")
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert not failures, failures


def limit_time(seconds: int) -> None:
    """Tell where this process is after so many seconds, and end it: it is stuck."""
    faulthandler.register(signal.SIGALRM, all_threads=True, chain=True)
    signal.alarm(seconds)


def in_child(action: Callable[[], None]) -> None:
    """Fork, act in the child, and let it end as any Python process ends."""
    child = os.fork()
    if child == 0:
        limit_time(DEADLOCK_SECONDS)
        action()
        # Through the interpreter's own shutdown, which collects what the child inherited.
        sys.exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, f"the child ended with {status}"
