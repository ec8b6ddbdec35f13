"""The initiator's credentials as M-Pesa takes them: repeated refusals raise one alarm.

While it stands, calls that need the initiator are held back: every further try makes a locked
credential worse. Other credentials in the settings, a success, or a person lift it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.dateparse import parse_datetime

from integrations.config import Snapshot
from integrations.config.rows import describe_row, row_snapshot
from integrations.events import publish
from integrations.exceptions import ConfigurationError, ConfigurationUnavailable
from integrations.logs import log_event
from integrations.metrics import initiator_alarms
from integrations.models import AuditEntry, InitiatorAlarm, MpesaSettings
from integrations.payments.accounts import PROVIDER, account_of

logger = logging.getLogger(__name__)
# Wrong password, invalid credential, locked credential (Daraja reference, section 7).
REFUSALS = frozenset({"18", "2001", "8006"})
# So many refusals within the window, with no success between them, are no accident.
FAILURES = 2
WINDOW = timedelta(hours=24)
# Days before the password's end from which on people are warned.
WARN_BEFORE = 14
HELD = "It waits: M-Pesa refuses the initiator's password, and every further try makes it worse."
IN_WORDS = (
    "The initiator password is wrong, expired (after {days} days) or locked: change it in the "
    "portal and here."
)
_CREDENTIALS = ("initiator_password", "security_credential")
_PLAIN = ("initiator_name", "certificate", "short_code")


def initiator_is_held(config: Snapshot) -> bool:
    """Whether calls in the name of these settings' initiator have to wait."""
    alarm = _standing(config.environment, **_account(config))
    if alarm is None:
        return False
    if alarm.credential_mark == credential_mark(config):
        return True
    clear(alarm, by="new credentials in the settings")
    return False


def note_initiator_result(
    business: str,
    environment: str,
    short_code: str,
    code: str,
    *,
    sent_at: datetime | None = None,
) -> None:
    """Take note of a result code of any call in the initiator's name.

    Called in the transaction that stores the result. `sent_at` is when that call left: what was
    sent before the present credentials were entered says nothing about them.
    """
    text = str(code).strip()
    if text != "0" and text not in REFUSALS:
        return
    try:
        config = account_of(PROVIDER, business, short_code)
    except ConfigurationUnavailable:
        raise
    except ConfigurationError:
        return  # Without settings, nothing is sent either.
    if config.environment != environment:
        return
    if text in REFUSALS:
        saved = credential_saved_at(config)
        if sent_at is None or saved is None or sent_at >= saved:
            _count(config, text)
        return
    found = InitiatorAlarm.objects.filter(environment=environment, **_account(config))
    for alarm in found.exclude(failures=0):
        clear(alarm, by="a call that succeeded")


def _count(config: Snapshot, code: str) -> None:
    now, mark = timezone.now(), credential_mark(config)
    with transaction.atomic():
        rows = InitiatorAlarm.objects.select_for_update()
        alarm, _ = rows.get_or_create(environment=config.environment, **_account(config))
        is_old = alarm.last_failed_at is None or now - alarm.last_failed_at > WINDOW
        if alarm.raised_at is None and (is_old or alarm.credential_mark != mark):
            alarm.failures, alarm.first_failed_at = 0, now
        alarm.failures += 1
        alarm.last_code, alarm.last_failed_at = code, now
        alarm.credential_mark = mark
        alarm.initiator_name = config.text("initiator_name")[:100]
        if alarm.failures >= FAILURES and alarm.raised_at is None:
            alarm.raised_at = now
            _raise(alarm, config)
        alarm.save()


def _raise(alarm: InitiatorAlarm, config: Snapshot) -> None:
    publish("mpesa.initiator_failing", _describe(alarm, config), alarm.business)
    initiator_alarms.add("raised")
    log_event(
        logger, logging.ERROR, "initiator_failing", short_code=alarm.short_code,
        business=alarm.business, environment=alarm.environment, code=alarm.last_code,
    )  # fmt: skip


def _describe(alarm: InitiatorAlarm, config: Snapshot) -> dict[str, Any]:
    return {
        "provider": PROVIDER,
        "environment": alarm.environment,
        "short_code": alarm.short_code,
        "initiator_name": alarm.initiator_name,
        "code": alarm.last_code,
        "failures": alarm.failures,
        "message": in_words(config.values),
    }


