"""The page of the domain events, from their declaration."""

from __future__ import annotations

from collections.abc import Mapping

from integrations.approvals import event_types as approvals
from integrations.management.reference.markdown import code, page, table
from integrations.payments import event_types as payments

INTRO = """\
An event is stored in the transaction of the change it tells of, and delivered afterwards, at
least once, by the Django signal `integrations.signals.integration_event`. [Listen to
events](../how-to/listen-to-events.md) shows how, and what is promised."""


def events_page() -> str:
    """Every event type, and what the events of each kind carry."""
    types = {**payments.EVENTS, **approvals.EVENTS}
    return page(
        "Events",
        INTRO,
        "## Types",
        table(["type", "when"], ([code(name), text] for name, text in types.items())),
        "## The payload of payment events",
        _payload(payments.PAYLOAD),
        "## The payload of the events of expected payments",
        _payload(payments.EXPECTATION_PAYLOAD),
        "## The payload of payout file events",
        _payload(payments.BATCH_PAYLOAD),
        "## The payload of approval events",
        _payload(approvals.PAYLOAD),
        "## The payload of balance events",
        _payload(payments.BALANCE_PAYLOAD),
        "## The payload of `mpesa.initiator_failing`",
        _payload(payments.INITIATOR_PAYLOAD),
    )


def _payload(keys: Mapping[str, str]) -> str:
    return table(["key", "meaning"], ([code(name), text] for name, text in keys.items()))
