"""Where money goes: the environment that payments of a business are resolved to."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from integrations import registry
from integrations.access import Scope
from integrations.admin.badges import Badge, environment_badge
from integrations.config import get_snapshot
from integrations.config.environment import environment_row
from integrations.exceptions import ConfigurationError, IntegrationError
from integrations.models import Environment, SettingsModel

LIVE = Environment.PRODUCTION


def moves_real_money(scope: Scope) -> bool:
    """Whether a business of the scope is resolved to production that is not switched off.

    At most two queries per integration, however many businesses there are.
    """
    return any(_is_live(item.slug, scope) for item in registry.integrations())


def _is_live(slug: str, scope: Scope) -> bool:
    model: Any = registry.settings_model(slug)
    rows: QuerySet[Any] = model._default_manager.all()
    if not scope.is_all:
        return _is_one_live(slug, rows, scope.businesses)
    if _switched_on(rows.filter(environment=LIVE)).exists():
        return True
    # Every business that has no row, and there may always be one.
    variables = _live_variables(slug)
    return variables is not None and (variables.shared or not rows.filter(business="").exists())


def _is_one_live(slug: str, rows: QuerySet[Any], businesses: frozenset[str]) -> bool:
    """Of these businesses: its own row, or a shared one of the installation, or variables."""
    found = list(_related(rows.filter(business__in={*businesses, ""})))
    without = businesses - {row.business for row in found}
    theirs = [row for row in found if row.business in businesses]
    lent = [row for row in found if row.business == "" and row.shared]
    if without or rows.model.account_field:
        # By its account a shared row can be named by a business that has rows of its own, too.
        theirs += lent
    if without and not any(getattr(row, "is_main", True) for row in lent):
        variables = _live_variables(slug)
        if variables is not None and (variables.shared or "" in without):
            return True
    return any(row.environment == LIVE and _is_on(row) for row in theirs)


def _live_variables(slug: str) -> SettingsModel | None:
    """What the environment variables say, where it is production. Unusable ones send nothing."""
    try:
        row = environment_row(slug)
    except ConfigurationError:
        return None
    return row if row is not None and row.environment == LIVE else None


def _is_linked(rows: QuerySet[Any]) -> bool:
    return any(field.name == "integration" for field in rows.model._meta.fields)


def _switched_on(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.exclude(integration__is_active=False) if _is_linked(rows) else rows


def _related(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.select_related("integration") if _is_linked(rows) else rows


def _is_on(row: Any) -> bool:
    link = getattr(row, "integration", None)
    return link is None or bool(link.is_active)


def payment_badge_of(business: str, short_code: str = "") -> Badge:
    """Where a payment of this business would go now: its environment, or why it goes nowhere."""
    try:
        snapshot = get_snapshot("mpesa", business, short_code)
    except IntegrationError:
        return Badge("No usable settings", "warn")
    if not snapshot.configured:
        return Badge("Not configured", "warn")
    return environment_badge(snapshot.environment) if snapshot.active else Badge("Disabled", "calm")
