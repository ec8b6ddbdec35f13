"""The callback address as a provider will get it, or why it would refuse it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from integrations.config import Snapshot
from integrations.config.rows import describe_row, row_snapshot
from integrations.exceptions import IntegrationError
from integrations.models import SettingsModel
from integrations.payments.stk import callback_url

# Takes the place of the secret part, which every payment has for itself.
PLACEHOLDER = "0" * 32
SHOWN_INSTEAD = "[secret of the payment]"

# How each integration makes its callback address from its settings and a secret.
MAKERS: Mapping[str, Callable[[Snapshot, str], str]] = {"mpesa": callback_url}


class CallbackExample(NamedTuple):
    """The address, or the reason why there is none that works."""

    text: str
    works: bool


def callback_example(row: SettingsModel) -> CallbackExample | None:
    """The address that this row's requests carry; None for integrations without callbacks."""
    make = MAKERS.get(row.info.slug)
    if make is None:
        return None
    try:
        config = row_snapshot(row.info.slug, row.business, describe_row(row), source="row")
        return CallbackExample(make(config, PLACEHOLDER).replace(PLACEHOLDER, SHOWN_INSTEAD), True)
    except IntegrationError as error:
        return CallbackExample(error.message, False)
