"""The tutorials' code, run as it is printed and in its order, against the sandbox."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import get_commands
from django.utils import timezone

from integrations.models import KRAInvoice, KRASettings, MpesaSettings, Payment
from integrations.payments.mpesa_payment import MpesaPaymentService
from integrations.sandbox import visitor
from tests.conftest import run_work
from tests.hunt.plants import planted
from tests.hunt.spool import spool
from tests.sandbox.driver import SandboxDriver

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "docs/tutorial"
FIRST = (FOLDER / "first-payment.md").read_text()
BOTH_WAYS = (FOLDER / "money-both-ways.md").read_text()
TAX = (FOLDER / "tax-from-device-to-receipt.md").read_text()
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def blocks(page: str, *kinds: str) -> list[tuple[str, str]]:
    return [(kind, text) for kind, text in BLOCK.findall(page) if kind in kinds]


def follow(page: str, meanwhile: Callable[[], None], told: pytest.CaptureFixture[str]) -> None:
    """Run the page's code; before each block, what the reader waits for happens."""
    names: dict[str, Any] = {}
    printed = blocks(page, "python", "text")
    told.readouterr()
    for kind, text in printed:
        if kind == "python":
            assert told.readouterr().out == "", "the page does not show what was printed"
            meanwhile()
            exec(text, names)
        else:
            assert told.readouterr().out == text


@pytest.mark.django_db(transaction=True)
def test_the_code_of_the_first_payment_does_what_the_page_says(
    mpesa: MpesaSettings, settle: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    # What the reader does in the panel before looking, the sandbox does by itself here.
    follow(FIRST, settle, capsys)
    assert len(blocks(FIRST, "python", "text")) >= 8
    assert [payment.account_reference for payment in Payment.objects.all()] == ["INV003"]


@pytest.mark.django_db(transaction=True)
def test_the_code_of_money_both_ways_does_what_the_page_says(
    paying: MpesaSettings, sandbox: SandboxDriver, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.initiator("174379", name="testapi", password=planted("initiator password"))
    paying.short_code, paying.approve_above = "174379", int(visitor.APPROVE_ABOVE)
    paying.save()
    MpesaPaymentService.register_c2b_urls()
    User.objects.create_superuser("admin")

    def meanwhile() -> None:
        # What was approved is sent by a worker, and only then has a result.
        for _ in range(2):
            run_work("payments")
            sandbox.settle()
            run_work()

    follow(BOTH_WAYS, meanwhile, capsys)
    assert len(blocks(BOTH_WAYS, "python", "text")) >= 40
    assert len(sandbox.book()["payouts"]) == 2


@pytest.mark.django_db(transaction=True)
def test_the_code_of_tax_does_what_the_page_says(
    kra_row: KRASettings, sandbox: SandboxDriver, capsys: pytest.CaptureFixture[str]
) -> None:
    def meanwhile() -> None:
        for _ in range(3):
            run_work("kra-writes", "kra-invoices", "events")
            KRAInvoice.objects.filter(next_attempt_at__isnull=False).update(
                next_attempt_at=timezone.now() - timedelta(hours=1)
            )
        key = KRASettings.objects.get().communication_key.reveal()
        if key:
            spool.learn("communication key", key)

    follow(TAX, meanwhile, capsys)
    meanwhile()
    assert len(blocks(TAX, "python", "text")) >= 20
    assert [sold["number"] for sold in sandbox.kra_unit()["sales"]] == [1, 2, 3]


@pytest.mark.parametrize("page", [FIRST, BOTH_WAYS, TAX], ids=["first", "both-ways", "tax"])
def test_every_printed_command_exists(page: str) -> None:
    lines = [line for _kind, text in blocks(page, "console") for line in text.splitlines()]
    targets = re.findall(r"^make ([\w-]+)", "\n".join(lines), re.M)
    assert "run" in targets
    defined = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(targets) <= defined
    commands = re.findall(r"manage\.py (\w+)", "\n".join(lines))
    assert commands
    assert set(commands) <= set(get_commands())


@pytest.mark.parametrize(
    ("page", "fields"),
    [
        (FIRST, {"Passkey", "Short code"}),
        (BOTH_WAYS, {"Initiator name", "Initiator password", "Approve above"}),
    ],
    ids=["first", "both-ways"],
)
def test_the_values_that_a_page_shows_are_the_ones_that_are_typed(
    page: str, fields: set[str]
) -> None:
    typed = visitor.typed_settings("http://127.0.0.1:1", "PEM")
    shown = dict(re.findall(r"^\| ([A-Z][\w ]+) \| `([^`]+)` \|", page, re.M))
    assert set(shown) >= fields
    for field in fields:
        assert typed[field.lower().replace(" ", "_")] == shown[field]
