"""The admin of the hub, on the django-unfold theme. Importing it registers everything."""

from integrations.admin import (
    allotments,
    approvals,
    balances,
    c2b,
    expectations,
    grants,
    installation,
    kra_branches,
    kra_checks,
    kra_filings,
    kra_invoices,
    kra_settings,
    payments,
    payout_batches,
    queries,
    queues,
    rotation,
    statement_items,
    statements,
    tokens,
    trail,
    webhook_endpoints,
    webhook_events,
    webhook_replays,
    work_list,
)
from integrations.admin.people import register_people
from integrations.admin.settings_admin import register_settings

register_settings()
register_people()

__all__ = [
    "allotments",
    "approvals",
    "balances",
    "c2b",
    "expectations",
    "grants",
    "installation",
    "kra_branches",
    "kra_checks",
    "kra_filings",
    "kra_invoices",
    "kra_settings",
    "payments",
    "payout_batches",
    "queries",
    "queues",
    "rotation",
    "statement_items",
    "statements",
    "tokens",
    "trail",
    "webhook_endpoints",
    "webhook_events",
    "webhook_replays",
    "work_list",
]
