"""Health of a business's further accounts, beside its main one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connections
from django.db.models import F

from integrations import registry
from integrations.health.checks import RowStatus, check_integration, row_status
from integrations.models import SettingsModel

# Tested at once; of more, those whose last test is the oldest, so that all have their turn.
TESTED = 16
_STATUSES = {
    RowStatus.CONNECTED: "healthy",
    RowStatus.FAILING: "unhealthy",
    RowStatus.NOT_TESTED: "unhealthy",
    RowStatus.NOT_CONFIGURED: "not_configured",
    RowStatus.DISABLED: "inactive",
}


def further_accounts(slug: str, business: str) -> list[dict[str, Any]]:
    """`{account, status, connected, message}` of each further row, tested now, by account.

    [] for an integration or a business with one row.
    """
    model = registry.settings_model(slug)
    field = model.account_field
    if not field:
        return []
    found = model._default_manager.filter(business=business, is_main=False)
    by_age = found.select_related("integration").order_by(
        F("last_test_at").asc(nulls_first=True), "pk"
    )
    rows = list(by_age)
    later = (_describe(row, row.last_test_message) for row in rows[TESTED:])
    told = [*_tested(rows[:TESTED]), *later]
    return sorted(told, key=lambda each: str(each["account"]))


def _tested(rows: list[SettingsModel]) -> list[dict[str, Any]]:
    if not rows:
        return []
    with ThreadPoolExecutor(len(rows), thread_name_prefix="health") as pool:
        return list(pool.map(_test, rows))


def _test(row: SettingsModel) -> dict[str, Any]:
    try:
        status = row_status(row)
        if status in (RowStatus.DISABLED, RowStatus.NOT_CONFIGURED):
            return _describe(row, str(status.label))
        result = check_integration(
            row.info.slug, row.business, getattr(row, row.account_field), is_audited=False
        )
        row.refresh_from_db()
        return _describe(row, result.message)
    finally:
        connections.close_all()


def _describe(row: SettingsModel, message: str) -> dict[str, Any]:
    status = _STATUSES[row_status(row)]
    return {
        "account": getattr(row, row.account_field),
        "status": status,
        "connected": status == "healthy",
        "message": message or "Not tested yet.",
    }
