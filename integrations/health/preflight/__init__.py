"""Is this configuration right: everything that can be seen, and what the provider says of it.

Each check is a function that looks at a `Subject` and yields `Finding`s; `CHECKS` lists those that
ask nobody. Another integration has its checks under its own slug.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from django.db import Error as DatabaseError

from integrations import registry
from integrations.config import Snapshot, get_snapshot
from integrations.config.rows import describe_row, row_snapshot
from integrations.health.preflight import (
    account,
    initiator,
    kra,
    online,
    secrets,
    surroundings,
)
from integrations.health.preflight.finding import Check, Finding, Level, Subject, warning
from integrations.models import AuditEntry, SettingsModel

__all__ = [
    "CHECKS",
    "Finding",
    "Level",
    "Subject",
    "can_check",
    "check_row_settings",
    "examine",
    "subjects",
    "summary",
]

logger = logging.getLogger(__name__)
UNEXPECTED = "The check failed unexpectedly; the log has the details."


class Online(Protocol):
    """Asks the provider, and waits no longer than that for an answer that comes later."""

    def __call__(
        self, subject: Subject, *, wait_seconds: float, sleep: Callable[[float], None]
    ) -> Iterable[Finding]: ...


CHECKS: Mapping[str, tuple[Check, ...]] = {
    "mpesa": (
        account.check_required,
        secrets.check_readable,
        account.check_hosts,
        account.check_short_code,
        account.check_till,
        secrets.check_copying,
        secrets.check_passkey,
        account.check_limits,
        account.check_pace,
        surroundings.check_callback_url,
        surroundings.check_sources,
        surroundings.check_c2b,
        surroundings.check_pull,
        initiator.check_initiator,
        initiator.check_password,
        initiator.check_certificate,
        initiator.check_credential,
        surroundings.check_worker,
    ),
    "kra": (
        kra.check_required,
        secrets.check_readable,
        kra.check_pin,
        kra.check_hosts,
        kra.check_copying,
        kra.check_device,
        kra.check_gavaconnect_keys,
        kra.check_lists,
        kra.check_branch,
        surroundings.check_worker,
    ),
}
ONLINE: Mapping[str, Online] = {"mpesa": online.ask_online, "kra": kra.ask_online}


def can_check(slug: str) -> bool:
    """Whether the integration has checks."""
    return slug in CHECKS


def examine(
    config: Snapshot,
    row: SettingsModel | None = None,
    *,
    is_online: bool = True,
    wait_seconds: float = 0.0,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Finding]:
    """Everything that is found about one configuration; a check that breaks is a finding too.

    Online, calls are made that move no money, and the answer to a question in the initiator's name
    is waited for. Raises DatabaseError only.
    """
    subject = Subject(config, row)
    found: list[Finding] = []
    for check in CHECKS[config.slug]:
        found += _guarded(check.__name__, lambda check=check: check(subject))  # type: ignore[misc]
    if is_online:
        ask = ONLINE[config.slug]
        found += _guarded("online", lambda: ask(subject, wait_seconds=wait_seconds, sleep=sleep))
    return found


def _guarded(name: str, act: Callable[[], Iterable[Finding]]) -> list[Finding]:
    try:
        return list(act())
    except DatabaseError:
        raise
    except Exception:
        logger.exception("the check %s failed", name)
        return [warning(name.removeprefix("check_"), UNEXPECTED, "Report it.")]


def check_row_settings(
    row: SettingsModel, *, is_online: bool = True, wait_seconds: float = 0.0
) -> list[Finding]:
    """`examine` one settings row as it is stored, and audit that it was.

    Raises ConfigurationError where the row can't be described, and DatabaseError.
    """
    config = row_snapshot(row.info.slug, row.business, describe_row(row), source="row")
    found = examine(config, row, is_online=is_online, wait_seconds=wait_seconds)
    AuditEntry.objects.record(
        "settings.checked", target=row, business=row.business, detail=summary(found)
    )
    return found


def subjects(slug: str, business: str | None, account_name: str) -> list[Subject]:
    """The configurations to look at: all rows, or those of one business, or one account.

    Without a row it is what is in use. Raises ConfigurationError.
    """
    model = registry.settings_model(slug)
    rows = model._default_manager.order_by("business", "-is_main" if model.account_field else "pk")
    if business is not None or account_name:
        rows = rows.filter(business=business or "")
    if account_name:
        rows = rows.filter(**{model.account_field: account_name})
    found = [
        Subject(row_snapshot(slug, row.business, describe_row(row), source="row"), row)
        for row in rows
    ]
    if found:
        return found
    config = get_snapshot(slug, business or "", account_name)
    return [Subject(config, model._default_manager.filter(pk=config.row_id).first())]


def summary(found: Iterable[Finding]) -> str:
    """ "2 errors, 1 warning" in words."""
    levels = [finding.level for finding in found]
    errors, warnings = levels.count(Level.ERROR), levels.count(Level.WARNING)
    if not errors and not warnings:
        return "Nothing is wrong."
    told = [
        f"{count} {word}{'' if count == 1 else 's'}"
        for count, word in ((errors, "error"), (warnings, "warning"))
        if count
    ]
    return f"Found {' and '.join(told)}."
