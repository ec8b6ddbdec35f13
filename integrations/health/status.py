"""The documented status of every integration (compatibility reference, section 4.2)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from django.db import Error as DatabaseError
from django.db import connections

from integrations import registry
from integrations.config import Snapshot, get_snapshot
from integrations.exceptions import IntegrationError
from integrations.health.accounts import further_accounts
from integrations.health.checks import CheckResult, check_integration
from integrations.health.warnings import warnings_for

# The total limit of a status of everything, in seconds.
TOTAL_SECONDS = 30.0
NOT_BUILT = CheckResult(False, "This integration is not available in this version.")


def integration_status(slug: str, business: str = "") -> dict[str, Any]:
    """Status of one integration, its connection tested now unless it is switched off.

    Keys: configured, active, connection `[bool, str]`, connected, message, warnings (sentences
    about what needs somebody although it may be connected), and status, one of healthy,
    unhealthy, inactive, not_configured. With further accounts also `accounts`; one of them that
    fails makes the whole unhealthy.
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
    described = _with_accounts(_describe(configured, active, status, result), slug, business)
    return {**described, "warnings": warnings_for(slug, business) if configured else []}


def _with_accounts(answer: dict[str, Any], slug: str, business: str) -> dict[str, Any]:
    if registry.find_integration(slug) is None:
        return answer
    try:
        accounts = further_accounts(slug, business)
    except DatabaseError:
        return answer  # told already: the settings can't be read
    if not accounts:
        return answer
    failing = next((each for each in accounts if each["status"] == "unhealthy"), None)
    if failing is not None and answer["status"] != "unhealthy":
        result = CheckResult(False, f"{failing['account']}: {failing['message']}")
        answer = _describe(answer["configured"], answer["active"], "unhealthy", result)
    return {**answer, "accounts": accounts}


def _describe(configured: bool, active: bool, status: str, result: CheckResult) -> dict[str, Any]:
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


def late_status(slug: str, business: str, seconds: float) -> dict[str, Any]:
    """What is told of an integration whose test did not answer within `seconds`."""
    found = CheckResult(False, f"The test did not answer within {seconds:g} seconds.")
    try:
        config = get_snapshot(slug, business)
    except IntegrationError:
        return {**_describe(False, False, "unhealthy", found), "warnings": []}
    described = _describe(config.configured, config.active, "unhealthy", found)
    return {**described, "warnings": []}


def all_status(business: str = "", *, seconds: float = TOTAL_SECONDS) -> dict[str, dict[str, Any]]:
    """Every known integration, tested side by side for `seconds` in all."""
    slugs = known_slugs()
    pool = ThreadPoolExecutor(max_workers=len(slugs), thread_name_prefix="health")
    try:
        futures = {slug: pool.submit(_in_thread, slug, business) for slug in slugs}
        wait(futures.values(), timeout=seconds)
        return {
            slug: future.result() if future.done() else late_status(slug, business, seconds)
            for slug, future in futures.items()
        }
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _in_thread(slug: str, business: str) -> dict[str, Any]:
    try:
        return integration_status(slug, business)
    finally:
        connections.close_all()
