"""Waiting for a signature while the caller waits: a worker does it, or this process itself."""

from __future__ import annotations

import threading
import time
from functools import partial

from django.db import connection, connections

from integrations.kra.outbox.states import AT_REST, QUEUE
from integrations.models import InvoiceState, KRAInvoice
from integrations.work import get_queue
from integrations.work.lanes import LaneClaim, claim_lanes, claim_next, release_lane
from integrations.work.run import handle_claim

# Seconds between two looks at the row.
LOOK_EVERY = 0.05
_SETTLED = AT_REST | {InvoiceState.REGISTERED}


def wait_for_signature(invoice: KRAInvoice, seconds: float) -> KRAInvoice:
    """Wait up to `seconds` until the document has come to an end; it is reread.

    Where no worker has the branch in hand, a thread of this process serves it meanwhile, with all
    the time that KRA may need: it goes on after we have given up waiting. Call it outside any
    transaction, where the row is committed.
    """
    end = time.monotonic() + seconds
    if connection.in_atomic_block:
        # A test of the host's, around which a transaction is kept open: nobody else sees the row.
        serve_branch(invoice.branch_id, invoice.pk)
        invoice.refresh_from_db()
        return invoice
    helper = threading.Thread(
        target=partial(_serve_in_thread, invoice.branch_id, invoice.pk), name="kra-invoice",
        daemon=True,
    )  # fmt: skip
    helper.start()
    while True:
        if helper.is_alive():
            helper.join(LOOK_EVERY)
        else:  # A worker has the branch in hand, or nothing is due yet.
            time.sleep(LOOK_EVERY)
        invoice.refresh_from_db()
        if invoice.state in _SETTLED or time.monotonic() >= end:
            return invoice


def _serve_in_thread(branch_id: int, upto: int) -> None:
    try:
        serve_branch(branch_id, upto)
    finally:
        connections.close_all()


def serve_branch(branch_id: int, upto: int) -> int:
    """Serve what is due of one branch up to a document; the number of turns taken.

    Takes nothing from a worker that has the branch in hand.
    """
    queue, turns = get_queue(QUEUE), 0
    while KRAInvoice.objects.filter(pk=upto).exclude(state__in=_SETTLED).exists():
        lanes = claim_lanes(queue, limit=1, only="AND id = %s", params=[branch_id])
        if not lanes:
            break
        if not _serve_one(lanes[0]):
            break
        turns += 1
    return turns


def _serve_one(lane: LaneClaim) -> bool:
    queue = get_queue(QUEUE)
    try:
        claim = claim_next(queue, lane)
        if not claim.rows:
            return False
        handle_claim(queue, claim)
        return True
    finally:
        release_lane(queue, lane)
