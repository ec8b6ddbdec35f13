"""The queue of invoices, and what a signature sets going."""

from __future__ import annotations

from integrations import work
from integrations.conf import hub_settings
from integrations.kra.config import config_of
from integrations.kra.outbox.outcomes import BACKOFF
from integrations.kra.outbox.states import QUEUE
from integrations.kra.outbox.turn import advance
from integrations.models import KRAInvoice

# One thread waits for KRA's answer to one branch: as many branches go side by side.
BRANCHES_AT_ONCE = 24
# Documents of a branch in one turn, before another branch that waits has its own.
IN_A_TURN = 10


def make_queue() -> work.Queue[KRAInvoice]:
    """A branch's documents strictly one after another, branches side by side.

    Nothing is ever given up: what did not get through is tried until KRA answers.
    """
    return work.Queue(
        name=QUEUE,
        model=KRAInvoice,
        handle=advance,
        concurrency=BRANCHES_AT_ONCE,
        batch=IN_A_TURN,
        lease_seconds=hub_settings.kra_lease_seconds,
        deadline_seconds=hub_settings.kra_deadline_seconds,
        max_attempts=1_000_000_000,
        backoff=BACKOFF,
        lane_field="branch",
        ordered=True,
    )


def is_stock_reported(invoice: KRAInvoice) -> bool:
    """Whether the settings want a signed document's goods reported to KRA's stock."""
    config = config_of(invoice.business, invoice.branch, is_sending=False)
    return bool(config.values["report_stock"])
