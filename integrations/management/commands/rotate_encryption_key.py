"""`manage.py rotate_encryption_key`: a new key for everything stored, while serving."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from integrations import work
from integrations.config import rotation as rotations
from integrations.config.key_row import open_keys, stored_keys
from integrations.crypto.keyring import fingerprint
from integrations.crypto.keys import environment_keys
from integrations.exceptions import IntegrationError
from integrations.models import KeyRotation, RotationKind, RotationStage

# Seconds between two lines of progress, and between two looks at a worker's progress.
SAY_EVERY = 2.0
LOOK_EVERY = 0.2


class Command(BaseCommand):
    """Stages a new key, re-encrypts, verifies; retiring the old key is a step of its own."""

    help = (
        "Replaces the encryption key while everything goes on being served: announces a new key, "
        "lets it encrypt, puts everything stored under it and verifies. What was interrupted is "
        "gone on with. Retire the old key afterwards with --retire. No key is ever printed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--dry-run", action="store_true", help="say what stands, change nothing"
        )
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--verify", action="store_true", help="fail unless the first key alone opens everything"
        )
        what.add_argument(
            "--reencrypt",
            action="store_true",
            help="no new key: put everything under the first one, after CYPHER_KEY was changed",
        )
        what.add_argument(
            "--retire", action="store_true", help="remove the old keys, once nothing needs them"
        )
        what.add_argument(
            "--from-legacy",
            metavar="FILE",
            help="move away from the key that the original published; FILE holds it (- for stdin)",
        )
        parser.add_argument(
            "--despite-unreadable",
            action="store_true",
            help="with --retire: although some values open with no key",
        )
        parser.add_argument(
            "--new-key-file", metavar="FILE", help="take the new key from FILE (- for stdin)"
        )
        parser.add_argument(
            "--into-database",
            action="store_true",
            help="keep the new key in the key row although the old one lives in CYPHER_KEY",
        )
        parser.add_argument(
            "--batch-size", type=int, default=500, metavar="N", help="rows a statement (500)"
        )
        parser.add_argument(
            "--detach", action="store_true", help="start it and leave the work to the workers"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run it; CommandError says what stands in the way."""
        if not 1 <= options["batch_size"] <= 5000:
            raise CommandError("--batch-size: must be from 1 to 5000.")
        try:
            self._run(options)
        except IntegrationError as error:
            raise CommandError(f"{error.message} See {error.help_url}") from None
        except DatabaseError as error:
            raise CommandError(
                f"The database refused it ({type(error).__name__}); run the command again."
            ) from None

    def _run(self, options: dict[str, Any]) -> None:
        path = options["from_legacy"]
        legacy = _read_key(path, "--from-legacy") if path else ""
        if options["dry_run"] or options["verify"]:
            self._survey(legacy, must_be_first=options["verify"])
        elif legacy:
            batch, report = options["batch_size"], _Progress(self).report
            self._conclude(rotations.migrate_legacy(legacy, batch=batch, report=report))
        else:
            if rotations.restore_lost_key():
                self._say("A rotation's key had left the key row; it is back.")
            rotation = rotations.active_rotation()
            if rotation is None:
                rotation = self._start(options)
            else:
                self._go_on_with(rotation, options)
            if not options["detach"]:
                self._follow(rotation)

    def _go_on_with(self, rotation: KeyRotation, options: dict[str, Any]) -> None:
        """Resume; refuses options that ask for something else than what is under way."""
        if rotation.kind == RotationKind.LEGACY:
            raise CommandError("A move from the published key was interrupted: repeat it.")
        is_retiring = rotation.stage in (RotationStage.CONFIRMING, RotationStage.RETIRING)
        is_other = (
            (options["retire"] and not is_retiring)
            or (options["reencrypt"] and rotation.kind != RotationKind.ENVIRONMENT)
            or options["new_key_file"]
        )
        if is_other:
            raise CommandError(
                f"Another rotation is under way ({rotation.get_stage_display()}). Run the command "
                "without options to go on with it."
            )
        self._say(f"Going on with the rotation begun at {rotation.started_at:%F %T}.")
        rotations.resume(rotation, batch=options["batch_size"])

    def _start(self, options: dict[str, Any]) -> KeyRotation:
        batch = options["batch_size"]
        if options["reencrypt"]:
            return rotations.start_reencryption(batch=batch)
        if options["retire"]:
            return rotations.start_retiring(
                batch=batch, accept_unreadable=options["despite_unreadable"]
            )
        path = options["new_key_file"]
        return rotations.start_rotation(
            new_key=_read_key(path, "--new-key-file") if path else "",
            into_database=options["into_database"],
            batch=batch,
        )

    def _follow(self, rotation: KeyRotation) -> None:
        """Do the work, or watch the worker that has it, until it ends."""
        progress = _Progress(self)
        while True:
            work.drain(rotations.QUEUE, budget_seconds=SAY_EVERY)
            rotation.refresh_from_db()
            if not rotation.is_active:
                break
            progress.report(rotation)
            if rotation.work_state == work.WorkState.DEAD:
                raise CommandError(
                    f"Given up: {rotation.work_error} Run the command again to go on."
                )
            time.sleep(LOOK_EVERY)
        self._conclude(rotation)

    def _conclude(self, rotation: KeyRotation) -> None:
        stage = RotationStage(rotation.stage)
        rate = rotation.changed / rotation.work_seconds if rotation.work_seconds else 0
        self._say(
            f"{stage.label}. {rotation.changed:,} secrets were re-encrypted in "
            f"{rotation.work_seconds:.1f} s ({rate:,.0f}/s)."
        )
        if stage == RotationStage.ABANDONED and rotation.kind == RotationKind.DATABASE:
            raise CommandError("The new key was taken out of the key row. Nothing was changed.")
        if rotation.unreadable:
            raise CommandError(
                f"{rotation.unreadable:,} stored values open with no key and were left alone; "
                "--dry-run names their columns. Type them again, or add the key they need. "
                "--retire wants --despite-unreadable while there are any."
            )
        if stage == RotationStage.VERIFIED:
            self._say("Test the connections. Then, not before tomorrow, run it with --retire.")

    def _survey(self, legacy: str, *, must_be_first: bool) -> None:
        keys = rotations.own_keys() if legacy else rotations.present_keys()
        row = [] if legacy else open_keys(stored_keys())
        self._say(
            f"Keys: {_shown(row) or 'none'} in the key row, {_shown(environment_keys()) or 'none'}"
            f" in CYPHER_KEY. {fingerprint(keys[0])} encrypts."
        )
        found = rotations.survey_all(keys, older=[legacy] if legacy else [])
        for label, count in found.items():
            self._say(
                f"  {label}: {count.total:,} stored, {count.first:,} under the first key, "
                f"{count.older:,} under older ones, {count.unreadable:,} unreadable"
            )
        rotation = rotations.active_rotation()
        if rotation is not None:
            since = f"{rotation.started_at:%F %T}"
            self._say(f"Under way since {since}: {rotation.get_stage_display()}.")
        left = sum(count.older + count.unreadable for count in found.values())
        if must_be_first and left:
            raise CommandError(f"{left:,} stored values do not open with the first key alone.")
        if not must_be_first:
            self._say("Nothing was changed.")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


