"""Holding a branch: nothing is sent until the cause is gone, and everything keeps its place.

What KRA itself refuses (device, credentials) and what the settings lack may heal without us: the
first in line asks a harmless question every few minutes, and goes on when it is answered; a
change of the settings has it ask at once. A refused client id or secret is not tried again
before the settings change. Where the two books differ only a person lets go.
"""

from __future__ import annotations

import logging
import math
import time
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Now

from integrations.config import Snapshot
from integrations.exceptions import IntegrationError, InvalidInput
from integrations.kra.config import config_of
from integrations.kra.outbox import alarms
from integrations.kra.outbox.alarms import BUDGET_SECONDS, PROBE_SECONDS
from integrations.kra.outbox.states import AT_KRA, OPEN_NUMBER, QUEUE
from integrations.logs import log_event
from integrations.models import AuditEntry, KRABranch, KRAInvoice, KRAWrite
from integrations.models.audit import acting_as
from integrations.providers.kra.client import EtimsClient, are_keys_refused
from integrations.work import WorkState, ring
from integrations.work.clock import later

logger = logging.getLogger(__name__)
# Why a branch is held.
DEVICE, SETTINGS, CREDENTIALS, BOOKS = "device", "settings", "credentials", "books"
# These may end by themselves.
_PROBED = frozenset({DEVICE, SETTINGS})
# Seconds between two questions of a held branch.
LOOK_EVERY = 300.0
WRITES_QUEUE = "kra-writes"


def hold(branch_id: int, reason: str, *, code: str) -> bool:
    """Hold a branch, told at once as `kra.branch_stalled`; False where it was held already."""
    with transaction.atomic():
        rows = KRABranch.objects.filter(pk=branch_id, held_reason="")
        if not rows.update(held_reason=reason[:300], held_code=code, held_at=Now()):
            return False
        unit = KRABranch.objects.get(pk=branch_id)
        log_event(logger, logging.ERROR, "kra_branch_held", branch=unit.pk, code=code)
        AuditEntry.objects.record(
            "kra.branch_held", target=unit, business=unit.business,
            fields=["held_reason"], detail=reason,
        )  # fmt: skip
        alarms.raise_alarm(unit, cause="held", words=reason)
    return True


def release(
    branch: KRABranch, *, by: Any = None, next_number: int | None = None, text: str = ""
) -> bool:
    """Let a held branch go on; False where it was not held (the number is set all the same).

    `next_number` sets the number of the next invoice: for a device that another program used
    too, or after KRA repaired its book. Audited, for the person who acts. Raises InvalidInput for
    a number that is taken in our book, or while a number is open.
    """
    with acting_as(by), transaction.atomic():
        locked = KRABranch.objects.select_for_update(no_key=True).get(pk=branch.pk)
        changes: dict[str, Any] = {"held_reason": "", "held_code": "", "held_at": None}
        if next_number is not None:
            _check_next(locked, next_number)
            changes["last_invoice_number"] = next_number - 1
        was = locked.held_reason
        KRABranch.objects.filter(pk=branch.pk).update(**changes)
        detail = text or "Let go on."
        if next_number is not None:
            detail = f"{detail} Next invoice number: {next_number}."
        if was or next_number is not None:
            AuditEntry.objects.record(
                "kra.branch_released", target=locked, business=locked.business,
                fields=["held_reason", *(["last_invoice_number"] if next_number else [])],
                detail=detail,
            )  # fmt: skip
        branch.refresh_from_db()
        if was:
            alarms.clear_alarm(branch)
        # Afterwards: whoever moves a document locks its row before the branch's.
        transaction.on_commit(partial(wake, branch.pk), robust=True)
    return bool(was)


def _check_next(branch: KRABranch, number: int) -> None:
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise InvalidInput("next_number", "must be a whole number, 1 or more.")
    rows = KRAInvoice.objects.filter(branch=branch)
    if rows.filter(state__in=OPEN_NUMBER).exists():
        raise InvalidInput(
            "next_number", "an invoice of this branch is in doubt; settle it first.",
            code="number_open",
        )  # fmt: skip
    last = rows.filter(state__in=AT_KRA).aggregate(last=Max("number"))["last"] or 0
    if number <= last:
        raise InvalidInput(
            "next_number", f"number {last} is taken in our own book; the next is {last + 1}.",
            code="number_taken",
        )  # fmt: skip


def wake(branch_id: int) -> None:
    """Have the first in line of both queues looked at now."""
    for model, queue in ((KRAInvoice, QUEUE), (KRAWrite, WRITES_QUEUE)):
        rows: Any = model._default_manager.filter(branch_id=branch_id)
        first = rows.filter(next_attempt_at__isnull=False).order_by("pk").values_list("pk")[:1]
        waiting = model._default_manager.filter(pk__in=list(first.values_list("pk", flat=True)))
        if waiting.filter(work_state=WorkState.DUE).update(next_attempt_at=later(0)):
            ring(queue)


def try_release(unit: KRABranch, config: Snapshot) -> bool:
    """Ask a held branch's control unit whether it works again; let it go on where it does."""
    if unit.held_code not in _PROBED:
        return False
    fault = _fault_of(config)
    if fault is None:
        release(unit, text="The control unit answers again.")
        return True
    if are_keys_refused(fault):
        # The same keys get the same answer: no more questions of ours.
        rows = KRABranch.objects.filter(pk=unit.pk, held_code__in=_PROBED)
        rows.update(held_code=CREDENTIALS, held_reason=fault.message[:300])
    log_event(logger, logging.INFO, "kra_branch_still_held", branch=unit.pk, code=fault.code)
    return False


def works(config: Snapshot, deadline: float = math.inf) -> bool:
    """Whether KRA answers a harmless question about the control unit, by `deadline` or sooner."""
    return _fault_of(config, deadline) is None


def _fault_of(config: Snapshot, deadline: float = math.inf) -> IntegrationError | None:
    try:
        EtimsClient(config).check(deadline=min(deadline, time.monotonic() + PROBE_SECONDS))
    except IntegrationError as error:
        return error
    return None


def look_at_held() -> int:
    """The periodic job: ask the held branches whose cause may be gone; how many were let go.

    Also for those where only reports wait, which do not ask themselves.
    """
    released, end = 0, time.monotonic() + BUDGET_SECONDS
    # In no order: where the time is over before the end, others have it next time.
    for unit in KRABranch.objects.filter(held_code__in=_PROBED).order_by("?"):
        if time.monotonic() >= end:
            break
        try:
            config = config_of(unit.business, unit, is_sending=True)
        except IntegrationError:
            continue
        released += try_release(unit, config)
    return released


def look_after_settings(instance: Any, **_kwargs: Any) -> None:
    """After a change of KRA settings: held branches of theirs ask again at once.

    Those whose keys were refused too: once, unless the question is answered otherwise.
    """
    held = KRABranch.objects.exclude(held_reason="").filter(
        tin=instance.kra_pin, bhf_id=instance.branch_code, environment=instance.environment
    )
    held.filter(held_code=CREDENTIALS).update(held_code=SETTINGS)
    for unit in held:
        transaction.on_commit(partial(wake, unit.pk), robust=True)
