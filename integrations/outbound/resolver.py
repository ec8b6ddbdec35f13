"""Name lookup with a time limit, which getaddrinfo itself does not have."""

from __future__ import annotations

import os
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from integrations.exceptions import TransportError

MAX_HANGING = 32


class Address(NamedTuple):
    """One answer of a lookup, ready for socket() and connect()."""

    family: int
    kind: int
    protocol: int
    sockaddr: tuple[Any, ...]


Resolver = Callable[[str, int], list[Address]]


def system_lookup(host: str, port: int) -> list[Address]:
    """The system's answer for a TCP connection. Raises OSError; may hang for a long time."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [Address(family, kind, proto, address) for family, kind, proto, _, address in found]


_resolver: Resolver = system_lookup
# Bounds the threads that a dead name server can leave hanging.
_slots = threading.BoundedSemaphore(MAX_HANGING)


def _renew_slots() -> None:
    global _slots
    _slots = threading.BoundedSemaphore(MAX_HANGING)


os.register_at_fork(after_in_child=_renew_slots)


@contextmanager
def use_resolver(resolver: Resolver) -> Iterator[None]:
    """Look names up with `resolver` inside the block, in every thread."""
    global _resolver
    before, _resolver = _resolver, resolver
    try:
        yield
    finally:
        _resolver = before


def look_up_now(host: str, port: int) -> list[Address]:
    """What the resolver in use answers, in this thread. Raises OSError; may hang for long."""
    return _resolver(host, port)


def _failure() -> TransportError:
    return TransportError("The provider's name could not be looked up.", sent=False, code="dns")


def lookup(host: str, port: int, *, timeout: float) -> list[Address]:
    """All addresses of `host`, within `timeout` seconds.

    Raises TransportError(sent=False, code "dns") for no answer, an error or the time limit.
    """
    slots, resolve = _slots, _resolver
    answers: queue.SimpleQueue[list[Address] | None] = queue.SimpleQueue()
    if not slots.acquire(timeout=max(timeout, 0)):
        raise _failure()

    def work() -> None:
        try:
            answers.put(resolve(host, port))
        except (OSError, UnicodeError):
            answers.put(None)
        finally:
            slots.release()

    threading.Thread(target=work, name="outbound-lookup", daemon=True).start()
    try:
        found = answers.get(timeout=max(timeout, 0.001))
    except queue.Empty:
        raise _failure() from None
    if not found:
        raise _failure()
    return found
