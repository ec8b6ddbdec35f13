"""The sandbox: every provider's emulator behind one loopback HTTP server."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from integrations.sandbox.addresses import is_loopback
from integrations.sandbox.exchange import Mount
from integrations.sandbox.handler import SandboxHandler
from integrations.sandbox.journal import Journal
from integrations.sandbox.registry import BUILDERS
from integrations.sandbox.surroundings import EmulatorSurroundings
from integrations.sandbox.timetable import Timetable


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], sandbox: Sandbox) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self.sandbox = sandbox
        self.accepted = 0
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(address, SandboxHandler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self._guard:
            self.accepted += 1
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the connections that are kept alive, so that their threads end too."""
        with self._guard:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error of the sandbox."""


class Sandbox:
    """The emulators on a loopback port, in threads of this process.

    `port` 0 takes a free one. `speed` multiplies the provider's delays: 0.001 turns 26 seconds
    into 26 milliseconds. `journal` keeps the book across a kill. `is_interactive` leaves prompts
    for a person at the panel. `may_leave` lets callbacks go to other hosts than this machine.
    Raises ValueError for a host that is not loopback.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        speed: float = 1.0,
        journal: Path | None = None,
        is_interactive: bool = False,
        may_leave: bool = False,
    ) -> None:
        if not is_loopback(host):
            raise ValueError("The sandbox listens on loopback addresses only.")
        if not 0 <= speed <= 100:
            raise ValueError("The speed is a factor from 0 to 100.")
        self._host = host
        self._stopped = threading.Event()
        self.timetable = Timetable(speed=speed)
        self._server = _Server((host, port), self)
        self._journal = Journal(journal)
        self.mounts: dict[str, Mount] = {}
        for build in BUILDERS:
            surroundings = EmulatorSurroundings(self.timetable, self._journal, may_leave=may_leave)
            emulator = build(surroundings, is_interactive)
            surroundings.slug = emulator.slug
            self.mounts[emulator.slug] = Mount(emulator, surroundings, self._stopped)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="sandbox", daemon=True
        )

    @property
    def url(self) -> str:
        """The address of the panel; control paths lie below it."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._server.server_address[1]}"

    def url_of(self, slug: str) -> str:
        """The base URL that takes the place of a provider's host, such as "mpesa-daraja"."""
        return f"{self.url}/{self.mounts[slug].emulator.slug}"

    def start(self) -> Self:
        """Take over the journal's book and begin to serve."""
        for line in self._journal.entries():
            mount = self.mounts.get(str(line.get("emulator")))
            if line.get("event") == "reset":
                for each in self.mounts.values():
                    each.emulator.reset()
            elif mount is not None:
                mount.emulator.replay(line["entry"])
        self.timetable.start()
        for mount in self.mounts.values():
            mount.emulator.resume()
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving; waiting callbacks are dropped."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self.timetable.stop()
        self._journal.close()

    def reset(self) -> None:
        """Put everything back to how it was at the first start."""
        self.timetable.clear()
        self._journal.append({"event": "reset"})
        for mount in self.mounts.values():
            mount.reset()
        self._server.accepted = 0

    def counters(self) -> dict[str, Any]:
        """Connections accepted, and each emulator's requests by operation."""
        figures: dict[str, Any] = {slug: mount.counters() for slug, mount in self.mounts.items()}
        return figures | {"connections": self._server.accepted}

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
