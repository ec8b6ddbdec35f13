"""Which version of HTTP each place is spoken to in."""

from __future__ import annotations

import time

import pycurl

from integrations.webhooks.handles import Handle

# Seconds of HTTP/1.1 after a shared connection fell silent: libcurl closes a connection that timed
# out, but not one of HTTP/2, and would put the next transfers on the same dead one.
_DISTRUST = 600.0
_KNOWN = 10_000


class Versions:
    """What this process has learnt. HTTP/2 is offered to all over TLS."""

    def __init__(self) -> None:
        self._sharing: set[str] = set()
        self._distrusted: dict[str, float] = {}

    def choose(self, handle: Handle) -> None:
        """Prepare a handle. Waiting for a connection to share pays only where one is shared."""
        target = handle.trip.target
        until = self._distrusted.get(target.place) if self._distrusted else None
        if until is not None and time.monotonic() < until:
            handle.speak(pycurl.CURL_HTTP_VERSION_1_1, is_patient=False)
        else:
            is_patient = target.place in self._sharing
            handle.speak(pycurl.CURL_HTTP_VERSION_2TLS, is_patient=is_patient)

    def learn(self, handle: Handle, *, is_silent: bool) -> None:
        """Take note of a transfer that ended; `is_silent` if it timed out without an answer."""
        place = handle.trip.target.place
        if is_silent:
            if place in self._sharing:
                self._sharing.discard(place)
                self._distrusted[place] = time.monotonic() + _DISTRUST
        elif handle.curl.getinfo(pycurl.INFO_HTTP_VERSION) == pycurl.CURL_HTTP_VERSION_2_0:
            self._sharing.add(place)
        for known in (self._sharing, self._distrusted):
            if len(known) > _KNOWN:
                known.clear()
