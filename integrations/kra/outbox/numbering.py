"""Answers about the number: KRA has it already, or expects another one. Whose is it?

    expected > ours, or a duplicate   KRA has our number: it is looked up. Ours: signed with what
                                      was found. Another's: the counter moves, and we take the next.
    expected < ours                   our book has more than KRA's: nothing of ours was taken from
                                      there on. Documents that were only `registered` go again;
                                      where one is signed, the branch is held for a person.

Where the transport has no look-up (VSCU), a number that we sent before counts as ours
(`registered`: a person enters the signature), also where it was refused when it was sent again;
one that we never sent holds the branch.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from integrations.config import Snapshot
from integrations.exceptions import IntegrationError, Unsupported
from integrations.kra.outbox import book, foreign, holds, late, outcomes
from integrations.kra.outbox.compare_found import Verdict, verdict_of
from integrations.models import InvoiceState, KRABranch, KRAInvoice, KRAInvoiceEvent
from integrations.providers.kra.client import EtimsClient, FoundInvoice, path_of
from integrations.providers.kra.codes import Kind, Meaning

# In the history: KRA's answer to the very first try.
TAKEN_BEFORE = "number_taken"
UNCLEAR = "KRA has number {} and tells too little of it to say whether it is this document."
NOT_FOUND = "KRA says that it has number {}, and does not find it when it is asked."
AHEAD = (
    "Our book has invoices up to number {}, and KRA expects number {}: KRA does not have what we "
    "hold as signed. Nothing is sent until somebody has compared the books."
)
USED = (
    "KRA's control unit says that number {} is used, and nothing was sent under it from here. "
    "Look into its book: set the number of the next invoice, or repair the unit, and let the "
    "branch go on."
)
GAP = (
    "KRA expects number {expected} and not {number}, and knows nothing under {number}. Compare "
    "the books, set the number of the next invoice, and let the branch go on."
)


def can_look_up(config: Snapshot) -> bool:
    """Whether this transport can find an invoice by its number."""
    try:
        path_of(config, "find_invoice")
    except IntegrationError:
        return False
    return True


def settle(invoice: KRAInvoice, config: Snapshot, meaning: Meaning, *, was_in_doubt: bool) -> None:
    """Settle a document that was refused for its number alone."""
    number, expected = int(invoice.number or 0), meaning.expected
    if meaning.kind is Kind.SEQUENCE and expected is not None and expected < number:
        _book_ahead(invoice, config, expected)
        return
    try:
        found = look_up(invoice, config)
    except Unsupported:
        _settle_blind(invoice, config, meaning, was_in_doubt=was_in_doubt)
        return
    except IntegrationError as error:
        # KRA has the number; whether it is ours is asked later.
        _note_taken(invoice, was_in_doubt=was_in_doubt)
        outcomes.doubt(invoice, error.message, code=error.code, was_in_doubt=was_in_doubt)
        return
    if found is not None:
        proven = _proven(invoice, config, expected)
        settle_found(invoice, found, config, was_in_doubt=was_in_doubt, expected=proven)
    elif meaning.kind is Kind.DUPLICATE:
        words = NOT_FOUND.format(number)
        outcomes.doubt(
            invoice, words, code=meaning.code, was_in_doubt=was_in_doubt, attention=words
        )
    else:
        _hold_gap(invoice, config, meaning, was_in_doubt=was_in_doubt)


def _proven(invoice: KRAInvoice, config: Snapshot, expected: int | None) -> int | None:
    """The number that KRA expects, if its own book goes up to there; else None.

    A misread word would make a gap for good where KRA does not mind one.
    """
    if expected is None or expected <= int(invoice.number or 0) + 1:
        return expected
    try:
        return expected if look_up(invoice, config, expected - 1) is not None else None
    except IntegrationError:
        return None


def look_up(
    invoice: KRAInvoice, config: Snapshot, number: int | None = None
) -> FoundInvoice | None:
    """What KRA has under the document's number, or `number`; raises what `find_invoice` raises."""
    return EtimsClient(config).find_invoice(
        number or int(invoice.number or 0), deadline=invoice.claim_deadline or None,
        reference=str(invoice.public_id),
    )  # fmt: skip


def settle_if_found(invoice: KRAInvoice, config: Snapshot) -> bool:
    """Settle a document in doubt that KRA just refused, where KRA turns out to have it.

    True also where KRA could not be asked: then it stays in doubt.
    """
    try:
        found = look_up(invoice, config)
    except Unsupported:
        return False
    except IntegrationError as error:
        outcomes.doubt(invoice, error.message, code=error.code, was_in_doubt=True)
        return True
    if found is None:
        return False
    settle_found(invoice, found, config, was_in_doubt=True)
    return True


