"""What became of a filing in doubt is told by a person; what a crash left is found here."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from integrations.exceptions import IntegrationError, InvalidInput
from integrations.kra import gava_writes
from integrations.kra.checks.inputs import read_text
from integrations.models import (
    AuditEntry,
    CertificateStatus,
    FilingState,
    KRACertificateRequest,
    KRAFiling,
)
from integrations.payments import work_list

S = FilingState


def settle_filing(
    filing: KRAFiling,
    *,
    accepted: bool,
    acknowledgement: object = "",
    payment_number: object = "",
    note: object = "",
) -> KRAFiling:
    """Tell what became of a filing in doubt, as iTax shows it. Not accepted, it may be filed again.

    An accepted one that lacks its number, or has another amount, is settled by it too.

    Raises InvalidInput, and IntegrationError (code "not_in_doubt") where it is not in doubt.
    """
    numbers = {
        "acknowledgement": read_text(acknowledgement, "acknowledgement", 100, required=False),
        "payment_number": read_text(payment_number, "payment_number", 100, required=False),
    }
    text = read_text(note, "note", 200, required=False)
    for name, number in numbers.items():
        if number and not accepted:
            raise InvalidInput(name, "belongs to a filing that KRA has.")
    has_number = filing.acknowledgement or filing.payment_number or any(numbers.values())
    if accepted and not has_number:
        raise InvalidInput("acknowledgement", "give KRA's number of the filing, or its PRN.")
    changes: dict[str, Any] = {name: number for name, number in numbers.items() if number}
    changes["state"] = S.ACCEPTED if accepted else S.REFUSED
    changes["message"] = f"Told by a person. {text}".strip()
    with transaction.atomic():
        now = timezone.now()
        fits = Q(state=S.UNKNOWN)
        if accepted:
            fits |= Q(state=S.ACCEPTED) & ~Q(attention="")
        rows = KRAFiling.objects.filter(fits, pk=filing.pk)
        if not rows.update(attention="", completed_at=now, updated_at=now, **changes):
            raise IntegrationError("This filing is not in doubt.", code="not_in_doubt")
        filing.refresh_from_db()
        AuditEntry.objects.record(
            "kra.filing_settled", target=filing, business=filing.business, fields=list(changes)
        )
    return filing


def find_lost_filings() -> int:
    """Periodic job: what a crash left as being sent is in doubt, and waits for a person."""
    now = timezone.now()
    lost = KRAFiling.objects.filter(state=S.SENDING, created_at__lt=now - gava_writes.LOST_AFTER)
    return lost.update(
        state=S.UNKNOWN, message=gava_writes.LOST, attention=gava_writes.IN_DOUBT, updated_at=now
    )


def _filings() -> QuerySet[KRAFiling]:
    return KRAFiling.objects.exclude(attention="").order_by("-id")


def _filing_line(filing: KRAFiling) -> work_list.Line:
    return work_list.Line(
        pk=filing.pk,
        since=filing.created_at,
        business=filing.business,
        amount=filing.amount,
        currency="KES" if filing.amount is not None else "",
        reference=f"{filing.kra_pin} {filing.period}".strip(),
        reason=f"{filing.get_kind_display()}: {filing.attention}",
    )


def _certificates() -> QuerySet[KRACertificateRequest]:
    return KRACertificateRequest.objects.filter(status=CertificateStatus.UNKNOWN).order_by("-id")


def _certificate_line(row: KRACertificateRequest) -> work_list.Line:
    amount: Decimal | None = None
    return work_list.Line(
        pk=row.pk,
        since=row.created_at,
        business=row.business,
        amount=amount,
        currency="",
        reference=f"{row.kra_pin} {row.period}".strip(),
        reason=row.message,
    )


SOURCES = (
    work_list.Source(
        name="kra-filings",
        title="Filings at KRA that need a person",
        model=KRAFiling,
        rows=_filings,
        line=_filing_line,
        list_query="attention=yes",
    ),
    work_list.Source(
        name="kra-certificates",
        title="Certificate requests at KRA in doubt",
        model=KRACertificateRequest,
        rows=_certificates,
        line=_certificate_line,
        list_query="status__exact=unknown",
    ),
)
