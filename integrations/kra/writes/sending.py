"""The worker's part of a report: give it its number, send it, keep what KRA answered."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from integrations.conf import hub_settings
from integrations.config import Snapshot
from integrations.exceptions import (
    ConfigurationError,
    ConfigurationUnavailable,
    IntegrationError,
    OutcomeUnknown,
    ProviderError,
    TransportError,
)
from integrations.kra.config import config_of
from integrations.kra.outbox import holds
from integrations.kra.writes.answers import Settled, settle_answer
from integrations.kra.writes.bodies import COUNTERS, OPERATIONS, body_of, settled_target
from integrations.kra.writes.outcomes import keep_in_doubt, reject, take, take_back
from integrations.kra.writes.states import QUEUE, move
from integrations.kra.writes.stock import quantity_of
from integrations.models import KRABranch, KRAWrite, WriteKind
from integrations.models import WriteState as S
from integrations.providers.kra.client import EtimsClient, EtimsRefused, are_keys_refused
from integrations.work import Again, Done, Kept, Outcome, Queue

# Seconds.
HOLD_PAUSE = 30.0
SETTINGS_PAUSE = 60.0
NOT_ALONE = "What it belongs to was rejected."
WAITS = "Waits for what it belongs to."


def make_queue() -> Queue[KRAWrite]:
    """The queue of reports. It shares the branch's lane with the invoices."""
    return Queue(
        name=QUEUE,
        model=KRAWrite,
        handle=advance,
        concurrency=4,
        lease_seconds=hub_settings.kra_lease_seconds,
        deadline_seconds=hub_settings.kra_deadline_seconds,
        max_attempts=100_000,
        backoff=(15.0, 60.0, 300.0),
        lane_field="branch",
        ordered=True,
    )


def advance(write: KRAWrite) -> Outcome:
    """Handler of the queue."""
    if write.state in (S.DONE, S.REJECTED):
        return Done()
    if not write.has_time_left():
        return Again(delay_seconds=0, count_attempt=False)
    # Whoever was sending it is gone: it may have been sent or not.
    if write.state == S.SENDING and not move(write, S.IN_DOUBT, is_kept=True):
        return Kept()
    if write.branch.held_reason:
        return Again(HOLD_PAUSE, error=write.branch.held_reason, count_attempt=False)
    leader = KRAWrite.objects.get(pk=write.after_id) if write.after_id else None
    if leader is not None and leader.state == S.REJECTED:
        reject(write, NOT_ALONE, code="not_alone")
        return Kept()
    if leader is not None and leader.state != S.DONE:
        return Again(HOLD_PAUSE, error=WAITS, count_attempt=False)
    return _send(write)


def _send(write: KRAWrite) -> Outcome:
    try:
        config = config_of(write.business, write.branch, is_sending=True)
    except ConfigurationUnavailable:
        raise
    except ConfigurationError as error:
        ours = KRAWrite.objects.filter(pk=write.pk, claim_token=write.claim_token)
        ours.update(message=error.message[:300])
        return Again(SETTINGS_PAUSE, error=error.message, count_attempt=False)
    try:
        body = begin(write, config)
    except IntegrationError as error:
        reject(write, error.message, code=error.code)
        return Kept()
    if body is not None:
        _call(write, config, body)
    return Kept()


def begin(write: KRAWrite, config: Snapshot) -> dict[str, Any] | None:
    """Number and exact body, really committed before the socket opens; the body, or None.

    None where there is nothing to send any more, or the claim is another's. One in doubt keeps
    both. Raises what `body_of` raises; then nothing is stored.
    """
    with transaction.atomic(durable=True):
        changes: dict[str, Any] | None = {}
        if write.state != S.IN_DOUBT:
            changes = _first_time(write, config)
        if changes is None:
            take(write, code="", text="Nothing was to be moved.")
            return None
        sent = {**changes, "times_sent": F("times_sent") + 1, "sent_at": Now(), "message": ""}
        return write.body if move(write, S.SENDING, changes=sent, is_kept=True) else None


def _first_time(write: KRAWrite, config: Snapshot) -> dict[str, Any] | None:
    """The columns that a report gets as it leaves; None where nothing has to be told."""
    changes: dict[str, Any] = {}
    if write.kind == WriteKind.STOCK_IO and "target" in write.document:
        document = settled_target(write, config)
        if document is None:
            return None
        write.document = changes["document"] = document
    counter = COUNTERS.get(write.kind)
    if counter:
        # Not its key: whoever adds work points a foreign key here and must not wait.
        branch = KRABranch.objects.select_for_update(no_key=True).get(pk=write.branch_id)
        changes["number"] = getattr(branch, counter) + 1
    changes["body"] = body_of(write, config, changes.get("number"))
    if write.kind == WriteKind.STOCK_MASTER:
        changes["attention"] = _too_much(write)
    return changes


def _too_much(write: KRAWrite) -> str:
    left = quantity_of(write.branch, write.document["item_code"])
    if left >= Decimal(0):
        return ""
    return f"More was sold than KRA was told to be there: {left} are left. 0 was reported."


def _call(write: KRAWrite, config: Snapshot, body: dict[str, Any]) -> None:
    """Send a report. Raises nothing of the provider's: each outcome is a state."""
    try:
        reply = EtimsClient(config).call(
            OPERATIONS[write.kind],
            body,
            deadline=write.claim_deadline,
            reference=str(write.public_id),
        )
    except EtimsRefused as error:
        settle_answer(write, config, Settled(error.meaning, error.text, error.message))
    except OutcomeUnknown as error:
        keep_in_doubt(write, error)
    except TransportError as error:
        if error.sent:
            keep_in_doubt(write, error)
        else:
            take_back(write, error)
    except (ProviderError, ConfigurationError) as error:
        # No credentials, no token: it has not left.
        if are_keys_refused(error):
            holds.hold(write.branch_id, error.message, code=holds.CREDENTIALS)
        take_back(write, error)
    except IntegrationError as error:
        # It could not be sent as it is (no such call on this transport, a value too long).
        if write.times_sent > 1:
            keep_in_doubt(write, error)
        else:
            reject(write, error.message, code=error.code)
    else:
        take(write, code=reply.code, text=reply.text)
