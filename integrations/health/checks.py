"""Connection tests: run one, time it, say in words what happened, remember the result."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from integrations import registry
from integrations.config import Snapshot, get_snapshot
from integrations.exceptions import IntegrationError
from integrations.models import SettingsModel

logger = logging.getLogger(__name__)
UNEXPECTED = "The test failed unexpectedly; the log has the details."


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A connection test's result. `message` is safe to show."""

    ok: bool
    message: str
    milliseconds: int = 0


def check_integration(slug: str, business: str = "", *, is_audited: bool = True) -> CheckResult:
    """Test the saved settings of an integration; the result is kept on the row.

    `is_audited` is for tests that somebody asked for, not for polling. What is wrong is in the
    message; raises DatabaseError only, where the result can't be kept.
    """
    try:
        config = get_snapshot(slug, business)
    except IntegrationError as error:
        return CheckResult(False, error.message)
    if not config.configured:
        return CheckResult(False, f"{config.label} is not configured.")
    result = run_check(config)
    row = _row_of(config)
    if row is not None:
        row.note_test(
            ok=result.ok, message=result.message, milliseconds=result.milliseconds,
            is_audited=is_audited,
        )  # fmt: skip
    return result


def run_check(config: Snapshot) -> CheckResult:
    """Run the integration's connection test on a snapshot, saved or not."""
    test = registry.connection_test(config.slug)
    if test is None:
        return CheckResult(False, f"{config.label} has no connection test.")
    started = time.monotonic()
    try:
        message, is_ok = test(config), True
    except IntegrationError as error:
        message, is_ok = error.message, False
    except Exception:
        logger.exception("connection test of %s failed", config.slug)
        message, is_ok = UNEXPECTED, False
    return CheckResult(is_ok, message, round((time.monotonic() - started) * 1000))


def _row_of(config: Snapshot) -> SettingsModel | None:
    if config.row_id is None:
        return None
    model = registry.settings_model(config.slug)
    row: SettingsModel | None = model._default_manager.filter(pk=config.row_id).first()
    return row
