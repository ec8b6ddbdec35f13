"""A number that is used, where nobody can ask by whom: what was once sent under it is its owner.

A document in doubt that is refused when it is sent again gives its number to the next one; its
first copy may have been slow, and be taken after that. With a look-up it is found (`foreign`);
the VSCU has none, and says only that it has the number.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from integrations.config import Snapshot
from integrations.kra.outbox import book, outcomes
from integrations.models import InvoiceState, KRAInvoice

# So long after its answer was given up a request may still be on its way to the control unit.
LATE_COPY = timedelta(seconds=10)
REFUSED = "It was refused when it was sent again; an earlier copy may still be on its way."
PERHAPS = (
    "KRA's control unit says that number {} is used; it may be an earlier copy of {}. Look into "
    "its book for it, set the number of the next invoice, and let the branch go on."
)
ARRIVED = "The control unit has number {}: the first copy of this document, which came late."
GIVES_WAY = "Number {} is taken by {}, whose first copy came late: this one takes the next number."


def may_arrive(invoice: KRAInvoice, code: str) -> bool:
    """Whether a copy of a document in doubt, just refused with `code`, may still be taken."""
    doubts = invoice.events.filter(to_state=InvoiceState.IN_DOUBT).order_by("-id")
    last = next((each for each in doubts if each.data.get("code") != code), None)
    return last is not None and timezone.now() - last.at < LATE_COPY


def doubted(invoice: KRAInvoice) -> list[KRAInvoice]:
    """Documents of the branch that were in doubt under this number and have none for certain."""
    rows = KRAInvoice.objects.filter(
        branch_id=invoice.branch_id,
        state__in=[InvoiceState.REJECTED, InvoiceState.QUEUED, InvoiceState.SENDING],
        events__number=invoice.number,
        events__to_state=InvoiceState.IN_DOUBT,
    )
    return list(rows.distinct().order_by("pk"))


def register(owner: KRAInvoice, invoice: KRAInvoice, config: Snapshot) -> bool:
    """Give `owner` the number that `invoice` was sent under, and `invoice` the next one.

    They may be the same. False where the owner was corrected since: the unit may have either
    version, which a person has to see.
    """
    number = int(invoice.number or 0)
    doubts = owner.events.filter(number=number, to_state=InvoiceState.IN_DOUBT).order_by("-id")
    if owner.events.filter(kind="corrected", id__gt=doubts.values("id")[:1]).exists():
        return False
    with transaction.atomic():
        claim = invoice.claim_token
        if owner.pk != invoice.pk and not book.move(
            invoice, InvoiceState.QUEUED, kind="number_taken",
            text=GIVES_WAY.format(number, owner.trader_number),
            changes={**book.NO_NUMBER, "message": "", "attempts": 0},
            due_in=0.0, claim=claim,
        ):  # fmt: skip
            return False
        is_moved = book.move(
            owner, InvoiceState.REGISTERED, kind="registered", text=ARRIVED.format(number),
            changes={
                "number": number, "message": outcomes.NO_SIGNATURE, "attempts": 0,
                "parked_at": None,
            },
            claim=claim if owner.pk == invoice.pk else "", unit=outcomes.taken(number, config),
        )  # fmt: skip
        if is_moved:
            book.flag(owner, outcomes.TYPE_IT)
        else:
            transaction.set_rollback(True)
    return is_moved
