"""What became of a document that was sent, or asked about: each outcome as one move.

Every function ends the claim under which it is called; where the claim is no longer ours nothing
changes, and whoever took over goes on.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from django.db import Error as DatabaseError
from django.db import connection
from django.db.models import F, Value
from django.db.models.functions import Greatest, Now

from integrations.config import Snapshot
from integrations.kra.outbox import book
from integrations.models import InvoiceState, KRAInvoice, Transport
from integrations.providers.kra.client import SaleReply
from integrations.providers.kra.codes import Meaning
from integrations.work import delay_after

logger = logging.getLogger(__name__)
# Seconds between the tries of what waits for KRA; the last one repeats. Only the first in line
# waits so: as soon as it is through, the others follow at full speed.
BACKOFF = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
# Seconds from a lost answer to the first look.
FIRST_LOOK = 1.0
# Waits between tries to store a signature.
STORE_PAUSES = (0.1, 0.4)
IN_DOUBT = "KRA's answer did not arrive: whether it has the document is being found out."
NO_SIGNATURE = "KRA has the document; its signature could not be fetched."
TYPE_IT = (
    "KRA has the document, and this transport has no way to fetch its signature: read it off the "
    "control unit and enter it."
)


def contact(config: Snapshot | None) -> dict[str, Any]:
    """Branch columns that say: KRA itself answered. A VSCU answers alone, which proves nothing."""
    if config is None or config.values["transport"] == Transport.VSCU:
        return {}
    return {"last_contact_at": Now()}


def taken(number: int, config: Snapshot | None) -> dict[str, Any]:
    """Branch columns that say: KRA has this number."""
    return {"last_invoice_number": at_least(number), **contact(config)}


def at_least(number: int) -> Any:
    """The branch's counter, not below `number`."""
    return Greatest(F("last_invoice_number"), Value(number))


def sign(
    invoice: KRAInvoice, receipt: SaleReply, config: Snapshot, *, kind: str, text: str
) -> bool:
    """KRA has the document, and this is its signature."""
    number = int(invoice.number or 0)
    changes = {**signature_of(receipt, config), "result_code": "000", "result_text": ""}
    if invoice.attention and invoice.events.filter(kind="number_foreign").exists():
        # That another program uses the control unit stays to be looked into.
        del changes["attention"]
    claim = invoice.claim_token
    for pause in (*STORE_PAUSES, None):
        try:
            if invoice.claim_token != claim:
                # The last try got as far as changing what we hold in memory.
                book.lock(invoice)
                invoice.claim_token = claim
            is_moved = book.move(
                invoice, InvoiceState.SIGNED, kind=kind, text=text, changes=changes,
                claim=claim, unit=taken(number, config),
            )  # fmt: skip
            break
        except DatabaseError:
            # The row stays `sending`: after its lease it is looked up, and found.
            if pause is None:
                raise
        time.sleep(pause)
        connection.close_if_unusable_or_obsolete()
    if is_moved and receipt.warning:
        book.flag(invoice, receipt.warning)
    return is_moved


def signature_of(receipt: SaleReply, config: Snapshot) -> dict[str, Any]:
    """A signature as columns of the document. KRA leaves the control unit out: the row has it."""
    return {
        "receipt_number": receipt.receipt_number,
        "total_receipt_number": receipt.total_receipt_number,
        "internal_data": receipt.internal_data,
        "signature": receipt.signature,
        "signed_at": receipt.signed_at or Now(),
        "control_unit_id": receipt.control_unit_id or config.text("control_unit_id"),
        "mrc_no": receipt.mrc_no or config.text("mrc_no"),
        "message": "",
        "attention": "",
    }


def reject(
    invoice: KRAInvoice,
    text: str,
    *,
    code: str,
    config: Snapshot | None = None,
    told: str = "",
    data: dict[str, Any] | None = None,
) -> bool:
    """The document itself was refused: its number goes to the next one."""
    return book.move(
        invoice, InvoiceState.REJECTED, kind="rejected", text=text,
        data={"code": code, **(data or {})},
        changes={
            **book.NO_NUMBER, "result_code": code[:40], "result_text": told[:300],
            "message": text[:300], "attention": "",
        },
        claim=invoice.claim_token, unit=contact(config),
    )  # fmt: skip


def doubt(
    invoice: KRAInvoice, text: str, *, code: str, was_in_doubt: bool, attention: str = ""
) -> bool:
    """KRA may have it: number and body are kept, and it is asked about. Told once."""
    delay = delay_after(invoice.attempts, backoff=BACKOFF) if was_in_doubt else FIRST_LOOK
    changes: dict[str, Any] = {"message": IN_DOUBT, "result_code": code[:40]}
    if not was_in_doubt:
        changes["attempts"] = 0
    is_moved = book.move(
        invoice, InvoiceState.IN_DOUBT, kind="no_answer", text=text, data={"code": code},
        changes=changes, due_in=delay, claim=invoice.claim_token, is_told=not was_in_doubt,
    )  # fmt: skip
    if is_moved and attention:
        book.flag(invoice, attention)
    return is_moved


def unsent(
    invoice: KRAInvoice,
    text: str,
    *,
    code: str,
    was_in_doubt: bool,
    due_in: float | None = None,
    is_counted: bool = True,
    is_answered: bool = False,
    config: Snapshot | None = None,
) -> bool:
    """This time it was not taken, through no fault of the document.

    Its number goes back, unless it may have been taken at an earlier time: then it stays in doubt.
    `is_answered` says that KRA itself refused, else nothing left.
    """
    delay = delay_after(invoice.attempts, backoff=BACKOFF) if due_in is None else due_in
    changes: dict[str, Any] = {"message": text[:300], "result_code": code[:40]}
    if not is_counted:
        changes["attempts"] = Greatest(F("attempts") - 1, Value(0))
    if not is_answered:
        changes["times_sent"] = Greatest(F("times_sent") - 1, Value(0))
    target = InvoiceState.IN_DOUBT if was_in_doubt else InvoiceState.QUEUED
    if not was_in_doubt:
        changes.update(book.NO_NUMBER)
    return book.move(
        invoice, target, kind="refused" if is_answered else "not_sent", text=text,
        data={"code": code}, changes=changes, due_in=delay, claim=invoice.claim_token,
        only_from=[InvoiceState.SENDING], unit=contact(config) if is_answered else None,
        is_told=False,
    )  # fmt: skip


def register(invoice: KRAInvoice, text: str, config: Snapshot, *, can_be_fetched: bool) -> bool:
    """KRA has it by its own word, and its signature is missing: the number is taken."""
    is_moved = book.move(
        invoice, InvoiceState.REGISTERED, kind="registered", text=text,
        changes={"message": NO_SIGNATURE, "attempts": 0},
        due_in=FIRST_LOOK if can_be_fetched else None, claim=invoice.claim_token,
        unit=taken(int(invoice.number or 0), config),
    )  # fmt: skip
    if is_moved and not can_be_fetched:
        book.flag(invoice, TYPE_IT)
    return is_moved


def words_of(meaning: Meaning) -> str:
    """An answer for people: cause and next step."""
    return meaning.sentence[:300]
