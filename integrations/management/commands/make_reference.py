"""`manage.py make_reference`: the generated pages of docs/reference, from the code."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.management.reference.pages import make_pages

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "reference"


class Command(BaseCommand):
    """Writes the pages whose text has changed; with --check, names them and writes nothing."""

    help = "Makes the generated pages of docs/reference from settings models, errors and events."
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`--check` fails where a page is out of date; `--folder` is another docs/reference."""
        parser.add_argument("--check", action="store_true", help="write nothing; fail if stale")
        parser.add_argument("--folder", type=Path, default=FOLDER, help="default: docs/reference")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Make them; CommandError where a page is stale or the folder is no reference."""
        folder: Path = options["folder"]
        try:
            pages = make_pages(folder)
        except FileNotFoundError as error:
            raise CommandError(f"{error.filename} is missing: run it in a checkout.") from None
        stale = [name for name, text in pages.items() if _present(folder / name) != text]
        if options["check"]:
            if stale:
                raise CommandError(f"Run make_reference: {', '.join(stale)} tell what is no more.")
            self.stdout.write(f"{len(pages)} pages are up to date.")
            return
        for name in stale:
            (folder / name).write_text(pages[name])
            self.stdout.write(f"written: {name}")


def _present(path: Path) -> str | None:
    return path.read_text() if path.exists() else None
