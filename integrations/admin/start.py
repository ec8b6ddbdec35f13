"""The start page: how things stand, every number a link to its rows. Asks no provider."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from integrations import approvals, registry
from integrations.admin.badges import Badge, environment_badge, settings_badge
from integrations.admin.figures import (
    Card,
    Figure,
    Rows,
    approval_card,
    balance_card,
    call_card,
    callback_card,
    dead_letters,
    initiator_card,
    payment_cards,
    queue_lines,
)
from integrations.admin.kra_figures import tax_card
from integrations.admin.secret_form import tell_age
from integrations.admin.theme import model_page
from integrations.admin.webhook_figures import webhook_card
from integrations.models import SettingsModel
from integrations.work.clock import database_now

# Rows looked at and shown for one integration; whoever has more looks into the list.
LOOKED_AT, SHOWN = 50, 5
_WORST_FIRST = ("Failing", "Not configured", "Not tested", "Connected", "Disabled")


@dataclass(frozen=True)
class HealthLine:
    """One settings row: where it stands by its last test."""

    owner: str
    url: str
    status: Badge
    environment: Badge
    tested: str
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Health:
    """The settings rows of one integration, the worst first."""

    label: str
    lines: list[HealthLine]
    every: Figure
    add_url: str


def fill_start_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the cards that this user may see (the theme's DASHBOARD_CALLBACK)."""
    now = database_now()
    lines = queue_lines(request, now)
    context.update(
        cards=[*_cards(request, now), *([dead_letters(lines)] if lines else [])],
        queues=lines,
        health=_health(request),
        at=now,
    )
    return context


def _cards(request: HttpRequest, now: Any) -> list[Card]:
    cards: list[Card] = []
    if payments := Rows.of(request, "integrations.payment"):
        cards += payment_cards(payments, now)
    # Only where somebody may decide: others have nothing waiting for them, ever.
    if (asked := Rows.of(request, "integrations.approval")) and approvals.kinds_of(request.user):
        cards.append(approval_card(request, asked))
    if callbacks := Rows.of(request, "integrations.inboundcallback"):
        cards.append(callback_card(callbacks))
    if balances := Rows.of(request, "integrations.accountbalance"):
        cards.append(balance_card(balances))
    if alarms := Rows.of(request, "integrations.initiatoralarm"):
        cards.append(initiator_card(alarms))
    if calls := Rows.of(request, "integrations.providercall"):
        cards.append(call_card(calls, now))
    if tax := tax_card(request, now):
        cards.append(tax)
    if webhooks := webhook_card(request, now):
        cards.append(webhooks)
    return cards


def _health(request: HttpRequest) -> list[Health]:
    found = ((item, registry.settings_model(item.slug)) for item in registry.integrations())
    told = (_health_of(request, item.label, model) for item, model in found)
    return [health for health in told if health]


def _health_of(request: HttpRequest, label: str, model: type[SettingsModel]) -> Health | None:
    rows = Rows.of(request, model._meta.label)
    page = model_page(model._meta.label)
    if rows is None or page is None:
        return None
    found = list(rows.query.order_by("pk")[: LOOKED_AT + 1])
    tell = registry.row_warnings(model.info.slug)
    told = tell(found[:LOOKED_AT]) if tell else {}
    lines = sorted((_line(row, told.get(row.pk, ())) for row in found[:LOOKED_AT]), key=_badness)
    count = f"{len(found)}" if len(found) <= LOOKED_AT else f"{LOOKED_AT}+"
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_add"
    add_url = reverse(name) if page.has_add_permission(request) and not found else ""
    return Health(label, lines[:SHOWN], Figure(count, rows.url, "settings"), add_url)


def _line(row: SettingsModel, warnings: Sequence[str]) -> HealthLine:
    tested = "Never tested."
    if row.last_test_at is not None:
        tested = f"{tell_age(row.last_test_at).capitalize()}: {row.last_test_message}"
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return HealthLine(
        _whose(row),
        reverse(name, args=[row.pk]),
        settings_badge(row),
        environment_badge(row.environment),
        tested,
        warnings,
    )


def _whose(row: SettingsModel) -> str:
    owner = row.business or "Installation"
    return owner if getattr(row, "is_main", True) else f"{owner}, {getattr(row, row.account_field)}"


def _badness(line: HealthLine) -> tuple[bool, int]:
    return not line.warnings, _WORST_FIRST.index(line.status.word)
