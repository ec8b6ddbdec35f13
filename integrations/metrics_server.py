"""A port for Prometheus in processes that serve no web pages: workers."""

from __future__ import annotations

import ipaddress
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from integrations.exposition import CONTENT_TYPE, exposition, may_scrape
from integrations.logs import log_event

logger = logging.getLogger(__name__)


class _Handler(BaseHTTPRequestHandler):
    server_version, sys_version = "metrics", ""
    # A peer that says nothing must not keep a thread.
    timeout = 10

    def do_GET(self) -> None:
        """Answer /metrics to those who may read it."""
        if self.path.partition("?")[0] != "/metrics" or not self._may_scrape():
            self.send_error(404)
            return
        body = exposition()
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _may_scrape(self) -> bool:
        address = str(self.client_address[0])
        return ipaddress.ip_address(address).is_loopback or may_scrape(
            address=address, authorization=self.headers.get("Authorization", "")
        )

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing: one line a scrape tells nobody anything."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log that a scrape broke; the default prints a traceback past the log."""
        log_event(logger, logging.WARNING, "scrape_failed", exc_info=True)


def serve_metrics(port: int, *, address: str) -> ThreadingHTTPServer:
    """Serve `/metrics` from threads of this process until it ends; 0 takes any free port.

    Loopback may read it, others by METRICS_TOKEN or METRICS_ALLOWED_NETWORKS. Raises OSError for
    a port or address that can't be had.
    """
    server = _Server((address, port), _Handler)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
