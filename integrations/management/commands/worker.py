"""`manage.py worker`: all durable work in one process, with no broker."""

from __future__ import annotations

import os
import signal
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.exceptions import ConfigurationError
from integrations.work import Worker, queues


class Command(BaseCommand):
    """Runs queues and periodic jobs until SIGTERM or SIGINT; a second signal exits at once."""

    help = "Runs every queue of durable work and the periodic jobs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`--queues` names some queues; `--once` exits when nothing is due any more."""
        parser.add_argument("--queues", default="", help="Comma-separated names (default: all).")
        parser.add_argument("--once", action="store_true", help="Exit when nothing is due.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the worker; CommandError for an unknown queue."""
        names = [name.strip() for name in options["queues"].split(",") if name.strip()]
        names = names or [queue.name for queue in queues()]
        try:
            worker = Worker(names)
        except ConfigurationError as error:
            raise CommandError(error.message) from None
        self.stdout.write(f"Worker {os.getpid()}: {', '.join(names) or 'no queues'}")
        self.stdout.flush()
        if options["once"]:
            worker.run_once()
            return
        _stop_on_signals(worker)
        worker.run()


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
