"""One transfer at a time on a reusable libcurl handle, with the guard at the opening of sockets."""

from __future__ import annotations

import logging
import os
import socket
import time
from dataclasses import dataclass
from typing import Any

import pycurl

from integrations.outbound.guard import is_forbidden
from integrations.webhooks.lookups import Answer
from integrations.webhooks.parcels import KEPT_BODY, KEPT_HEAD, Parcel
from integrations.webhooks.targets import Target

logger = logging.getLogger("integrations.webhooks")
_OWN_HEADERS = ["Accept: */*", "Accept-Encoding: identity", "Expect:"]
# Seconds: addresses are renewed long before (lookups.py); an idle connection is used that long
# (receivers close theirs after five and more), any connection at most that long, since hosts move.
_ADDRESSES = 3600
_IDLE = 60
_LIFETIME = 600


class _Loan:
    """A descriptor for pycurl, which makes its own copy of it."""

    __slots__ = ("_fd",)

    def __init__(self, opened: socket.socket) -> None:
        self._fd = opened.detach()

    def fileno(self) -> int:
        """The descriptor."""
        return self._fd

    def __del__(self) -> None:
        os.close(self._fd)


def open_socket(address: Any) -> _Loan:
    """A socket for an address that the guard has let pass; libcurl connects it."""
    return _Loan(socket.socket(address.family, address.socktype, address.protocol))


@dataclass(slots=True)
class Trip:
    """A parcel under way: where it goes, and since when (monotonic, and Unix time)."""

    parcel: Parcel
    target: Target
    started: float
    started_at: float

    @property
    def name_by(self) -> float:
        """By when the host's name must have been found."""
        return self.started + min(self.parcel.connect_timeout, self.parcel.timeout)


_NOBODY = Trip(Parcel(None, "", [], b"", 0.0), Target("", "", "", 0, False, False, False), 0.0, 0.0)


