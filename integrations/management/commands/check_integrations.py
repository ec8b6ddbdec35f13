"""`manage.py check_integrations mpesa`: which part of a configuration is wrong, line by line."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError

from integrations.exceptions import IntegrationError
from integrations.health import preflight
from integrations.health.preflight import Finding, Level, Subject


class Command(BaseCommand):
    """Prints OK, WARNING or ERROR for each field; exits 1 where there is an error."""

    help = "Says which part of an integration's settings is wrong. Moves no money."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("integration", choices=sorted(preflight.CHECKS))
        parser.add_argument("--business", default=None, help="Only its settings (default: all).")
        parser.add_argument(
            "--short-code", "--branch", dest="account", default="",
            help="Only this account of the business: a short code, or KRA's branch.",
        )  # fmt: skip
        parser.add_argument("--offline", action="store_true", help="Ask nobody.")
        parser.add_argument(
            "--wait",
            type=float,
            default=20.0,
            help="Seconds to wait for a later answer.",
        )
        parser.add_argument("--json", action="store_true", help="For programs: one JSON list.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Check; CommandError for settings that don't exist, exit code 1 for errors."""
        try:
            subjects = preflight.subjects(
                options["integration"], options["business"], options["account"]
            )
        except IntegrationError as error:
            raise CommandError(f"{error.message} See {error.help_url}") from None
        except DatabaseError:
            raise CommandError("The database does not answer, or lacks migrations.") from None
        told = [(subject, self._look(subject, options)) for subject in subjects]
        if options["json"]:
            lines = [_entry(subject, each) for subject, found in told for each in found]
            self.stdout.write(json.dumps(lines, indent=2))
        else:
            for subject, found in told:
                self._print(subject, found)
        if any(each.level is Level.ERROR for _subject, found in told for each in found):
            raise SystemExit(1)

    @staticmethod
    def _look(subject: Subject, options: dict[str, Any]) -> list[Finding]:
        return preflight.examine(
            subject.config, subject.row, is_online=not options["offline"],
            wait_seconds=options["wait"],
        )  # fmt: skip

    def _print(self, subject: Subject, found: list[Finding]) -> None:
        self.stdout.write(_title(subject))
        styles = {Level.WARNING: self.style.WARNING, Level.ERROR: self.style.ERROR}
        for each in found:
            self.stdout.write(styles.get(each.level, str)(f"  {each.line}"))
        self.stdout.write(f"  {preflight.summary(found)}")


def _title(subject: Subject) -> str:
    config = subject.config
    owner = config.business or "installation"
    return f"{config.label} {subject.account or '-'} ({owner}, {config.environment})"


def _entry(subject: Subject, each: Finding) -> dict[str, str]:
    return {
        "business": subject.config.business,
        subject.account_field or "account": subject.account,
        "environment": subject.config.environment,
        "level": each.level.value,
        "field": each.field,
        "reason": each.reason,
        "action": each.action,
    }
