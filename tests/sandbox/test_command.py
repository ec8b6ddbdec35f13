"""`manage.py sandbox` as a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from django.core.management import CommandError, call_command

from tests.sandbox.daraja import Shop
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.receiver import Receiver

ROOT = Path(__file__).parent.parent.parent


def start(*options: str) -> tuple[subprocess.Popen[str], str]:
    """The process and the address that it printed."""
    # No database is there at all: the sandbox must not miss it.
    environment = os.environ | {"DATABASE_URL": "sqlite:////nowhere/at/all.sqlite3"}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "sandbox", *options],
        cwd=ROOT,
        env=environment | {"DJANGO_SETTINGS_MODULE": "bengoerp.settings"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.fullmatch(
        r"Sandbox ready: M-Pesa Daraja at (http://127\.0\.0\.1:\d+)/mpesa-daraja, "
        r"KRA eTIMS and GavaConnect at \1/kra; panel at \1/\n",
        line,
    )
    if found is None:
        process.kill()
        process.wait(60)
        pytest.fail(f"It printed {line!r}.")
    return process, found.group(1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_addresses_and_ends_well_when_told_to(
    receiver: Receiver, number: signal.Signals
) -> None:
    process, url = start("--port", "0", "--speed", "0.001")
    driver = SandboxDriver(url)
    Shop(driver.daraja_url, receiver.url).push()
    driver.settle()
    assert len(receiver.received) == 1
    process.send_signal(number)
    assert process.wait(10) == 0
    with pytest.raises(requests.ConnectionError):
        driver.counters()


def test_a_killed_one_keeps_its_book(tmp_path: Path, receiver: Receiver) -> None:
    options = ("--port", "0", "--interactive", "--journal", str(tmp_path / "journal"))
    process, url = start(*options)
    driver = SandboxDriver(url)
    Shop(driver.daraja_url, receiver.url).push()
    process.kill()
    process.wait(60)
    process, url = start(*options)
    try:
        driver = SandboxDriver(url)
        driver.answer(1, "approve")
        assert driver.book()["sums"]["paid_kes"] == 150
        assert receiver.received[0].callback["ResultCode"] == 0
    finally:
        process.kill()
        process.wait(60)


@pytest.mark.parametrize("options", [("--host", "0.0.0.0"), ("--speed", "-1"), ("--port", "99999")])
def test_it_says_why_it_cannot_start(options: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match="The sandbox can't start"):
        call_command("sandbox", *options)
