"""Pay a CSV file out: check it, store it as one, and let the workers send its rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations.payments.batches.open import CONFIRMABLE
from integrations.payments.mpesa_payment import MpesaPaymentService
from integrations.providers.mpesa.payloads import PayoutCommand

SHOWN = 20


class Command(BaseCommand):
    """`manage.py pay_out_file salaries.csv --name "Salaries May" --key salaries-2026-05`."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        """Arguments as `MpesaPaymentService.pay_out_file`."""
        parser.add_argument("file", type=Path, help="CSV with phone, amount, reference")
        parser.add_argument("--name", default="", help="what it is, for people")
        parser.add_argument("--command", default=PayoutCommand.BUSINESS.value,
                            choices=[c.value for c in PayoutCommand])  # fmt: skip
        parser.add_argument("--remarks", default="Payout", help="for rows without their own")
        parser.add_argument("--business", default="", help="the ERP's key of the business")
        parser.add_argument("--short-code", default="", help="which of its accounts pays")
        parser.add_argument("--key", default=None, help="idempotency key: one file for one key")
        parser.add_argument("--user", default="", help="who asks, by username")
        parser.add_argument("--confirm", action="append", default=[], choices=CONFIRMABLE,
                            help="what was pointed out, and looked at")  # fmt: skip

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print the file's id and state; CommandError with every fault where it is refused."""
        user = _user(options["user"]) if options["user"] else None
        try:
            file = options["file"].open("rb")
        except OSError as error:
            raise CommandError(f"{options['file']} can't be read: {error.strerror}.") from None
        with file:
            success, text, data = MpesaPaymentService.pay_out_file(
                file, name=options["name"], command=options["command"],
                remarks=options["remarks"], business=options["business"],
                short_code=options["short_code"], idempotency_key=options["key"],
                requested_by=user, confirm=options["confirm"],
            )  # fmt: skip
        found = data or {}
        if not success:
            raise CommandError("\n".join([text or "", *_lines(found)]))
        total = f"{found['currency']} {found['total']}"
        again = " It was given before; nothing new was stored." if found["repeated"] else ""
        self.stdout.write(
            f"{text}: {found['batch_id']}, {found['count']} payouts, {total}, "
            f"{found['state']}.{again}"
        )


def _lines(found: dict[str, Any]) -> list[str]:
    errors = found.get("errors", [])
    lines = [f"line {each['line']}, {each['field']}: {each['reason']}" for each in errors[:SHOWN]]
    if found.get("error_count", 0) > len(lines):
        lines.append(f"and {found['error_count'] - len(lines)} more")
    lines += [f"--confirm {each['name']}: {each['text']}" for each in found.get("findings", [])]
    return lines


def _user(name: str) -> Any:
    model = get_user_model()
    user = model._default_manager.filter(**{model.USERNAME_FIELD: name}).first()
    if user is None:
        raise CommandError(f"There is no user {name}.")
    return user
