#!/usr/bin/env python
"""Django's command line for BengoERP Integrations."""

from __future__ import annotations

import gc
import os
import sys

from django.core.management import BaseCommand, ManagementUtility


class CommandLine(ManagementUtility):
    """Looks for no garbage until the command begins.

    What starting loads stays loaded: to search through it again and again, and once more when the
    process ends, takes a third of a short command's time.
    """

    def execute(self) -> None:
        """Start Django and run the command."""
        gc.disable()
        super().execute()

    def fetch_command(self, subcommand: str) -> BaseCommand:
        """Called when Django is up."""
        gc.freeze()
        gc.enable()
        return super().fetch_command(subcommand)


def main() -> None:
    """Run the management command named on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bengoerp.settings")
    CommandLine(sys.argv).execute()


if __name__ == "__main__":
    main()