def settle_found(
    invoice: KRAInvoice,
    found: FoundInvoice,
    config: Snapshot,
    *,
    was_in_doubt: bool,
    expected: int | None = None,
) -> bool:
    """Settle a document by what KRA has under its number.

    False where that tells too little: a person is told, and it stays in doubt.
    """
    began = _began(invoice) if was_in_doubt and config.values["is_receipt_enough"] else None
    verdict = verdict_of(invoice, found, began=began)
    if verdict is Verdict.OURS:
        _take_found(invoice, found, config)
        return True
    if verdict is Verdict.OTHER:
        foreign.give_way(invoice, found, config, expected=expected)
        return True
    _note_taken(invoice, was_in_doubt=was_in_doubt)
    words = UNCLEAR.format(found.number)
    if invoice.state == InvoiceState.IN_DOUBT:
        # It was only asked about: whoever did so looks again later.
        book.flag(invoice, words)
    else:
        outcomes.doubt(invoice, words, code="unclear", was_in_doubt=was_in_doubt, attention=words)
    return False


def _note_taken(invoice: KRAInvoice, *, was_in_doubt: bool) -> None:
    """KRA had the number before anything was lost of ours: its receipt proves nothing."""
    if not was_in_doubt:
        book.note(invoice, TAKEN_BEFORE, f"KRA had number {invoice.number} at the first try.")


def _began(invoice: KRAInvoice) -> datetime | None:
    """When the document was first sent under its number; None where that need not be its own.

    KRA had the number before, or another program is known to use this control unit.
    """
    tries = invoice.events.filter(kind__in=["sending", TAKEN_BEFORE], number=invoice.number)
    last = tries.order_by("-id").first()
    if last is None or last.kind == TAKEN_BEFORE:
        return None
    strangers = KRAInvoiceEvent.objects.filter(
        kind="number_foreign", invoice__branch_id=invoice.branch_id
    )
    return None if strangers.exists() else last.at


def _take_found(invoice: KRAInvoice, found: FoundInvoice, config: Snapshot) -> None:
    if found.receipt is None:
        outcomes.register(
            invoice, f"KRA has it under number {found.number}.", config, can_be_fetched=True
        )
        return
    text = f"KRA had it under number {found.number}; its signature was fetched."
    outcomes.sign(invoice, found.receipt, config, kind="found", text=text)


def _settle_blind(
    invoice: KRAInvoice, config: Snapshot, meaning: Meaning, *, was_in_doubt: bool
) -> None:
    """No look-up: what we sent before is ours, what we never sent is for a person."""
    if was_in_doubt:
        outcomes.register(invoice, outcomes.words_of(meaning), config, can_be_fetched=False)
        return
    suspects = late.doubted(invoice)
    if len(suspects) == 1 and late.register(suspects[0], invoice, config):
        return
    names = ", ".join(each.trader_number for each in suspects)
    known = late.PERHAPS.format(invoice.number, names) if names else USED.format(invoice.number)
    words = f"{known} ({meaning.cause})"
    outcomes.unsent(
        invoice, words, code=meaning.code, was_in_doubt=False, due_in=holds.LOOK_EVERY,
        is_answered=True, config=config,
    )  # fmt: skip
    holds.hold(invoice.branch_id, words, code=holds.BOOKS)


def _hold_gap(
    invoice: KRAInvoice, config: Snapshot, meaning: Meaning, *, was_in_doubt: bool
) -> None:
    words = GAP.format(expected=meaning.expected or "another", number=invoice.number)
    outcomes.unsent(
        invoice, words, code=meaning.code or "sequence", was_in_doubt=was_in_doubt,
        due_in=holds.LOOK_EVERY, is_answered=True, config=config,
    )  # fmt: skip
    holds.hold(invoice.branch_id, words, code=holds.BOOKS)


def _book_ahead(invoice: KRAInvoice, config: Snapshot, expected: int) -> None:
    """KRA expects a number below ours: from there on it has nothing of ours."""
    with transaction.atomic():
        book.lock(invoice)
        ours = KRAInvoice.objects.filter(branch_id=invoice.branch_id, number__gte=expected)
        others = ours.exclude(pk=invoice.pk)
        is_held = others.exclude(state=InvoiceState.REGISTERED).exists() or not others.exists()
        # No book begins before 1: misread, or a fault of KRA's.
        is_held = is_held or expected < 1
        if not outcomes.unsent(
            invoice, f"KRA expects number {expected} first.", code="sequence",
            was_in_doubt=False, due_in=holds.LOOK_EVERY if is_held else 0.0,
            is_answered=True, config=config,
        ):  # fmt: skip
            return
        if is_held:
            last = int(KRABranch.objects.get(pk=invoice.branch_id).last_invoice_number)
            holds.hold(invoice.branch_id, AHEAD.format(last, expected), code=holds.BOOKS)
            return
        for row in others.order_by("pk"):
            book.move(
                row, InvoiceState.QUEUED, kind="not_taken",
                text=f"KRA expects number {expected}, so it never took number {row.number}.",
                changes={**book.NO_NUMBER, "message": "", "attention": "", "attempts": 0},
                due_in=0.0,
            )  # fmt: skip
        KRABranch.objects.filter(pk=invoice.branch_id).update(last_invoice_number=expected - 1)
