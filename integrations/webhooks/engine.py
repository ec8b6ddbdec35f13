"""The courier at work in one process: lookups, transfers, and what becomes of each."""

from __future__ import annotations

import logging
import os
import time

import pycurl

from integrations.models import AttemptOutcome
from integrations.webhooks import outcomes
from integrations.webhooks.handles import Handle, Trip
from integrations.webhooks.lookups import Answer, Lookups, Name
from integrations.webhooks.parcels import Parcel, Reply
from integrations.webhooks.reactor import Reactor
from integrations.webhooks.targets import NOT_ALLOWED, Refusal, Target, Targets
from integrations.webhooks.versions import Versions

logger = logging.getLogger("integrations.webhooks")
# Handles that are kept for the next transfer; more exist while more are under way.
_SPARE = 1000
# Seconds between two looks for names that take too long.
_PATIENCE = 0.1
_NO_NAME = Refusal(AttemptOutcome.DNS, "The host's name was not found.")
_SLOW_NAME = Refusal(AttemptOutcome.DNS, "The host's name was not found in time.")
_UNFIT = Refusal(AttemptOutcome.CONFIGURATION, "The request's headers or body can't be sent.")
_NO_SOCKET = Refusal(AttemptOutcome.CONNECT, "The hub had no connection to spare.")
_FAULT = Refusal(AttemptOutcome.CONNECT, "The hub failed to connect; its operator can tell why.")


class Engine:
    """What belongs to one process: connections, lookups, transfers under way.

    `done` holds the replies that wait to be collected; `in_flight` counts them too.
    """

    def __init__(self, ca_file: str, keep: int) -> None:
        self.pid = os.getpid()
        self.reactor = Reactor(keep)
        self.done: list[Reply] = []
        self.in_flight = 0
        self.is_woken = False
        self._ca_file = ca_file
        self._lookups = Lookups(self.reactor.ring)
        self._versions = Versions()
        self._targets = Targets()
        self._spare: list[Handle] = []
        self._waiting: dict[Name, list[Trip]] = {}

    def send(self, parcel: Parcel) -> None:
        """Begin a transfer, or put its refusal into `done`."""
        self.in_flight += 1
        now, now_at = time.monotonic(), time.time()
        target = self._targets.find(parcel.url)
        if isinstance(target, Refusal):
            self._refuse(parcel, target, now, now_at)
        elif not _are_sound(parcel.headers):
            self._refuse(parcel, _UNFIT, now, now_at)
        elif target.is_literal:
            self._launch(Trip(parcel, target, now, now_at), None)
        else:
            self._resolve(Trip(parcel, target, now, now_at))

    def _resolve(self, trip: Trip) -> None:
        name = (trip.target.host, trip.target.port)
        answer = self._lookups.get(name)
        if answer is None:
            self._waiting.setdefault(name, []).append(trip)
        else:
            self._launch(trip, answer)

    def _refuse(self, parcel: Parcel, why: Refusal, started: float, started_at: float) -> None:
        seconds = time.monotonic() - started
        reply = Reply(parcel, why.outcome, None, why.reason, {}, b"", 0, started_at, seconds)
        self.done.append(reply)

    def _turn_back(self, trip: Trip, why: Refusal) -> None:
        self._refuse(trip.parcel, why, trip.started, trip.started_at)

    def _launch(self, trip: Trip, answer: Answer | None) -> None:
        if answer is not None and not answer.addresses:
            return self._turn_back(trip, _NO_NAME)
        if answer is not None and answer.forbidden and not trip.target.is_exempt:
            logger.warning(
                "webhook to %s not sent: %s is forbidden", trip.target.place, answer.forbidden
            )
            return self._turn_back(trip, NOT_ALLOWED)
        handle = self._handle(trip.parcel)
        try:
            if trip.parcel.certificate is not None:
                handle.identify(trip.parcel.certificate, trip.parcel.private_key or b"")
            handle.load(trip)
            self._versions.choose(handle)
            if answer is not None:
                handle.tell(answer)
        except (pycurl.error, TypeError, ValueError) as error:
            # Without the error's text, which may quote a header.
            logger.error("webhook to %s not sent: %s", trip.target.place, type(error).__name__)
            handle.close()
            return self._turn_back(trip, _UNFIT)
        self.reactor.start(handle)
        return None

    def _handle(self, parcel: Parcel) -> Handle:
        if parcel.certificate is not None:
            return Handle(self._ca_file, is_single=True)
        return self._spare.pop() if self._spare else Handle(self._ca_file)

    def run(self, seconds: float) -> None:
        """Move everything on, waiting at most so long; what ended is in `done`.

        Raises what a signal's handler raised while libcurl called us.
        """
        if self._waiting:
            self._read_answers()
            seconds = 0.0 if self.done else min(seconds, _PATIENCE)
        fault: BaseException | None = None
        for handle, code, text in self.reactor.run(seconds):
            if handle.fault is not None and not isinstance(handle.fault, Exception):
                fault = handle.fault
            self.done.append(self._reply(handle, code, text))
            self._put_back(handle)
        if fault is not None:
            raise fault

    def _read_answers(self) -> None:
        for name, answer in self._lookups.news():
            for trip in self._waiting.pop(name, ()):
                self._launch(trip, answer)
        now = time.monotonic()
        for name, trips in list(self._waiting.items()):
            late = [trip for trip in trips if trip.name_by <= now]
            if late:
                self._waiting[name] = [trip for trip in trips if trip.name_by > now]
                for trip in late:
                    self._turn_back(trip, _SLOW_NAME)
            if not self._waiting[name]:
                del self._waiting[name]

    def _reply(self, handle: Handle, code: int, text: str) -> Reply:
        trip, status = handle.trip, outcomes.final_status(handle)
        headers: dict[str, str] = {}
        if status is not None:
            headers = outcomes.parse_headers(handle.lines)
            outcome, error = outcomes.with_status(handle, status, code, headers)
        elif handle.fault is not None:
            outcome, error = _own_fault(trip.target, handle.fault)
        else:
            outcome, error = outcomes.without_status(handle, code, text)
        if trip.target.is_tls:
            self._versions.learn(handle, is_silent=outcome == AttemptOutcome.TIMEOUT)
        return Reply(
            trip.parcel,
            outcome,
            status,
            error,
            headers,
            b"".join(handle.chunks),
            handle.received,
            trip.started_at,
            time.monotonic() - trip.started,
        )

    def _put_back(self, handle: Handle) -> None:
        if handle.is_single or handle.fault is not None or len(self._spare) >= _SPARE:
            handle.close()
        else:
            handle.release()
            self._spare.append(handle)

    def close(self) -> None:
        """Break off everything and close every connection."""
        self.reactor.close()
        for handle in self._spare:
            handle.close()
        self._spare.clear()
        self._waiting.clear()


def _own_fault(target: Target, fault: BaseException) -> tuple[AttemptOutcome, str]:
    logger.error("webhook to %s failed in the hub", target.place, exc_info=fault)
    refusal = _NO_SOCKET if isinstance(fault, OSError) else _FAULT
    return refusal.outcome, refusal.reason


def _are_sound(headers: list[str]) -> bool:
    """No header smuggles in another one."""
    joined = "".join(headers)
    return "\r" not in joined and "\n" not in joined and "\0" not in joined
