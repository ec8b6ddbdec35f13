"""The alarm of a branch: invoices that wait too long, KRA out of reach, a branch that is held.

OSCU signs nothing without KRA, so what waits is late; a VSCU signs alone, but only for a day after
its last contact with KRA (eTIMS reference, section 9). The alarm is raised once, and told again
only after it was cleared.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from integrations.config import Snapshot
from integrations.events import publish
from integrations.exceptions import IntegrationError
from integrations.kra.config import config_of
from integrations.kra.outbox.line import oldest_waiting, waiting_of
from integrations.logs import log_event
from integrations.models import KRABranch, KRAInvoice, KRASettings, Transport
from integrations.providers.kra.client import EtimsClient
from integrations.work.clock import database_now

logger = logging.getLogger(__name__)
HOUR = 3600.0
# For one question whether KRA can be reached, and for all of them of the periodic job.
PROBE_SECONDS, BUDGET_SECONDS = 30.0, 120.0
# A VSCU is asked for a sign of KRA when its last one is older than this.
PROBE_AFTER = timedelta(hours=1)


def raise_alarm(unit: KRABranch, *, cause: str, words: str) -> bool:
    """Raise the alarm of a branch, in the caller's transaction; False where it is up already."""
    if not KRABranch.objects.filter(pk=unit.pk, alarmed_at=None).update(alarmed_at=Now()):
        return False
    log_event(logger, logging.ERROR, "kra_branch_stalled", branch=unit.pk, cause=cause)
    publish("kra.branch_stalled", _describe(unit, cause, words), unit.business)
    return True


def clear_alarm(unit: KRABranch) -> bool:
    """Take the alarm back, told as `kra.branch_recovered`; False where none was up."""
    rows = KRABranch.objects.filter(pk=unit.pk, alarmed_at__isnull=False, held_reason="")
    if not rows.update(alarmed_at=None):
        return False
    log_event(logger, logging.INFO, "kra_branch_recovered", branch=unit.pk)
    words = f"{unit}: invoices reach KRA again."
    publish("kra.branch_recovered", _describe(unit, "recovered", words), unit.business)
    return True


def watch_branches() -> int:
    """The periodic job: raise and clear alarms; how many branches are stalled now."""
    waiting = waiting_of(KRAInvoice.objects.filter(branch=OuterRef("pk")))
    vscu = KRASettings.objects.filter(
        transport=Transport.VSCU, environment=OuterRef("environment"),
        kra_pin=OuterRef("tin"), branch_code=OuterRef("bhf_id"),
    )  # fmt: skip
    end = time.monotonic() + BUDGET_SECONDS
    rows = KRABranch.objects.filter(
        Exists(waiting) | Exists(vscu) | Q(alarmed_at__isnull=False) | ~Q(held_reason="")
    )
    stalled = 0
    # In no order: where the time is over before the end, others have it next time.
    for unit in rows.order_by("?"):
        if time.monotonic() >= end:
            break
        try:
            stalled += _watch(unit)
        except IntegrationError as error:
            log_event(logger, logging.WARNING, "kra_branch_unwatched", branch=unit.pk,
                      code=error.code)  # fmt: skip
    return stalled


def _watch(unit: KRABranch) -> bool:
    config = config_of(unit.business, unit, is_sending=False)
    if config.values["transport"] == Transport.VSCU:
        _look_for_kra(unit, config)
    words = stalled_words(unit, config)
    with transaction.atomic():
        if words:
            raise_alarm(unit, cause="waiting", words=words)
        elif not unit.held_reason:
            clear_alarm(unit)
    return bool(words)


def _look_for_kra(unit: KRABranch, config: Snapshot) -> None:
    """A VSCU answers alone: only what it must ask KRA for shows that KRA can be reached."""
    now = database_now()
    if unit.last_contact_at is not None and now - unit.last_contact_at < PROBE_AFTER:
        return
    try:
        EtimsClient(config).check(deadline=time.monotonic() + PROBE_SECONDS)
    except IntegrationError:
        return
    KRABranch.objects.filter(pk=unit.pk).update(last_contact_at=Now())
    unit.last_contact_at = now


def stalled_words(unit: KRABranch, config: Snapshot) -> str:
    """Why the branch is stalled, in words; "" where it is not."""
    if unit.held_reason:
        return f"{unit} is held: {unit.held_reason}"
    now = database_now()
    limit = timedelta(hours=float(config.values["offline_alarm_hours"]))
    words = _waiting_words(unit, now, limit)
    if words:
        return words
    if config.values["transport"] != Transport.VSCU:
        return ""
    return _vscu_words(unit, config, now=now, limit=limit)


def _waiting_words(unit: KRABranch, now: datetime, limit: timedelta) -> str:
    first = oldest_waiting(unit)
    if first is None or now - first.queued_at < limit:
        return ""
    count = waiting_of(KRAInvoice.objects.filter(branch=unit)).count()
    return (
        f"Invoices of {unit} have waited for KRA for {_hours(now - first.queued_at)}: "
        f"{count} wait, {first.trader_number} the longest."
    )


def _vscu_words(unit: KRABranch, config: Snapshot, *, now: datetime, limit: timedelta) -> str:
    since = unit.silent_since
    if since is None or now - since < limit:
        return ""
    # One that was never reached signs for as long, counted from its start.
    never = "" if unit.last_contact_at else " since it was set up"
    window = timedelta(hours=float(config.values["offline_hours"]))
    left = window - (now - since)
    ends = (
        f"it stops signing in {_hours(left)}" if left > timedelta()
        else "it signs no more until it has reached KRA"
    )  # fmt: skip
    return (
        f"The VSCU of {unit} has shown no contact with KRA for {_hours(now - since)}{never}; it "
        f"signs for {_hours(window)} without, so {ends}. Check its connection to the internet."
    )


def waiting_warnings(unit: KRABranch, limit_hours: float) -> list[str]:
    """What of a branch's documents needs somebody: those that wait too long, those in doubt."""
    told = []
    words = _waiting_words(unit, database_now(), timedelta(hours=limit_hours))
    if words:
        told.append(words)
    count = KRAInvoice.objects.filter(branch=unit).exclude(attention="").count()
    if count:
        told.append(f"{count} invoice{'s' if count > 1 else ''} of {unit} need a person.")
    return told


def _hours(span: timedelta) -> str:
    hours = round(span.total_seconds() / HOUR, 1)
    if hours < 1:
        minutes = max(1, round(span.total_seconds() / 60))
        return f"{minutes} minute{'s' if minutes != 1 else ''}"
    shown = f"{hours:g}"
    return f"{shown} hour{'s' if shown != '1' else ''}"


def _describe(unit: KRABranch, cause: str, words: str) -> dict[str, Any]:
    first = oldest_waiting(unit)
    contact = unit.last_contact_at
    return {
        "environment": unit.environment,
        "pin": unit.tin,
        "branch": unit.bhf_id,
        "cause": cause,
        "message": words[:500],
        "waiting_since": first.queued_at.isoformat() if first else None,
        "last_contact_at": contact.isoformat() if contact else None,
    }
