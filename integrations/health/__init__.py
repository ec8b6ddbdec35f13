"""Is it configured, is it on, does it answer: checks and the documented status dict."""

from integrations.health.checks import (
    CheckResult,
    RowStatus,
    check_integration,
    check_row,
    row_status,
    run_check,
)
from integrations.health.status import all_status, integration_status, known_slugs, late_status

__all__ = [
    "CheckResult",
    "RowStatus",
    "all_status",
    "check_integration",
    "check_row",
    "integration_status",
    "known_slugs",
    "late_status",
    "row_status",
    "run_check",
]
