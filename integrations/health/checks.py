"""Connection tests: run one, time it, say in words what happened, remember the result."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from django.db import models

from integrations import registry
from integrations.config import Snapshot, get_snapshot
from integrations.config.rows import describe_row, row_snapshot
from integrations.exceptions import IntegrationError, help_url
from integrations.models import SettingsModel

logger = logging.getLogger(__name__)
UNEXPECTED = "The test failed unexpectedly; the log has the details."


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A connection test's result. `message` is safe to show, `help_url` explains a failure."""

    ok: bool
    message: str
    milliseconds: int = 0
    help_url: str = ""


class RowStatus(models.TextChoices):
    """Where a settings row stands, for people and programs."""

    CONNECTED = "connected", "Connected"
    FAILING = "failing", "Failing"
    NOT_TESTED = "not_tested", "Not tested"
    NOT_CONFIGURED = "not_configured", "Not configured"
    DISABLED = "disabled", "Disabled"


def check_integration(
    slug: str, business: str = "", account: str = "", *, is_audited: bool = True
) -> CheckResult:
    """Test the saved settings of an integration; the result is kept on the row.

    `account` as for `get_snapshot`. `is_audited` is for tests that somebody asked for, not for
    polling. What is wrong is in the message; raises DatabaseError only, where the result can't be
    kept.
    """
    try:
        config = get_snapshot(slug, business, account)
    except IntegrationError as error:
        return CheckResult(False, error.message, help_url=error.help_url)
    if not config.configured:
        return CheckResult(
            False, f"{config.label} is not configured.", help_url=help_url("not_configured")
        )
    result = run_check(config)
    row = _row_of(config)
    if row is not None:
        row.note_test(
            ok=result.ok, message=result.message, milliseconds=result.milliseconds,
            is_audited=is_audited,
        )  # fmt: skip
    return result


def check_row(row: SettingsModel) -> CheckResult:
    """Test one settings row as it is stored, whatever the caches hold; kept and audited.

    What is wrong is in the message; raises DatabaseError only.
    """
    try:
        config = row_snapshot(row.info.slug, row.business, describe_row(row), source="row")
        is_complete = config.configured
    except IntegrationError as error:
        return CheckResult(False, error.message, help_url=error.help_url)
    if not is_complete:
        return CheckResult(
            False, f"{config.label} is not configured.", help_url=help_url("not_configured")
        )
    result = run_check(config)
    row.note_test(ok=result.ok, message=result.message, milliseconds=result.milliseconds)
    return result


def row_status(row: SettingsModel) -> RowStatus:
    """What is known of a row without asking the provider.

    A test older than the last change of the row says nothing about the row.
    """
    link = getattr(row, "integration", None)
    if link is not None and not link.is_active:
        return RowStatus.DISABLED
    if not all(getattr(row, name) for name in row.info.required):
        return RowStatus.NOT_CONFIGURED
    if row.last_test_at is None or row.last_test_at < row.updated_at:
        return RowStatus.NOT_TESTED
    return RowStatus.CONNECTED if row.last_test_ok else RowStatus.FAILING


def run_check(config: Snapshot) -> CheckResult:
    """Run the integration's connection test on a snapshot, saved or not."""
    test = registry.connection_test(config.slug)
    if test is None:
        return CheckResult(False, f"{config.label} has no connection test.")
    started, explained = time.monotonic(), ""
    try:
        message, is_ok = test(config), True
    except IntegrationError as error:
        message, is_ok, explained = error.message, False, error.help_url
    except Exception:
        logger.exception("connection test of %s failed", config.slug)
        message, is_ok = UNEXPECTED, False
    milliseconds = round((time.monotonic() - started) * 1000)
    return CheckResult(is_ok, message, milliseconds, explained)


def _row_of(config: Snapshot) -> SettingsModel | None:
    if config.row_id is None:
        return None
    model = registry.settings_model(config.slug)
    row: SettingsModel | None = model._default_manager.filter(pk=config.row_id).first()
    return row
