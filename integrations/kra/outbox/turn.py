"""A document's turn: number and body are allotted, committed, and only then is it sent."""

from __future__ import annotations

import logging
import time
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max, QuerySet
from django.db.models.functions import Now

from integrations.config import Snapshot
from integrations.exceptions import (
    ConfigurationUnavailable,
    IntegrationError,
    InvalidInput,
    TransportError,
)
from integrations.kra.config import config_of
from integrations.kra.outbox import book, doubt, holds, outcomes, statements
from integrations.kra.outbox.alarms import PROBE_SECONDS
from integrations.kra.outbox.sending import send
from integrations.kra.outbox.states import AT_KRA, OPEN_NUMBER
from integrations.models import InvoiceState, KRABranch, KRAInvoice
from integrations.providers.kra.client import EtimsClient
from integrations.providers.kra.payloads.sale import sale_body
from integrations.work import Again, Done, Kept, Outcome
from integrations.work.clock import database_now

logger = logging.getLogger(__name__)
# Seconds between two looks at an earlier report (an item, a stock movement) that goes first.
WRITE_PAUSE = (0.2, 5.0)
ORIGINAL_PAUSE = 5.0
UNREADABLE_PAUSE = 10.0
# Answers of a question that show that KRA can't be reached.
_AWAY = frozenset({"timeout", "breaker_open", "rate_limited"})


class _StandAside(Exception):
    """Another document of the branch has an open number."""


class _NotOurs(Exception):
    """The claim ended, or somebody moved the document."""


def advance(invoice: KRAInvoice) -> Outcome:
    """Handler of the queue: what a document that is due needs next."""
    state = invoice.state
    if state == InvoiceState.QUEUED:
        return _take_turn(invoice)
    if state == InvoiceState.SENDING:
        return doubt.take_over(invoice)
    if state == InvoiceState.IN_DOUBT:
        return doubt.resolve(invoice)
    if state == InvoiceState.REGISTERED:
        return doubt.fetch_signature(invoice)
    return Done()


def _take_turn(invoice: KRAInvoice) -> Outcome:
    if not invoice.has_time_left():
        # This process slept past its claim. Nothing was sent, so somebody may still send it.
        return Again(delay_seconds=0, count_attempt=False)
    branch, is_behind_reports = statements.read_branch(invoice)
    try:
        config = config_of(invoice.business, branch, is_sending=True)
    except ConfigurationUnavailable as error:
        return Again(delay_seconds=UNREADABLE_PAUSE, error=error.message, count_attempt=False)
    except IntegrationError as error:
        holds.hold(invoice.branch_id, error.message, code=holds.SETTINGS)
        return Again(delay_seconds=holds.LOOK_EVERY, error=error.message, count_attempt=False)
    if branch.held_reason and not holds.try_release(branch, config):
        return Again(delay_seconds=holds.LOOK_EVERY, error=branch.held_reason, count_attempt=False)
    # Only now: what goes first may wait for the very branch that was just let go.
    waits = _must_wait(invoice, is_behind_reports=is_behind_reports)
    if waits is not None:
        return waits
    away = _still_away(invoice, config)
    return Again(error=away) if away else _send(invoice, config)


def _send(invoice: KRAInvoice, config: Snapshot) -> Outcome:
    try:
        allot(invoice, config)
    except _StandAside:
        if book.park(invoice, claim=invoice.claim_token):
            return Kept()
        return Again(delay_seconds=0.2, count_attempt=False)
    except _NotOurs:
        return Kept()
    except InvalidInput as error:
        outcomes.reject(invoice, error.message, code=error.code, data={"field": error.field})
        return Kept()
    return send(invoice, config, was_in_doubt=False)


