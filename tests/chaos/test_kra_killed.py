"""Workers killed while invoices are signed, and KRA that fails in every way it can."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from django.db import connections

from integrations.exceptions import InvalidInput
from integrations.kra.outbox import holds
from integrations.kra.outbox.submit import submit
from integrations.models import KRABranch, KRAInvoice, KRAInvoiceEvent
from tests.chaos.conftest import Install
from tests.chaos.disasters import IS_FULL, new_seed, sized
from tests.chaos.kra_faults import plan_one, refuse_one
from tests.chaos.kra_installation import KraInstallation
from tests.chaos.kra_papers import Papers
from tests.chaos.kra_verdict import judge_kra, let_invoices_pass, type_keys_again
from tests.conftest import wait_until

WAVES = 25 if IS_FULL else 8
# Of a hundred papers: credit notes, and papers that must not be taken.
CREDITS, FLAWS = 30, 5
FAULTS = 5
# One credit note in so many is over more than there was.
OVER_CREDITS = 10
# One paper in so many is refused by KRA.
UNWANTED = 15
# Seconds that a step may take on a busy machine.
PATIENCE = 90


class Shift:
    """Hands papers in, wave by wave, and breaks something in each."""

    def __init__(self, installation: KraInstallation) -> None:
        seed = new_seed()
        print(f"CHAOS_SEED={seed}")
        self.installation, self.dice = installation, random.Random(seed)
        self.papers = Papers(self.dice)
        self.handed_in: list[str] = []
        self.refused = 0

    def wave(self, count: int) -> None:
        type_keys_again()
        self.plan_faults()
        for number in range(count):
            if number == count // 2:
                self.break_something()
                # A sandbox that was killed has forgotten them.
                self.plan_faults()
            self.hand_in(self.dice.choice(self.installation.branches))

    def plan_faults(self) -> None:
        sandbox, branches = self.installation.sandbox, self.installation.branches
        for _ in range(FAULTS):
            plan_one(sandbox, self.dice, branches)
        # It may hit the repetition of one that is in doubt, whose first copy is taken later.
        refuse_one(sandbox, self.dice.choice(branches))

    def hand_in(self, branch: str) -> None:
        lot = self.dice.randrange(100)
        if lot < FLAWS:
            self.hand_in_flawed(branch)
            return
        paper = self.papers.sale(branch)
        if lot < FLAWS + CREDITS:
            signed = KRAInvoice.objects.filter(branch__bhf_id=branch, state="signed", kind="sale")
            original = signed.order_by("?").first()
            if original is not None and not self.dice.randrange(OVER_CREDITS):
                self.hand_in_over_credit(branch, original)
                return
            if original is not None:
                paper = self.papers.credit(branch, original)
        if not self.dice.randrange(UNWANTED):
            # A true rejection, of this paper whenever it comes: its number goes to the next one.
            self.installation.sandbox.kra("refuse", trader_number=paper["invoice_number"])
        try:
            submit(paper, branch=branch)
        except InvalidInput as error:
            # All of it was credited before, or the piece was.
            assert "original_invoice_number" in paper, (paper, error)
            assert error.code == "over_credit", (paper, error)
            return
        self.handed_in.append(paper["invoice_number"])

    def hand_in_flawed(self, branch: str) -> None:
        paper, field = self.papers.flawed(branch)
        with pytest.raises(InvalidInput) as caught:
            submit(paper, branch=branch)
        assert caught.value.field == field, (paper, caught.value)
        self.refused += 1

    def hand_in_over_credit(self, branch: str, original: KRAInvoice) -> None:
        paper = self.papers.over_credit(branch, original)
        with pytest.raises(InvalidInput) as caught:
            submit(paper, branch=branch)
        assert caught.value.code == "over_credit", (paper, caught.value)
        self.refused += 1

    def break_something(self) -> None:
        installation, dice = self.installation, self.dice
        kind = dice.choice(["worker", "worker-2", "sandbox", "outage", "line", "tokens", ""])
        time.sleep(dice.uniform(0.05, 0.5))
        connections.close_all()
        if kind in ("worker", "worker-2", "sandbox"):
            installation.restart(kind)
        elif kind == "outage":
            installation.sandbox.kra("outage", seconds=1)
        elif kind == "line":
            installation.sandbox.kra("line", cut=dice.random() < 0.5)
        elif kind == "tokens":
            installation.sandbox.kra("tokens")


def test_no_gap_no_double_and_both_books_are_equal(install: Install) -> None:
    """Two workers, four branches, all three ways; workers and KRA killed at random points."""
    installation = install(kind=KraInstallation)
    assert isinstance(installation, KraInstallation)
    installation.start("sandbox", "worker", "worker-2")
    shift = Shift(installation)
    for _ in range(WAVES):
        shift.wave(sized(2000) // WAVES)
    installation.sandbox.kra("line", cut=False)
    let_invoices_pass(20)
    installation.sandbox.clear_kra_faults()
    # Fresh workers hold nothing in memory, such as an open breaker, that would delay the end.
    installation.restart("worker")
    installation.restart("worker-2")
    assert judge_kra(installation, shift.handed_in) == []
    assert shift.refused
    states = set(KRAInvoice.objects.values_list("state", flat=True))
    assert {"signed", "rejected"} <= states


@pytest.mark.parametrize("branch", ["00", "01", "02"])
@pytest.mark.parametrize("moment", ["delay", "slow"])
def test_a_worker_killed_while_it_sends(install: Install, branch: str, moment: str) -> None:
    """Before KRA has taken it (it does so later), and after it has, before it answered."""
    installation = _open(install, branch)
    names: list[str] = []
    # Where the machine is busy the kill may come after the answer: then it is done once more.
    while not KRAInvoiceEvent.objects.filter(kind="sender_lost").exists():
        assert len(names) < 15, "no worker was killed while it sent"
        names += _kill_while_it_sends(installation, branch, moment, first=len(names) + 1)
        assert judge_kra(installation, names) == []
    book = installation.sandbox.kra_unit(branch=branch)["sales"]
    assert [sale["trader_number"] for sale in book] == names


def _kill_while_it_sends(
    installation: KraInstallation, branch: str, moment: str, *, first: int
) -> list[str]:
    """Three invoices, the worker killed at the first of them; their numbers."""
    sandbox = installation.sandbox
    seen = sandbox.kra_counters().get("save_sale", 0)
    taken = len(sandbox.kra_unit(branch=branch)["sales"])
    sandbox.kra_fault(moment, operation="save_sale", seconds=1.5)
    names = _hand_in(branch, 3, first=first)
    wait_until(lambda: sandbox.kra_counters().get("save_sale", 0) > seen, PATIENCE)
    if moment == "slow":
        wait_until(lambda: len(sandbox.kra_unit(branch=branch)["sales"]) > taken, PATIENCE)
    connections.close_all()
    installation.restart("worker")
    return names


def test_two_workers_on_one_branch(install: Install) -> None:
    installation = _open(install, "00", workers=("worker", "worker-2"))
    names = _hand_in("00", 30)
    assert judge_kra(installation, names) == []
    # Nothing was sent by both.
    assert not KRAInvoice.objects.filter(times_sent__gt=1).exists()


def test_a_vscu_that_says_899(install: Install) -> None:
    """What it has already is not numbered anew; its signature is for people to type in."""
    installation = _open(install, "02")
    installation.sandbox.kra_fault("lose_answer", operation="save_sale")
    names = _hand_in("02", 3)
    assert judge_kra(installation, names) == []
    refused = installation.sandbox.kra_book()["refused"]
    assert [each["code"] for each in refused] == ["899"]
    assert [each.state for each in KRAInvoice.objects.order_by("pk")] == [
        "registered", "signed", "signed",
    ]  # fmt: skip


def test_a_gap_that_kra_demands_waits_for_a_person(install: Install) -> None:
    """KRA's counter jumps: nothing is sent until somebody says which number is next."""
    installation = _open(install, "00")
    names = _hand_in("00", 1)
    let_invoices_pass(30)
    installation.sandbox.kra("numbers", next_invoice=7)
    names += _hand_in("00", 2, first=2)
    wait_until(lambda: KRABranch.objects.exclude(held_reason="").exists(), PATIENCE)
    assert len(installation.sandbox.kra_unit()["sales"]) == 1
    assert not KRAInvoice.objects.filter(number__gt=1).exists()
    holds.release(KRABranch.objects.get(), next_number=7)
    connections.close_all()
    let_invoices_pass(60)
    sales = installation.sandbox.kra_unit()["sales"]
    assert [(sale["number"], sale["trader_number"]) for sale in sales] == list(
        zip([1, 7, 8], names, strict=True)
    )
    assert set(KRAInvoice.objects.values_list("state", flat=True)) == {"signed"}


