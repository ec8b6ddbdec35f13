"""Workers killed at random points while they send payments; the emulator's book is the judge."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from typing import Any

from integrations.models import MpesaSettings, Payment
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.processes import ROOT, child_environment
from tests.sandbox.driver import SandboxDriver

PAYMENTS = 500 if os.environ.get("CHAOS_FULL") else 50


def start_worker(sandbox: SandboxDriver, public_url: str) -> subprocess.Popen[bytes]:
    environment = child_environment(
        PUBLIC_BASE_URL=public_url, OUTBOUND_ALLOWED_HOSTS=sandbox.base_url.removeprefix("http://")
    )
    return subprocess.Popen(
        [sys.executable, "manage.py", "worker", "--skip-checks"],
        cwd=ROOT,
        env={**environment, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def wait_for_start(worker: subprocess.Popen[bytes]) -> None:
    assert worker.stdout is not None
    assert worker.stdout.readline().startswith(b"Worker "), "the worker did not start"


def in_play() -> int:
    """Payments that are neither settled nor waiting for a person or a callback."""
    return Payment.objects.filter(state__in=["created", "sending", "pending"]).count()


def test_killed_workers_prompt_nobody_twice_and_lose_no_payment(
    mpesa: MpesaSettings, sandbox: SandboxDriver, public_url: str, settings: Any
) -> None:
    # The answer of every tenth push is lost after acceptance.
    sandbox.fault("lose_answer", operation="stk_push", times=PAYMENTS // 10)
    # Slow answers, so that kills fall between acceptance and our knowing of it.
    sandbox.fault("slow", operation="stk_push", seconds=0.15, times=None)
    for number in range(PAYMENTS):
        success, message, _ = MpesaPaymentService.enqueue_stk_push(
            f"2547{number:08d}", 100 + number % 7, f"CHAOS{number}"
        )
        assert success, message
    dice = random.Random(20261123)
    kills, deadline = 0, time.monotonic() + 240
    while in_play() and time.monotonic() < deadline:
        worker = start_worker(sandbox, public_url)
        try:
            wait_for_start(worker)
            # While there is much to do, die in the middle of it; at the end, let it finish.
            if Payment.objects.filter(state="created").exists():
                time.sleep(dice.uniform(0.02, 0.4))
                kills += 1
            else:
                end = time.monotonic() + 20
                while in_play() and time.monotonic() < end:
                    time.sleep(0.05)
        finally:
            worker.kill()
            worker.communicate()
    sandbox.settle(30)
    finisher = start_worker(sandbox, public_url)
    try:
        end = time.monotonic() + 30
        while disagreements(sandbox) and time.monotonic() < end:
            time.sleep(0.1)
    finally:
        finisher.terminate()
        finisher.communicate(timeout=20)
    assert kills >= 1
    assert disagreements(sandbox) == []


def disagreements(sandbox: SandboxDriver) -> list[str]:
    """Where the ledger and the emulator's book differ, in words."""
    prompts = sandbox.prompts()
    found = [
        f"{reference} was prompted {times} times"
        for reference, times in Counter(prompt["reference"] for prompt in prompts).items()
        if times > 1
    ]
    by_reference = {prompt["reference"]: prompt for prompt in prompts}
    for payment in Payment.objects.all():
        prompt = by_reference.get(payment.account_reference)
        if prompt is None and payment.state != "unknown":
            found.append(f"{payment.account_reference} is {payment.state} but was never prompted")
        if prompt and (payment.state, payment.receipt) != ("succeeded", prompt["receipt"]):
            found.append(f"{payment.account_reference} is {payment.state}, the book says paid")
    if Payment.objects.count() != PAYMENTS:
        found.append("a payment is missing")
    return found
