"""`manage.py sandbox`: the providers' emulators on a loopback port, until stopped."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from pathlib import Path
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.sandbox.server import Sandbox


class Command(BaseCommand):
    """Serve the sandbox and its panel; needs no database."""

    help = "Serves the emulators of all providers on this machine, with a panel to play the phone."
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--port", type=int, default=8787, help="0 takes a free port")
        parser.add_argument("--host", default="127.0.0.1", help="loopback addresses only")
        parser.add_argument(
            "--speed", type=float, default=1.0, help="factor on delays, such as 0.02"
        )
        parser.add_argument("--journal", type=Path, help="file that keeps the book across a kill")
        parser.add_argument(
            "--interactive", action="store_true", help="leave prompts for a person at the panel"
        )
        parser.add_argument(
            "--deliver-outside",
            action="store_true",
            help="also send callbacks to other hosts than this machine",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Serve until SIGTERM or SIGINT; raises CommandError where it can't listen."""
        try:
            sandbox = Sandbox(
                port=options["port"],
                host=options["host"],
                speed=options["speed"],
                journal=options["journal"],
                is_interactive=options["interactive"],
                may_leave=options["deliver_outside"],
            )
        except (OSError, ValueError, OverflowError) as error:
            raise CommandError(f"The sandbox can't start: {error}") from error
        stopped = threading.Event()

        def stop(_number: int, _frame: FrameType | None) -> None:
            stopped.set()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        with sandbox:
            addresses = ", ".join(
                f"{mount.emulator.title} at {sandbox.url_of(slug)}"
                for slug, mount in sandbox.mounts.items()
            )
            self.stdout.write(f"Sandbox ready: {addresses}; panel at {sandbox.url}/")
            self.stdout.flush()
            stopped.wait()
