"""Comparing our book of a branch with KRA's, number by number: bounded, and to be taken up again.

Only where the transport can look a number up. Nothing is changed: differences are for people.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from django.db.models import Max, Min

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput, TransportError
from integrations.kra.config import config_of
from integrations.kra.outbox.compare_found import differences, total_of
from integrations.kra.outbox.states import AT_KRA
from integrations.models import KRABranch, KRAInvoice
from integrations.providers.kra.client import EtimsClient, FoundInvoice

# Numbers looked up in one call, and its seconds: a person waits.
MOST, BUDGET_SECONDS = 200, 60.0


@dataclass(frozen=True, slots=True)
class Difference:
    """One number on which the books differ, in words. `kind`: missing_there, missing_here,
    differs, or signature (KRA's is another one)."""

    number: int
    kind: str
    words: str
    invoice_id: str = ""


@dataclass(slots=True)
class Comparison:
    """What was found. `next_number` is where to go on, None when all is compared."""

    first: int
    compared: int = 0
    agreed: int = 0
    next_number: int | None = None
    differences: list[Difference] = field(default_factory=list)


def compare_books(
    branch: KRABranch, *, first: int | None = None, last: int | None = None, most: int = MOST
) -> Comparison:
    """Compare up to `most` numbers from `first` to `last`; by default all that we know, and the
    one after, which KRA must not have.

    Go on with `first=comparison.next_number`: after `most`, after a minute, or where KRA stopped
    answering on the way. Raises InvalidInput, Unsupported where the transport can't look numbers
    up, and what the first look-up raises.
    """
    config = config_of(branch.business, branch, is_sending=False)
    lowest, highest = _range(branch)
    start, end = first or lowest, last or highest + 1
    if start < 1 or end < start or not 1 <= most <= 5000:
        raise InvalidInput("first", "must be 1 or more and not above `last`; `most` up to 5000.")
    stop = min(end, start + most - 1)
    found = Comparison(first=start)
    ours = {
        row.number: row
        for row in KRAInvoice.objects.filter(
            branch=branch, number__gte=start, number__lte=stop, state__in=AT_KRA
        )
    }
    client, over = EtimsClient(config), time.monotonic() + BUDGET_SECONDS
    for number in range(start, stop + 1):
        try:
            there = client.find_invoice(number, deadline=over)
        except TransportError:
            if number == start:
                raise
            # KRA is away, or the time is over: what was compared so far is told.
            found.next_number = number
            return found
        _compare(found, number, ours.get(number), there, config)
    found.next_number = stop + 1 if stop < end else None
    return found


def _range(branch: KRABranch) -> tuple[int, int]:
    rows = KRAInvoice.objects.filter(branch=branch, number__isnull=False)
    found = rows.aggregate(low=Min("number"), high=Max("number"))
    return found["low"] or 1, max(found["high"] or 0, branch.last_invoice_number)


def _compare(
    found: Comparison,
    number: int,
    ours: KRAInvoice | None,
    there: FoundInvoice | None,
    config: Snapshot,
) -> None:
    found.compared += 1
    difference = _difference(number, ours, there, config)
    if difference is None:
        found.agreed += 1
    else:
        found.differences.append(difference)


def _difference(
    number: int, ours: KRAInvoice | None, there: FoundInvoice | None, config: Snapshot
) -> Difference | None:
    where = f"{config.text('kra_pin')} branch {config.text('branch_code')}"
    if there is None:
        if ours is None:
            return None
        words = f"KRA has nothing under number {number} of {where}; ours is {ours.trader_number}."
        return Difference(number, "missing_there", words, str(ours.public_id))
    name = there.trader_number or "a document without a trader's number"
    if ours is None:
        words = f"KRA has {name} under number {number} of {where}, which is not in our book."
        return Difference(number, "missing_here", words)
    wrong = [key for key, agrees in differences(ours, there).items() if agrees is False]
    if wrong:
        words = (
            f"Number {number}: ours is {ours.trader_number} with {total_of(ours):,.2f}, KRA's is "
            f"{name} with {there.total or 0:,.2f} ({', '.join(wrong).replace('_', ' ')})."
        )
        return Difference(number, "differs", words, str(ours.public_id))
    theirs = there.receipt.signature if there.receipt else ""
    if ours.signature and theirs and theirs != ours.signature:
        words = f"Number {number}: KRA shows another signature for {ours.trader_number}."
        return Difference(number, "signature", words, str(ours.public_id))
    return None
