"""The documented status of every integration (compatibility reference, section 4.2)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connections

from integrations import registry
from integrations.config import Snapshot, get_snapshot
from integrations.exceptions import IntegrationError
from integrations.health.checks import CheckResult, check_integration

NOT_BUILT = CheckResult(False, "This integration is not available in this version.")


def integration_status(slug: str, business: str = "") -> dict[str, Any]:
    """Status of one integration, its connection tested now unless it is switched off.

    Keys: configured, active, connection `[bool, str]`, connected, message, and status, one of
    healthy, unhealthy, inactive, not_configured.
    """
    configured, active = False, False
    status, result = "not_configured", NOT_BUILT
    if registry.find_integration(slug) is not None:
        try:
            config = get_snapshot(slug, business)
        except IntegrationError as error:
            is_unknown = error.code == "unknown_business"
            status = "not_configured" if is_unknown else "unhealthy"
            result = CheckResult(False, error.message)
        else:
            configured, active = config.configured, config.active
            status, result = _look(config)
    return {
        "configured": configured,
        "active": active,
        "connection": [result.ok, result.message],
        "status": status,
        "connected": result.ok,
        "message": result.message,
    }


def _look(config: Snapshot) -> tuple[str, CheckResult]:
    if config.configured and not config.active:
        return "inactive", CheckResult(False, f"{config.label} is switched off.")
    result = check_integration(config.slug, config.business, is_audited=False)
    if result.ok:
        return "healthy", result
    return "unhealthy" if config.configured else "not_configured", result


def known_slugs() -> list[str]:
    """Every documented and every declared integration, the documented ones first."""
    declared = (item.slug for item in registry.integrations())
    return list(dict.fromkeys([*registry.DOCUMENTED_SLUGS, *declared]))


def all_status(
    business: str = "", *, check: Callable[[str, str], dict[str, Any]] = integration_status
) -> dict[str, dict[str, Any]]:
    """Every known integration by `check`, side by side."""
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="health") as pool:
        futures = {slug: pool.submit(_in_thread, check, slug, business) for slug in known_slugs()}
        return {slug: future.result() for slug, future in futures.items()}


def _in_thread(
    check: Callable[[str, str], dict[str, Any]], slug: str, business: str
) -> dict[str, Any]:
    try:
        return check(slug, business)
    finally:
        connections.close_all()
