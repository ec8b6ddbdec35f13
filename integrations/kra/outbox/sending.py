"""Sending a document that is committed as `sending`: every answer becomes a move of it."""

from __future__ import annotations

import logging

from integrations.config import Snapshot
from integrations.exceptions import (
    ConfigurationUnavailable,
    IntegrationError,
    InvalidInput,
    OutcomeUnknown,
    TransportError,
    Unsupported,
)
from integrations.kra.outbox import holds, late, numbering, outcomes
from integrations.models import KRAInvoice
from integrations.providers.kra.client import EtimsClient, EtimsRefused, are_keys_refused
from integrations.providers.kra.codes import Kind, Meaning, is_numbering_code
from integrations.work import Kept, Outcome

logger = logging.getLogger(__name__)
# Seconds until a document is sent again after KRA said that it is asked too often.
BUSY_PAUSE = 15.0
# Our own breaker or limit: nothing was tried, so nothing counts.
_OURS = frozenset({"breaker_open", "rate_limited"})
OURS_PAUSE = 5.0
SLEPT = "The time for it was over before it could be sent; it is sent again."


def send(invoice: KRAInvoice, config: Snapshot, *, was_in_doubt: bool) -> Outcome:
    """Send the stored body, and move the document by what comes back.

    `was_in_doubt`: the same number and body may have been taken already, so only an answer about
    this very number settles it. Raises nothing of KRA's.
    """
    if not invoice.has_time_left():
        outcomes.unsent(
            invoice, SLEPT, code="slept", was_in_doubt=was_in_doubt, due_in=0, is_counted=False
        )
        return Kept()
    try:
        reply = EtimsClient(config).send_sale(
            invoice.body or {}, deadline=invoice.claim_deadline, reference=str(invoice.public_id)
        )
    except EtimsRefused as error:
        _refused(invoice, config, error, was_in_doubt=was_in_doubt)
    except TransportError as error:
        _not_answered(invoice, error, was_in_doubt=was_in_doubt)
    except OutcomeUnknown as error:
        _unknown(invoice, config, error, was_in_doubt=was_in_doubt)
    except IntegrationError as error:
        _not_tried(invoice, error, was_in_doubt=was_in_doubt)
    except Exception as error:
        # The request may be out. Never worse than "in doubt".
        logger.exception("invoice=%s sending_broke", invoice.public_id)
        text = f"Sending broke off: {type(error).__name__}."
        outcomes.doubt(invoice, text, code="broke", was_in_doubt=was_in_doubt)
    else:
        outcomes.sign(invoice, reply, config, kind="signed", text="KRA signed it.")
    return Kept()


def _refused(
    invoice: KRAInvoice, config: Snapshot, error: EtimsRefused, *, was_in_doubt: bool
) -> None:
    meaning = error.meaning
    if is_numbering_code(meaning):
        numbering.settle(invoice, config, meaning, was_in_doubt=was_in_doubt)
    elif meaning.kind is Kind.DEVICE:
        outcomes.unsent(
            invoice, outcomes.words_of(meaning), code=meaning.code, was_in_doubt=was_in_doubt,
            due_in=holds.LOOK_EVERY, is_answered=True, config=config,
        )  # fmt: skip
        holds.hold(invoice.branch_id, meaning.sentence, code=holds.DEVICE)
    elif meaning.kind is Kind.BUSY:
        outcomes.unsent(
            invoice, outcomes.words_of(meaning), code=meaning.code, was_in_doubt=was_in_doubt,
            due_in=BUSY_PAUSE, is_answered=True, config=config,
        )  # fmt: skip
    elif meaning.kind is Kind.REFUSED:
        _reject(invoice, config, meaning, text=error.text, was_in_doubt=was_in_doubt)
    else:
        outcomes.doubt(invoice, error.message, code=error.code, was_in_doubt=was_in_doubt)


def _reject(
    invoice: KRAInvoice, config: Snapshot, meaning: Meaning, *, text: str, was_in_doubt: bool
) -> None:
    """KRA refused the document. Where it was in doubt, KRA is asked once more before that is
    believed: a first request that was slow may have been taken meanwhile.
    """
    if was_in_doubt and numbering.settle_if_found(invoice, config):
        return
    is_blind = was_in_doubt and not numbering.can_look_up(config)
    if is_blind and late.may_arrive(invoice, meaning.code):
        # Sent again in a while: by then a unit that has taken it says so.
        outcomes.doubt(invoice, late.REFUSED, code=meaning.code, was_in_doubt=True)
        return
    outcomes.reject(
        invoice, outcomes.words_of(meaning), code=meaning.code, config=config, told=text
    )


def _not_answered(invoice: KRAInvoice, error: TransportError, *, was_in_doubt: bool) -> None:
    if error.sent:
        outcomes.doubt(invoice, error.message, code=error.code, was_in_doubt=was_in_doubt)
        return
    is_ours = error.code in _OURS
    outcomes.unsent(
        invoice, f"{error.message} It waits, and is sent as soon as KRA can be reached.",
        code=error.code, was_in_doubt=was_in_doubt,
        due_in=OURS_PAUSE if is_ours else None, is_counted=not is_ours,
    )  # fmt: skip
    if error.code == "blocked_address":
        holds.hold(invoice.branch_id, error.message, code=holds.SETTINGS)


def _unknown(
    invoice: KRAInvoice, config: Snapshot, error: OutcomeUnknown, *, was_in_doubt: bool
) -> None:
    if error.code == "no_signature":
        can = numbering.can_look_up(config)
        outcomes.register(invoice, error.message, config, can_be_fetched=can)
        return
    outcomes.doubt(invoice, error.message, code=error.code, was_in_doubt=was_in_doubt)


def _not_tried(invoice: KRAInvoice, error: IntegrationError, *, was_in_doubt: bool) -> None:
    """Refused on our side, before anything left: by settings, credentials, or the body."""
    if isinstance(error, InvalidInput) and not was_in_doubt:
        outcomes.reject(invoice, error.message, code=error.code)
        return
    is_lasting = not isinstance(error, ConfigurationUnavailable)
    outcomes.unsent(
        invoice, error.message, code=error.code, was_in_doubt=was_in_doubt,
        due_in=holds.LOOK_EVERY if is_lasting else None,
    )  # fmt: skip
    if is_lasting:
        holds.hold(invoice.branch_id, error.message, code=_why(error))


def _why(error: IntegrationError) -> str:
    if are_keys_refused(error):
        return holds.CREDENTIALS
    return holds.BOOKS if isinstance(error, Unsupported) else holds.SETTINGS
