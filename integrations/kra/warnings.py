"""What people should know about KRA's branches, in sentences, without asking anybody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from integrations.kra.outbox.alarms import waiting_warnings
from integrations.models import DeviceState, KRABranch, KRASettings, Transport

_DEVICE = {
    DeviceState.SENDING: "The control unit is being initialised.",
    DeviceState.REFUSED: "KRA refused to initialise the control unit: {message}",
    DeviceState.UNKNOWN: "It is not known whether the control unit is initialised: {message}",
    DeviceState.READY: "The communication key of the control unit is gone from the settings: "
    "paste it.",
}
NOT_INITIALISED = "The control unit is not initialised yet."


def warnings_of(rows: Sequence[Any]) -> dict[Any, list[str]]:
    """Sentences by the settings rows' primary keys; a row about which there is nothing is left out.

    Up to three queries for each branch that is in use.
    """
    settings = [row for row in rows if isinstance(row, KRASettings)]
    keys = {row.pk: _key(row) for row in settings}
    found = {branch.key: branch for branch in KRABranch.objects.filter(key__in=keys.values())}
    told = {row.pk: list(_told(row, found.get(keys[row.pk]))) for row in settings}
    return {pk: sentences for pk, sentences in told.items() if sentences}


def _key(row: KRASettings) -> str:
    return f"{row.environment}:{row.kra_pin}:{row.branch_code}"


def _told(row: KRASettings, branch: KRABranch | None) -> Iterator[str]:
    where = f"Branch {row.branch_code or '-'}: "
    for sentence in (device_words(row, branch), held_words(branch), silence_words(row, branch)):
        if sentence:
            yield where + sentence
    if branch is not None:
        yield from waiting_warnings(branch, row.offline_alarm_hours)


def device_words(row: KRASettings, branch: KRABranch | None) -> str:
    """What is amiss with the control unit of a row that is to have one; "" where nothing is."""
    is_ready = bool(row.communication_key) or (
        row.transport == Transport.VSCU and bool(row.control_unit_id)
    )
    if is_ready or not row.device_serial:
        return ""
    if branch is None or branch.device_state == DeviceState.NONE:
        return NOT_INITIALISED
    words = _DEVICE[DeviceState(branch.device_state)]
    return words.format(message=branch.device_message)


def held_words(branch: KRABranch | None) -> str:
    """Why a branch sends nothing; "" where it does."""
    return f"It is held: {branch.held_reason}" if branch and branch.held_reason else ""


def silence_words(row: KRASettings, branch: KRABranch | None) -> str:
    """That a VSCU comes to the end of what it signs without KRA, or has (section 9).

    An OSCU needs KRA for each invoice: its silence shows in what waits.
    """
    since = branch.silent_since if branch else None
    if row.transport != Transport.VSCU or since is None:
        return ""
    hours = (timezone.now() - since) / timedelta(hours=1)
    if hours < row.offline_alarm_hours:
        return ""
    end = since + timedelta(hours=row.offline_hours)
    if hours >= row.offline_hours:
        return f"No contact to KRA since {_at(since)}: the VSCU signs nothing any more."
    return f"No contact to KRA since {_at(since)}: the VSCU signs until {_at(end)}."


def _at(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}"
