"""The documented status of every integration (compatibility reference, section 4.2)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connections

from integrations import registry
from integrations.config import get_snapshot
from integrations.exceptions import IntegrationError
from integrations.health.checks import CheckResult, check_integration

NOT_BUILT = CheckResult(False, "This integration is not available in this version.")


def integration_status(slug: str, business: str = "") -> dict[str, Any]:
    """Status of one integration, its connection tested now.

    Keys: configured, active, connection `[bool, str]`, status, connected, message.
    """
    configured, active, result, failed = False, False, NOT_BUILT, False
    if registry.find_integration(slug) is not None:
        try:
            config = get_snapshot(slug, business)
            configured, active = config.configured, config.active
        except IntegrationError as error:
            result = CheckResult(False, error.message)
            failed = error.code != "unknown_business"
        else:
            result = check_integration(slug, business, is_audited=False)
    return {
        "configured": configured,
        "active": active,
        "connection": [result.ok, result.message],
        "status": (
            "healthy" if result.ok else "unhealthy" if configured or failed else "not_configured"
        ),
        "connected": result.ok,
        "message": result.message,
    }


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
