"""`manage.py kra`: what an operator does for KRA at a shell."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.exceptions import IntegrationError
from integrations.kra.config import branch_text, tax_config
from integrations.kra.device import initialise_device
from integrations.kra.hosts import move_host
from integrations.models import KRASettings


class Command(BaseCommand):
    """`move-host` and `initialise`."""

    help = "Moves the secrets of KRA to a new host, and initialises control units."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One subcommand for each thing to do."""
        actions = parser.add_subparsers(dest="action", required=True)
        moved = actions.add_parser(
            "move-host", help="let the stored secrets go to another address of KRA"
        )
        moved.add_argument("--etims", default="", metavar="URL", help="where eTIMS is now")
        moved.add_argument(
            "--gavaconnect", default="", metavar="URL", help="where GavaConnect is now"
        )
        begun = actions.add_parser(
            "initialise", help="have KRA hand out the communication key, once"
        )
        begun.add_argument(
            "--again",
            action="store_true",
            help="after a refusal or a lost answer, when you know that KRA has no such device",
        )
        for each in (moved, begun):
            each.add_argument("--business", default="", help="whose settings (default: ours)")
            each.add_argument("--branch", default="", help="two digits (default: the main one)")
            each.add_argument("--yes", action="store_true", help="don't ask")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do it; CommandError for what is refused."""
        try:
            getattr(self, f"_do_{options['action'].replace('-', '_')}")(options)
        except IntegrationError as error:
            raise CommandError(f"{error.message} See {error.help_url}") from None

    def _do_move_host(self, options: dict[str, Any]) -> None:
        etims, gavaconnect = options["etims"], options["gavaconnect"]
        if not etims and not gavaconnect:
            raise CommandError("Say --etims or --gavaconnect, with the new address.")
        row = _row_of(options["business"], options["branch"])
        _ask(options, f"The secrets of {row} will go to {etims or gavaconnect}.")
        moved = move_host(row, etims=etims, gavaconnect=gavaconnect)
        self.stdout.write(f"The secrets of {moved} go to {', '.join(moved.outbound_hosts())}.")

    def _do_initialise(self, options: dict[str, Any]) -> None:
        config = tax_config(options["business"], options["branch"])
        told = f"{config.text('kra_pin')} branch {config.text('branch_code')}"
        _ask(options, f"KRA hands out the key of {told} once ({config.environment}).")
        branch = initialise_device(config, again=options["again"])
        self.stdout.write(f"{told} is initialised: control unit {branch.control_unit_id}.")


def _row_of(business: str, branch: str) -> KRASettings:
    rows = KRASettings.objects.filter(business=business)
    code = branch_text(branch)
    found = rows.filter(branch_code=code) if code else rows.filter(is_main=True)
    row: KRASettings | None = found.first()
    if row is None:
        raise CommandError("There are no KRA settings of this business and branch.")
    return row


def _ask(options: dict[str, Any], told: str) -> None:
    if options["yes"]:
        return
    if input(f"{told} Go on? [yes/no] ").strip().lower() != "yes":
        raise CommandError("Nothing was changed.")
