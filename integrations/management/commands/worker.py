"""`manage.py worker`: all durable work in one process, with no broker."""

from __future__ import annotations

import os
import signal
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.conf import hub_settings
from integrations.exceptions import ConfigurationError
from integrations.metrics_server import serve_metrics
from integrations.work import Worker, queues


class Command(BaseCommand):
    """Runs queues and periodic jobs until SIGTERM or SIGINT; a second signal exits at once."""

    help = "Runs every queue of durable work and the periodic jobs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`--queues` names some queues; `--once` exits when nothing is due any more.

        `--metrics-port` serves Prometheus; by default the setting METRICS_PORT.
        """
        parser.add_argument("--queues", default="", help="Comma-separated names (default: all).")
        parser.add_argument("--once", action="store_true", help="Exit when nothing is due.")
        parser.add_argument(
            "--metrics-port",
            type=int,
            default=None,
            help="Serve /metrics on this port of METRICS_ADDRESS (default: METRICS_PORT; 0: no).",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the worker; CommandError for an unknown queue."""
        names = [name.strip() for name in options["queues"].split(",") if name.strip()]
        names = names or [queue.name for queue in queues()]
        try:
            worker = Worker(names)
        except ConfigurationError as error:
            raise CommandError(f"{error.message} See {error.help_url}") from None
        if not options["once"]:
            self._serve_metrics(options["metrics_port"])
        self.stdout.write(f"Worker {os.getpid()}: {', '.join(names) or 'no queues'}")
        self.stdout.flush()
        if options["once"]:
            worker.run_once()
            return
        _stop_on_signals(worker)
        worker.run()

    def _serve_metrics(self, port: int | None) -> None:
        port = hub_settings.metrics_port if port is None else port
        if not port:
            return
        try:
            server = serve_metrics(port, address=hub_settings.metrics_address)
        except (OSError, OverflowError) as error:
            raise CommandError(f"Metrics can't be served on port {port}: {error}.") from None
        self.stdout.write("Metrics: http://{}:{}/metrics".format(*server.server_address[:2]))


def _stop_on_signals(worker: Worker) -> None:
    is_stopping = False

    def stop(signum: int, _frame: FrameType | None) -> None:
        nonlocal is_stopping
        if is_stopping:
            # Leases make this safe: what was in hand is due again when they end.
            os._exit(128 + signum)
        is_stopping = True
        worker.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
