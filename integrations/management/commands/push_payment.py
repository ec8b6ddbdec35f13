"""`manage.py push_payment`: one STK push from the command line, for a first try or a smoke test."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.payments.mpesa_payment import MpesaPaymentService


class Command(BaseCommand):
    """Ask a phone to pay, exactly as ERP code would."""

    help = "Sends one M-Pesa STK push and prints the answer."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("phone")
        parser.add_argument("amount", help="whole KES")
        parser.add_argument("reference", help="at most 12 characters")
        parser.add_argument("--business", default="")
        parser.add_argument("--description", default="Payment")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Send it; exits 1 with the reason when it was refused."""
        success, message, data = MpesaPaymentService.initiate_stk_push(
            options["phone"],
            options["amount"],
            options["reference"],
            options["description"],
            business=options["business"],
        )
        details = {name: value for name, value in (data or {}).items() if value not in ("", None)}
        if not success:
            raise CommandError(f"{message}  {details}")
        self.stdout.write(f"{message}  {details}")
