"""From the last disaster to the verdict about invoices."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

from django.db import connections
from django.db.models import Q, QuerySet

from integrations.kra.outbox import holds
from integrations.models import DomainEvent, KRABranch, KRAInvoice
from integrations.work.clock import later
from tests.chaos.kra_installation import PIN, KraInstallation
from tests.chaos.kra_judge import half_told, kra_disagreements

SETTLE_SECONDS = 150.0
QUIET_LOOKS = 3


def under_way() -> QuerySet[KRAInvoice]:
    """Invoices that something is still going to happen to."""
    waiting = Q(state__in=["queued", "sending", "in_doubt"])
    return KRAInvoice.objects.filter(waiting | Q(state="registered", attention=""))


def let_invoices_pass(seconds: float = SETTLE_SECONDS) -> None:
    """Until all have come to their end, or the time is up: the judge sees what is left.

    Pauses between two looks are passed by moving rows' times back. Leases end by themselves.
    """
    end = time.monotonic() + seconds
    quiet = 0
    while quiet < QUIET_LOOKS and time.monotonic() < end:
        connections.close_all()
        type_keys_again()
        told = DomainEvent.objects.exclude(work_state="done")
        quiet = 0 if under_way().exists() or told.exists() else quiet + 1
        hurry()
        time.sleep(0.2)


def type_keys_again() -> None:
    """What a person does where KRA refused the app's keys: nothing else tries them again."""
    for unit in KRABranch.objects.filter(held_code=holds.CREDENTIALS):
        holds.release(unit, text="The keys were looked at.")


def hurry() -> None:
    """What waits for its time is due now."""
    rows = KRAInvoice.objects.filter(work_state="due", next_attempt_at__gt=later(0))
    rows.update(next_attempt_at=later(-1))


def judge_kra(
    installation: KraInstallation, handed_in: Iterable[str], *, seconds: float = SETTLE_SECONDS
) -> list[str]:
    """Let everything come to its end, then compare; disagreements in words."""
    began = time.monotonic()
    let_invoices_pass(seconds)
    print(f"all at an end after {time.monotonic() - began:.1f} s")
    connections.close_all()
    handed_in, found = list(handed_in), []
    for branch in KRABranch.objects.order_by("bhf_id"):
        code = branch.bhf_id
        told = installation.sandbox.get(f"kra/bodies?tin={PIN}&branch={code}")
        found += kra_disagreements(
            installation.sandbox.kra_unit(branch=code),
            branch.invoices.select_related("original").order_by("pk"),
            told["bodies"],
            [name for name in handed_in if f"-{code}-" in name],
            last_number=branch.last_invoice_number,
        )
    states = Counter(KRAInvoice.objects.values_list("state", flat=True))
    again = Counter(KRAInvoice.objects.filter(times_sent__gt=1).values_list("state", flat=True))
    print(f"{len(handed_in)} handed in; {dict(states)}; sent more than once {dict(again)}")
    found += half_told()
    for each in found[:20]:
        print(each)
    return found