def allot(invoice: KRAInvoice, config: Snapshot) -> None:
    """Give the document the branch's next number and its exact body, and commit both.

    The number is that after the last which KRA has taken; KRA's answer, and nothing else, makes
    it the last one. The branch's counter is that of the beginning of the turn, and still so when
    this commits. Raises _StandAside, _NotOurs, and InvalidInput where no body can be made.
    """
    number = invoice.branch.last_invoice_number + 1
    changes: dict[str, Any] = {
        "number": number,
        "body": _body(invoice, config, number),
        "times_sent": invoice.times_sent + 1,
        "sent_at": Now(),
        "transport": config.values["transport"],
    }
    try:
        with transaction.atomic(durable=True):
            if not book.move(
                invoice, InvoiceState.SENDING, kind="sending", text=f"Number {number} allotted.",
                changes=changes, only_from=[InvoiceState.QUEUED], claim=invoice.claim_token,
            ):  # fmt: skip
                raise _NotOurs
            # The document's row is locked before its branch's, as everywhere.
            _require_last(invoice.branch_id, number - 1)
    except (IntegrityError, _StandAside):
        # `krainvoice_one_open` and `krainvoice_number`: the database has the last word.
        book.lock(invoice)
        _catch_up(invoice)
        raise _StandAside from None


def _require_last(branch_id: int, number: int) -> None:
    if statements.lock_counter(branch_id) != number:
        raise _StandAside


def _catch_up(invoice: KRAInvoice) -> None:
    """Where the counter is behind our own book (somebody set it back), let it follow the book."""
    branch = invoice.branch
    last = rows_of(branch).aggregate(last=Max("number"))["last"] or 0
    open_rows = KRAInvoice.objects.filter(branch=branch, state__in=OPEN_NUMBER)
    if not open_rows.exists():
        rows = KRABranch.objects.filter(pk=branch.pk, last_invoice_number__lt=last)
        rows.update(last_invoice_number=last)


def rows_of(branch: KRABranch) -> QuerySet[KRAInvoice]:
    """The documents of a branch that have a number, by the index of its constraint."""
    return KRAInvoice.objects.filter(branch=branch, number__isnull=False)


def _body(invoice: KRAInvoice, config: Snapshot, number: int) -> dict[str, Any]:
    original = invoice.original
    return sale_body(
        invoice.document, config=config, number=number,
        original_number=int(original.number or 0) if original is not None else 0,
    )  # fmt: skip


def _must_wait(invoice: KRAInvoice, *, is_behind_reports: bool) -> Outcome | None:
    """Whether something else of the branch goes first, or the document can't go at all."""
    original = invoice.original
    if original is not None and original.state == InvoiceState.REJECTED:
        outcomes.reject(invoice, book.ORIGINAL_REJECTED, code="original_rejected")
        return Kept()
    if original is not None and original.state not in AT_KRA:
        if book.stand_aside(invoice, original, claim=invoice.claim_token):
            return Kept()
        reason = "It waits for the invoice that it credits."
        return Again(delay_seconds=ORIGINAL_PAUSE, error=reason, count_attempt=False)
    write = statements.earlier_write(invoice) if is_behind_reports else None
    if write is None:
        return None
    shortest, longest = WRITE_PAUSE
    due = (write.next_attempt_at - database_now()).total_seconds() if write.next_attempt_at else 0
    return Again(
        delay_seconds=min(max(due, shortest), longest),
        error=f"It waits for an earlier report: {write}.",
        count_attempt=False,
    )


def _still_away(invoice: KRAInvoice, config: Snapshot) -> str:
    """Why KRA still can't be reached, in words; "" where it can.

    After a try that did not get through, the next one begins with a harmless question: an outage
    of hours allots no numbers and fills no histories. Any answer will do.
    """
    if invoice.attempts <= 1:
        return ""
    try:
        deadline = min(invoice.claim_deadline, time.monotonic() + PROBE_SECONDS)
        EtimsClient(config).check(deadline=deadline)
    except TransportError as error:
        return "" if error.sent and error.code not in _AWAY else error.message
    except IntegrationError:
        return ""
    return ""