class _Progress:
    """Says the stage when it changes, the count every few seconds, and each new error once."""

    def __init__(self, command: Command) -> None:
        self._out = command.stdout
        self._stage = self._error = ""
        self._said_at = 0.0

    def report(self, rotation: KeyRotation) -> None:
        """Say what is new."""
        if rotation.stage != self._stage:
            self._stage = rotation.stage
            self._out.write(f"{rotation.get_stage_display()}.")
        if rotation.work_error != self._error:
            self._error = rotation.work_error
            self._out.write(f"  {self._error or 'At work again.'}")
        if rotation.seen and time.monotonic() - self._said_at >= SAY_EVERY:
            self._said_at = time.monotonic()
            held = f", {rotation.skipped:,} held by others" if rotation.skipped else ""
            rate = rotation.changed / (rotation.work_seconds or 1)
            self._out.write(
                f"  pass {rotation.passes}: {rotation.seen:,} of {rotation.total:,} looked at, "
                f"{rotation.changed:,} re-encrypted ({rate:,.0f}/s){held}"
            )
        self._out.flush()


def _shown(keys: list[str]) -> str:
    return ", ".join(map(fingerprint, keys))


def _read_key(path: str, option: str) -> str:
    """A key from a file: an argument would show in the list of processes."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text()
    except (OSError, UnicodeDecodeError):
        # Not the path: it might be the key itself, typed in its place.
        raise CommandError(f"{option}: the file can't be read.") from None
    if not text.strip():
        raise CommandError(f"{option}: the file is empty.")
    return text.strip()
