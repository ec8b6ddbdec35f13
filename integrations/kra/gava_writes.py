"""What writes to GavaConnect have in common: they are stored first and sent once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from integrations.config import Snapshot
from integrations.exceptions import (
    IntegrationError,
    InvalidInput,
    OutcomeUnknown,
    TransportError,
)
from integrations.models import KRASettings
from integrations.payments.answers import in_transaction
from integrations.providers.kra.client.gavaconnect import LONGEST_WAIT, GavaAnswer

# A row that is still being sent after so long was left by a crash: longer than any call lasts.
LOST_AFTER = timedelta(seconds=2 * LONGEST_WAIT)
LOST = (
    "The process stopped while this was being sent: KRA may have carried it out. Look on iTax, "
    "then tell here what became of it."
)
IN_DOUBT = "KRA may have carried it out: look on iTax, then tell here what became of it."


def refuse_open_transaction(what: str) -> None:
    """Raises IntegrationError inside a transaction that could undo the row of what is sent."""
    if in_transaction():
        raise IntegrationError(
            f"{what} can't be sent inside an open transaction, which could undo its record. Call "
            "it after the commit, such as by transaction.on_commit().",
            code="open_transaction",
        )


def refuse_anothers_pin(config: Snapshot, kra_pin: str, field: str = "kra_pin") -> None:
    """Raises InvalidInput (code "not_yours") for a PIN that only others have in their settings.

    KRA's apps file for any taxpayer, so nobody else would stop one business from filing in the
    name of another one. PINs that no settings have (an agent's clients) are let through.
    """
    if kra_pin == config.text("kra_pin"):
        return
    owners = set(
        KRASettings.objects.filter(kra_pin=kra_pin).values_list("business", flat=True).distinct()
    )
    if owners and config.business not in owners:
        raise InvalidInput(field, "belongs to another business's settings.", code="not_yours")


class NotDone(Exception):
    """Certainly not carried out; `error` says why."""

    def __init__(self, error: IntegrationError) -> None:
        super().__init__(error.message)
        self.error = error


class InDoubt(Exception):
    """Perhaps carried out; `error` says what is known."""

    def __init__(self, error: IntegrationError) -> None:
        super().__init__(error.message)
        self.error = error


def send_once(ask: Callable[[], GavaAnswer]) -> GavaAnswer:
    """The answer of success; raises NotDone or InDoubt for every error of ours."""
    try:
        return ask()
    except OutcomeUnknown as error:
        raise InDoubt(error) from None
    except TransportError as error:
        raise (InDoubt(error) if error.sent else NotDone(error)) from None
    except IntegrationError as error:  # KRA said no, or it never left
        raise NotDone(error) from None
