"""A rotation while other processes read and write, and while its own command is killed."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from cryptography.fernet import Fernet

from integrations.config import rotation as rotations
from integrations.config.key_row import open_keys, stored_keys
from integrations.crypto import keyring
from integrations.models import AuditEntry, KeyRotation, MpesaSettings, RotationStage
from tests.conftest import wait_until
from tests.crypto.app.models import Note
from tests.processes import ROOT, child_environment

pytestmark = pytest.mark.django_db(transaction=True)
ROWS = 1500
STAMP = "0.2"


@pytest.fixture
def stock() -> None:
    MpesaSettings.objects.create(
        consumer_key="the consumer_key", consumer_secret="the consumer_secret", passkey="passkey 0"
    )
    Note.objects.bulk_create([Note(title=str(n), secret=f"note {n}") for n in range(ROWS)])


def child(*arguments: str, **pipes: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=child_environment(
            DJANGO_SETTINGS_MODULE="tests.settings",
            INTEGRATIONS_STAMP_SECONDS=STAMP,
            # A killed command's claim ends soon, so that the next one goes on.
            INTEGRATIONS_LEASE_SECONDS="2",
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **pipes,
    )


@contextmanager
def traffic(*roles: str) -> Iterator[list[dict[str, object]]]:
    """Processes that read and write; their reports are in the list after the block."""
    reports: list[dict[str, object]] = []
    running = [
        child("-m", "tests.config.rotation.traffic", role, stdin=subprocess.PIPE) for role in roles
    ]
    try:
        for process in running:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        yield reports
        for process in running:
            out, err = process.communicate("stop\n", timeout=60)
            assert process.returncode == 0, err[-2000:]
            reports.append(json.loads(out))
    finally:
        for process in running:
            process.kill()
            process.wait()


def rotate(*options: str) -> subprocess.Popen[str]:
    return child("manage.py", "rotate_encryption_key", "--batch-size", "50", *options)


def finish(command: subprocess.Popen[str]) -> str:
    out, err = command.communicate(timeout=120)
    assert command.returncode == 0, f"{out}\n{err[-2000:]}"
    return out


def test_nobody_meets_an_unreadable_secret_while_the_key_is_replaced_and_retired(
    stock: None,
) -> None:
    # Into the key row first: the key that is replaced then is one that no process keeps.
    finish(rotate("--into-database"))
    finish(rotate("--retire"))
    (old,) = open_keys(stored_keys())
    with traffic("reader", "writer", "writer") as reports:
        told = finish(rotate()) + finish(rotate("--retire"))
    assert [report["errors"] for report in reports] == [[], [], []]
    done = {kind for report in reports for kind in report["seen"]}  # type: ignore[attr-defined]
    everything = {"config", "read", "added", "written", "saved", "held"}
    assert done == everything, "every kind of traffic happened"
    assert "/s)" in told, "the throughput is printed"
    last = rotations.last_rotation()
    assert last is not None and (last.stage, last.unreadable) == (RotationStage.RETIRED, 0)
    # The new key alone opens everything that is there now, and the old one nothing.
    (new,) = open_keys(stored_keys())
    assert old not in rotations.present_keys()
    found = rotations.survey_all([new])
    assert {count.total - count.first for count in found.values()} == {0}
    assert Note.objects.count() > ROWS
    for note in Note.objects.order_by("pk")[:ROWS]:
        assert Fernet(new).decrypt(note.secret.token).decode() == f"note {note.title}"


def has_come_to(stage: RotationStage) -> bool:
    rotation = rotations.last_rotation()
    # In the middle of a pass, not at its beginning.
    is_far = stage != RotationStage.REENCRYPTING or (rotation and rotation.changed > 0)
    return bool(rotation and rotation.stage == stage and is_far)


def test_a_command_killed_at_every_stage_is_gone_on_with(stock: None) -> None:
    dice = random.Random(20261127)
    with traffic("reader", "writer") as reports:
        for stage in (
            RotationStage.ANNOUNCED,
            RotationStage.PROMOTED,
            RotationStage.REENCRYPTING,
        ):
            command = rotate("--into-database")
            wait_until(lambda stage=stage: has_come_to(stage), 60)  # type: ignore[misc]
            time.sleep(dice.uniform(0, 0.05))
            command.kill()
            command.communicate()
        command = rotate("--into-database")
        out = finish(command)
    assert "Going on with the rotation begun at" in out
    assert [report["errors"] for report in reports] == [[], []]
    rotation = KeyRotation.objects.get()
    assert (rotation.stage, rotation.unreadable) == (RotationStage.VERIFIED, 0)
    # One new key came of it all, however often it was begun.
    assert len(open_keys(stored_keys())) == 2
    assert AuditEntry.objects.filter(action="encryption_key.announced").count() == 1
    keyring.forget()
    for note in Note.objects.order_by("pk")[:ROWS]:
        assert note.secret.reveal() == f"note {note.title}"
