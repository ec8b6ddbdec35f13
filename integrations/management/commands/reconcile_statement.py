"""`manage.py reconcile_statement`: import an organisation statement and compare it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.payments.mpesa_payment import MpesaPaymentService


class Command(BaseCommand):
    """As the service, with the counts and every bad line in words."""

    help = "Compares an M-Pesa statement (CSV) with the ledger."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("file", help="the CSV export of the organisation portal")
        parser.add_argument("--business", default="")
        parser.add_argument("--short-code", default="", help="empty: the main one")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Compare; exits 1 with the reasons when the file was refused."""
        success, message, data = MpesaPaymentService.reconcile_statement(
            options["file"], business=options["business"], short_code=options["short_code"]
        )
        found = data or {}
        if not success:
            for fault in found.get("faults", []):
                self.stderr.write(f"Line {fault['line']}: {fault['reason']}.")
            raise CommandError(str(message))
        for name in ("statement_id", "lines", "matched", "missing_here", "missing_there",
                     "amount_differs", "state_differs", "settled", "open"):  # fmt: skip
            self.stdout.write(f"{name.replace('_', ' ')}: {found[name]}")
        if found["repeated"]:
            self.stdout.write("This file was imported before; these are its counts.")
