"""Is it configured, is it on, does it answer: checks and the documented status dict."""

from integrations.health.checks import CheckResult, check_integration, run_check
from integrations.health.status import all_status, integration_status, known_slugs

__all__ = [
    "CheckResult",
    "all_status",
    "check_integration",
    "integration_status",
    "known_slugs",
    "run_check",
]