class Handle:
    """A libcurl handle, the parcel it carries, and what came back so far.

    `refused` and `opened` count the addresses that the guard judged during this transfer. What a
    callback raises waits in `fault`, since libcurl would swallow it.
    """

    __slots__ = (
        "_connect_ms", "_head_bytes", "_is_patient", "_told", "_total_ms", "_url", "_version",
        "chunks", "curl", "fault", "is_cut", "is_single", "lines", "opened", "received", "refused",
        "trip",
    )  # fmt: skip

    def __init__(self, ca_file: str, *, is_single: bool = False) -> None:
        self.curl: Any = pycurl.Curl()
        self.curl.handle = self
        self.is_single = is_single
        self._url = ""
        self._told: Answer | None = None
        self._total_ms = self._connect_ms = -1
        self._is_patient = False
        self._version = pycurl.CURL_HTTP_VERSION_2TLS
        self.fault: BaseException | None = None
        self._clear()
        self._prepare(ca_file)

    def _clear(self) -> None:
        self.trip = _NOBODY
        self.lines: list[bytes] = []
        self.chunks: list[bytes] = []
        self._head_bytes = self.received = self.opened = self.refused = 0
        self.is_cut = False

    def _prepare(self, ca_file: str) -> None:
        for option, value in (
            (pycurl.NOSIGNAL, 1),
            (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
            (pycurl.FOLLOWLOCATION, 0),
            (pycurl.PROXY, ""),
            (pycurl.NOPROXY, "*"),
            (pycurl.HTTP_VERSION, self._version),
            (pycurl.HTTP09_ALLOWED, 0),
            (pycurl.CAINFO, ca_file),
            (pycurl.SSL_VERIFYPEER, 1),
            (pycurl.SSL_VERIFYHOST, 2),
            (pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2),
            (pycurl.DNS_CACHE_TIMEOUT, _ADDRESSES),
            (pycurl.MAXAGE_CONN, _IDLE),
            (pycurl.MAXLIFETIME_CONN, _LIFETIME),
            (pycurl.OPENSOCKETFUNCTION, self._open),
            (pycurl.HEADERFUNCTION, self._head),
            (pycurl.WRITEFUNCTION, self._body),
        ):
            self.curl.setopt(option, value)

    def load(self, trip: Trip) -> None:
        """Make ready to send.

        Raises pycurl.error, TypeError, ValueError for what libcurl can't send.
        """
        curl, parcel, url = self.curl, trip.parcel, trip.target.url
        if url != self._url:
            curl.setopt(pycurl.URL, url)
            self._url = url
        curl.setopt(pycurl.HTTPHEADER, parcel.headers + _OWN_HEADERS)
        curl.setopt(pycurl.POSTFIELDS, parcel.body)
        # Unchanged is the rule, but for those that waited for a name.
        total = max(round((trip.started + parcel.timeout - time.monotonic()) * 1000), 1)
        if total != self._total_ms:
            curl.setopt(pycurl.TIMEOUT_MS, total)
            self._total_ms = total
        connect = max(min(round(parcel.connect_timeout * 1000), total), 1)
        if connect != self._connect_ms:
            curl.setopt(pycurl.CONNECTTIMEOUT_MS, connect)
            self._connect_ms = connect
        self._clear()
        self.trip = trip

    def tell(self, answer: Answer) -> None:
        """Give libcurl the addresses of the loaded trip's host, in place of its own lookup."""
        if answer is not self._told:
            addresses = ",".join(f"[{a}]" if ":" in a else a for a in answer.addresses)
            self.curl.setopt(pycurl.RESOLVE, [f"+{self.trip.target.place}:{addresses}"])
            self._told = answer

    def speak(self, version: int, *, is_patient: bool) -> None:
        """Choose the version of HTTP, and whether to wait for a connection that can be shared."""
        if version != self._version:
            self.curl.setopt(pycurl.HTTP_VERSION, version)
            self._version = version
        if is_patient != self._is_patient:
            self.curl.setopt(pycurl.PIPEWAIT, int(is_patient))
            self._is_patient = is_patient

    def identify(self, certificate: bytes, private_key: bytes) -> None:
        """Use a client certificate; only for handles that are used once.

        libcurl tells connections apart by the certificate. Sessions are not resumed, so nothing
        of one client's TLS is ever offered in another's name.
        """
        self.curl.setopt(pycurl.SSLCERT_BLOB, certificate)
        self.curl.setopt(pycurl.SSLKEY_BLOB, private_key)
        self.curl.setopt(pycurl.SSL_SESSIONID_CACHE, 0)

    def release(self) -> None:
        """Forget the parcel; the handle is free."""
        self._clear()

    def close(self) -> None:
        """Give the handle back to libcurl."""
        self._clear()
        self.curl.handle = None
        self.curl.close()

    # --- called by libcurl; nothing may be raised here ---------------------------------------

    def _open(self, purpose: int, address: Any) -> Any:
        try:
            return self._judge(address)
        except BaseException as error:  # noqa: BLE001
            self.fault = error
            return pycurl.SOCKET_BAD

    def _judge(self, address: Any) -> Any:
        """The guard: an open socket for the very address libcurl is about to connect to."""
        target = self.trip.target
        if address.family not in (socket.AF_INET, socket.AF_INET6):
            return pycurl.SOCKET_BAD
        where, port = address.addr[0], address.addr[1]
        if port != target.port or (not target.is_exempt and is_forbidden(where)):
            self.refused += 1
            logger.warning("webhook to %s not sent: %s:%s is forbidden", target.place, where, port)
            return pycurl.SOCKET_BAD
        self.opened += 1
        return open_socket(address)

    def _head(self, line: bytes) -> int | None:
        try:
            self._head_bytes += len(line)
            if self._head_bytes <= KEPT_HEAD:
                self.lines.append(line)
                return None
            self.is_cut = True
        except BaseException as error:  # noqa: BLE001
            self.fault = error
        return -1

    def _body(self, chunk: bytes) -> int | None:
        try:
            room = KEPT_BODY - self.received
            self.received += len(chunk)
            if len(chunk) <= room:
                self.chunks.append(chunk)
                return None
            self.chunks.append(chunk[:room])
            self.is_cut = True
        except BaseException as error:  # noqa: BLE001
            self.fault = error
        return -1
