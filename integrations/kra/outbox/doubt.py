"""A document of which it is not known whether KRA has it: ask, then send the very same again.

Never another number, never another body: KRA takes a number once, whoever repeats it.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from integrations.config import Snapshot
from integrations.exceptions import (
    ConfigurationError,
    ConfigurationUnavailable,
    IntegrationError,
    OutcomeUnknown,
    TransportError,
    Unsupported,
)
from integrations.kra.config import config_of
from integrations.kra.outbox import book, holds, numbering, outcomes
from integrations.kra.outbox.sending import send
from integrations.models import InvoiceState, KRAInvoice
from integrations.providers.kra.client import EtimsRefused, SaleReply, are_keys_refused
from integrations.providers.kra.codes import Kind
from integrations.work import Again, Done, Kept, Outcome

SENDER_LOST = "The process that was sending stopped; whether KRA has it is being found out."
# Looks for a signature before the document leaves the line and a person is told.
SIGNATURE_LOOKS = 6
# Refused questions before a person is told.
REFUSALS = 5
NO_SETTINGS_PAUSE = 60.0
LOST = "KRA said that it has this document, and does not find it when it is asked for number {}."


def take_over(invoice: KRAInvoice) -> Outcome:
    """Whoever was sending is gone or late. Whether the socket was opened is not known."""
    book.move(
        invoice, InvoiceState.IN_DOUBT, kind="sender_lost", text=SENDER_LOST,
        changes={"message": outcomes.IN_DOUBT, "attempts": 0}, due_in=0.0,
        only_from=[InvoiceState.SENDING], claim=invoice.claim_token,
    )  # fmt: skip
    return Kept()


def resolve(invoice: KRAInvoice) -> Outcome:
    """Ask KRA for the number: ours, another's, or nothing, in which case it is sent again."""
    if not invoice.has_time_left():
        return Again(delay_seconds=0, count_attempt=False)
    if invoice.branch.held_code == holds.CREDENTIALS:
        return _waits_for_keys(invoice.branch.held_reason)
    try:
        config = config_of(invoice.business, invoice.branch, is_sending=False)
    except ConfigurationError as error:
        return Again(delay_seconds=NO_SETTINGS_PAUSE, error=error.message, count_attempt=False)
    try:
        found = numbering.look_up(invoice, config)
    except Unsupported:
        return _send_again(invoice)
    except EtimsRefused as error:
        return _not_told(invoice, config, error)
    except IntegrationError as error:
        if are_keys_refused(error):
            holds.hold(invoice.branch_id, error.message, code=holds.CREDENTIALS)
            return _waits_for_keys(error.message)
        return Again(error=error.message)
    if found is None:
        return _send_again(invoice)
    if numbering.settle_found(invoice, found, config, was_in_doubt=True):
        return Kept()
    return Again(error=numbering.UNCLEAR.format(found.number))


def _waits_for_keys(reason: str) -> Outcome:
    """The client id or secret was refused: KRA is not asked until the settings change."""
    return Again(delay_seconds=holds.LOOK_EVERY, error=reason, count_attempt=False)


def _not_told(invoice: KRAInvoice, config: Snapshot, error: EtimsRefused) -> Outcome:
    """The question was refused: because of the device, or it alone (its path, its product)."""
    if error.meaning.kind is Kind.DEVICE and not holds.works(config, invoice.claim_deadline):
        holds.hold(invoice.branch_id, error.message, code=holds.DEVICE)
        return Again(delay_seconds=holds.LOOK_EVERY, error=error.message, count_attempt=False)
    if invoice.attempts >= REFUSALS:
        book.flag(invoice, f"KRA can't be asked about it: {error.message}")
    return Again(error=error.message)


def _send_again(invoice: KRAInvoice) -> Outcome:
    """KRA has nothing under the number, or can't be asked: the same number, the same body."""
    try:
        config = config_of(invoice.business, invoice.branch, is_sending=True)
    except ConfigurationError as error:
        return Again(delay_seconds=NO_SETTINGS_PAUSE, error=error.message, count_attempt=False)
    if invoice.branch.held_reason and not holds.try_release(invoice.branch, config):
        reason = invoice.branch.held_reason
        return Again(delay_seconds=holds.LOOK_EVERY, error=reason, count_attempt=False)
    with transaction.atomic(durable=True):
        is_ours = book.move(
            invoice, InvoiceState.SENDING, kind="sending_again",
            text=f"Sent again with the same number {invoice.number} and the same content.",
            changes={"times_sent": F("times_sent") + 1, "sent_at": Now()},
            only_from=[InvoiceState.IN_DOUBT], claim=invoice.claim_token,
        )  # fmt: skip
    return send(invoice, config, was_in_doubt=True) if is_ours else Kept()


def fetch_signature(invoice: KRAInvoice) -> Outcome:
    """KRA has it by its own word: fetch the signature, for a while; then a person is told."""
    if invoice.branch.held_code == holds.CREDENTIALS:
        return _waits_for_keys(invoice.branch.held_reason)
    try:
        config = config_of(invoice.business, invoice.branch, is_sending=False)
        found = numbering.look_up(invoice, config)
    except Unsupported:
        book.flag(invoice, outcomes.TYPE_IT)
        return Done()
    except IntegrationError as error:
        if are_keys_refused(error):
            holds.hold(invoice.branch_id, error.message, code=holds.CREDENTIALS)
            return _waits_for_keys(error.message)
        is_away = isinstance(error, TransportError | ConfigurationUnavailable | OutcomeUnknown)
        # Refused, or asked by settings that lead elsewhere by now: it may never be told.
        return _later(invoice, error.message, is_final=not is_away)
    if found is None:
        return _later(invoice, LOST.format(invoice.number), is_final=True)
    if found.receipt is None:
        return _later(invoice, outcomes.NO_SIGNATURE, is_final=True)
    return _sign(invoice, found.receipt, config)


def _sign(invoice: KRAInvoice, receipt: SaleReply, config: Snapshot) -> Outcome:
    outcomes.sign(invoice, receipt, config, kind="found", text="The signature was fetched.")
    return Kept()


def _later(invoice: KRAInvoice, reason: str, *, is_final: bool) -> Outcome:
    if is_final and invoice.attempts >= SIGNATURE_LOOKS:
        book.flag(invoice, reason)
        # Those behind it go on: its number is taken, whatever becomes of the signature.
        return Done()
    return Again(error=reason)
