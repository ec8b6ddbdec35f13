"""Connection tests from the admin: of saved rows, and of what was typed but not saved."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from django.db import connections

from integrations.admin.badges import missing_fields
from integrations.config import Snapshot
from integrations.config.rows import describe_row, row_snapshot
from integrations.exceptions import IntegrationError, help_url
from integrations.health import CheckResult, run_check
from integrations.models import AuditEntry, SettingsModel

MAX_ROWS = 20


def try_saved(rows: Sequence[SettingsModel]) -> list[CheckResult]:
    """Test rows as they are stored, side by side; results are kept on the rows and audited."""
    results = _run_all([_snapshot(row) for row in rows])
    for row, result in zip(rows, results, strict=True):
        row.note_test(ok=result.ok, message=result.message, milliseconds=result.milliseconds)
    return results


def try_typed(
    row: SettingsModel, before: SettingsModel | None, *, changed: Sequence[str]
) -> CheckResult:
    """Test an unsaved row; nothing is kept but the audit entry.

    Its secrets are bound as saving would bind them, so a stored secret is never sent to a host
    that it was not saved for. `changed` are the names of the typed fields.
    """
    row.bind_secrets(before)
    result = _run(_snapshot(row))
    hosts = ", ".join(row.outbound_hosts())
    AuditEntry.objects.record(
        "settings.tested_unsaved", target=before, business=row.business, fields=changed,
        detail=f"{hosts}: {result.message}",
    )  # fmt: skip
    return result


def _run_all(snapshots: list[Snapshot | CheckResult]) -> list[CheckResult]:
    if len(snapshots) < 2:
        return [_run(snapshot) for snapshot in snapshots]
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="trial") as pool:
        return list(pool.map(_in_thread, snapshots))


def _run(snapshot: Snapshot | CheckResult) -> CheckResult:
    return snapshot if isinstance(snapshot, CheckResult) else run_check(snapshot)


def _snapshot(row: SettingsModel) -> Snapshot | CheckResult:
    missing = missing_fields(row)
    if missing:
        label = row.info.label
        return CheckResult(
            False,
            f"{label} is not configured: enter the {', '.join(missing)}.",
            help_url=help_url("not_configured"),
        )
    try:
        return row_snapshot(row.info.slug, row.business, describe_row(row), source="row")
    except IntegrationError as error:
        return CheckResult(False, error.message, help_url=error.help_url)


def _in_thread(snapshot: Snapshot | CheckResult) -> CheckResult:
    try:
        return _run(snapshot)
    finally:
        connections.close_all()