def clear(alarm: InitiatorAlarm, *, by: str) -> bool:
    """Let calls out again; False where nothing stood against the initiator."""
    with transaction.atomic():
        rows = InitiatorAlarm.objects.filter(pk=alarm.pk).exclude(failures=0)
        found = rows.select_for_update().values_list("raised_at", flat=True)[:1]
        raised = list(found)
        if not raised:
            return False
        rows.update(
            failures=0, raised_at=None, first_failed_at=None, cleared_at=timezone.now(),
            cleared_by=by[:100],
        )  # fmt: skip
        if raised[0] is not None:
            initiator_alarms.add("cleared")
            log_event(
                logger, logging.WARNING, "initiator_cleared", short_code=alarm.short_code,
                business=alarm.business, environment=alarm.environment, by=by,
            )  # fmt: skip
    return True


def lift(alarm: InitiatorAlarm, *, by: str) -> bool:
    """For a person who unlocked the initiator in the portal; audited."""
    with transaction.atomic():
        lifted = clear(alarm, by=by)
        if lifted:
            AuditEntry.objects.record(
                "initiator.lifted", target=alarm, business=alarm.business, detail=str(alarm)
            )
    return lifted


def review_settings(instance: MpesaSettings, **_: Any) -> None:
    """After settings were saved: what was held against other credentials is held no more."""
    alarms = InitiatorAlarm.objects.filter(
        business=instance.business, short_code=instance.short_code
    ).exclude(failures=0)
    for alarm in alarms:
        config = row_snapshot(PROVIDER, instance.business, describe_row(instance), source="row")
        if alarm.credential_mark != credential_mark(config):
            clear(alarm, by="new credentials in the settings")


def _standing(environment: str, *, business: str, short_code: str) -> InitiatorAlarm | None:
    return InitiatorAlarm.objects.filter(
        business=business, environment=environment, short_code=short_code,
        raised_at__isnull=False,
    ).first()  # fmt: skip


def _account(config: Snapshot) -> dict[str, Any]:
    """Whose row has the credentials: a business may use the installation's."""
    owner = config.business
    row = _row_of(config)
    if row is not None:
        owner = row.business
    elif config.source != "row":
        owner = ""
    return {"business": owner, "short_code": str(config.values["short_code"])}


def _row_of(config: Snapshot) -> MpesaSettings | None:
    if config.row_id is None:
        return None
    return MpesaSettings.objects.filter(pk=config.row_id).first()


def credential_mark(config: Snapshot) -> str:
    """A keyed digest by which other credentials are told from the present ones.

    Also by when they were typed: the same password typed again counts as another one, since it
    may have been unlocked meanwhile.
    """
    row = _row_of(config)
    typed = [row.secrets_saved.get(name, "") for name in _CREDENTIALS] if row else []
    parts = [*typed, *(config.text(name) for name in (*_CREDENTIALS, *_PLAIN))]
    digest = salted_hmac("integrations.initiator", json.dumps(parts), algorithm="sha256")
    return digest.hexdigest()


def credential_saved_at(config: Snapshot) -> datetime | None:
    """When the present password was typed; None where that is not known."""
    row = _row_of(config)
    return saved_at(row) if row is not None else None


def saved_at(row: MpesaSettings) -> datetime | None:
    """When the row's initiator password was typed, or its ready-made form; None: not known."""
    times = (row.secrets_saved.get(name) for name in _CREDENTIALS if getattr(row, name))
    found = next((text for text in times if text), None)
    return parse_datetime(found) if found else None


def in_words(values: Mapping[str, Any]) -> str:
    """What the alarm says to people."""
    return IN_WORDS.format(days=values.get("initiator_password_days") or 90)


def warnings_of(config: Snapshot) -> list[str]:
    """What people should know about the initiator of these settings; [] for nothing."""
    if initiator_is_held(config):
        return [in_words(config.values)]
    row = _row_of(config)
    told = age_warning(row) if row is not None else ""
    return [told] if told else []


def age_warning(row: MpesaSettings) -> str:
    """A sentence where the initiator's password is near its end, "" where it is not."""
    saved, days = saved_at(row), row.initiator_password_days
    if saved is None or not days:
        return ""
    left = days - (timezone.now() - saved).days
    if left > WARN_BEFORE:
        return ""
    if left <= 0:
        return (
            f"The initiator password was entered {days - left} days ago, and M-Pesa lets it "
            f"expire after {days}: change it in the portal and here."
        )
    return f"The initiator password expires in about {left} days: change it in the portal and here."