def test_the_judge_sees_a_worker_that_takes_a_fresh_number(install: Install) -> None:
    verdict = _after_a_lost_answer(install, CHAOS_SABOTAGE="fresh_number")
    assert "INV-00-00001 was signed 2 times" in verdict


def test_the_judge_acquits_the_product_in_the_same_place(install: Install) -> None:
    assert _after_a_lost_answer(install) == []


def _after_a_lost_answer(install: Install, **environment: Any) -> list[str]:
    installation = _open(install, "00", **environment)
    installation.sandbox.kra_fault("lose_answer", operation="save_sale")
    return judge_kra(installation, _hand_in("00", 2))


def _open(
    install: Install, branch: str, workers: tuple[str, ...] = ("worker",), **environment: Any
) -> KraInstallation:
    installation = install(kind=KraInstallation, branches=(branch,), **environment)
    assert isinstance(installation, KraInstallation)
    installation.start("sandbox", *workers)
    return installation


def _hand_in(branch: str, count: int, *, first: int = 1) -> list[str]:
    """Invoices one after the other; their numbers."""
    papers = Papers(random.Random(0))
    names = [f"INV-{branch}-{number:05d}" for number in range(first, first + count)]
    for name in names:
        submit({**papers.sale(branch), "invoice_number": name}, branch=branch)
    connections.close_all()
    return names
