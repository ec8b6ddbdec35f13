"""`manage.py pull_transactions`: fetch an account's transactions from M-Pesa now."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.payments.mpesa_payment import MpesaPaymentService


class Command(BaseCommand):
    """As the service; workers do the same by themselves."""

    help = "Fetches the new M-Pesa transactions of an account and applies them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--business", default="")
        parser.add_argument("--short-code", default="", help="empty: the main one")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Fetch; exits 1 with the reason when M-Pesa could not be asked."""
        success, message, data = MpesaPaymentService.pull_transactions(
            business=options["business"], short_code=options["short_code"]
        )
        if not success:
            raise CommandError(str(message))
        found = data or {}
        self.stdout.write(f"{message} up to {found['fetched_to']}: {found['new_lines']} new.")
