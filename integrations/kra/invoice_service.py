"""Invoices and credit notes: handed in, followed, settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from integrations.exceptions import IntegrationError, InvalidInput, help_url
from integrations.kra.answers import Answer, KRAMessage, answer, message_of
from integrations.kra.base_service import ServiceBase
from integrations.kra.documents.dates import date_today
from integrations.kra.outbox import (
    TypedSignature,
    books,
    settle,
    submit,
    verify_and_resend,
)
from integrations.kra.outbox.told import tell
from integrations.kra.outbox.waiting import wait_for_signature
from integrations.models import InvoiceState, KRAInvoice
from integrations.payments.answers import in_transaction
from integrations.providers.kra.client import EtimsClient, FoundInvoice
from integrations.providers.kra.payloads.invoice import Invoice, Line

REFUND = "06"


class InvoiceService(ServiceBase):
    """Invoices and credit notes: handed in, followed, settled."""

    def submit_invoice(
        self, invoice_payload: Mapping[str, Any] | Invoice, *, wait_seconds: float | None = None
    ) -> Answer:
        """Hand in an invoice or a credit note, and wait for KRA's signature for a while.

        `(True, data)`: signed, or stored and provisional (`is_provisional`, with its `state`);
        what was stored is sent, whatever happens to the caller. `(False, message)`: refused, with
        `code` and `field`, or rejected by KRA, with `data["invoice_id"]`. The same number with the
        same content answers for the same document. `wait_seconds`: the settings' by default.

        Inside a transaction it only stores, as `enqueue_invoice` does: nothing may be sent that
        could still be rolled back.
        """
        is_open = in_transaction()

        def act() -> KRAInvoice:
            invoice = submit(invoice_payload, business=self.business, branch=self.branch)
            waits = _seconds(self.config().values["signature_wait_seconds"], wait_seconds)
            if is_open or not waits or invoice.state in _AT_END:
                return invoice
            return wait_for_signature(invoice, waits)

        return _answer(act)

    def enqueue_invoice(self, invoice_payload: Mapping[str, Any] | Invoice) -> Answer:
        """Store a document in the caller's transaction; it is sent after the commit, in its turn.

        Answers as `submit_invoice` does, without waiting.
        """
        return _answer(lambda: submit(invoice_payload, business=self.business, branch=self.branch))

    def get_invoice_status(self, reference: str) -> Answer:
        """Where a document stands, by our id, the ERP's number or KRA's.

        Our own record first; a number of KRA's that we have no record of is asked for there.
        `status` is pending, in doubt, signed, rejected, duplicate (KRA has it, its signature is
        missing) or not required.
        """
        return answer(lambda: self._status_of_invoice(_text(reference)))

    def credit_invoice(
        self,
        original: str | KRAInvoice,
        lines: Sequence[Line | Mapping[str, Any]] | None = None,
        *,
        number: str,
        reason: str = REFUND,
        issue_date: date | str | None = None,
        wait_seconds: float | None = None,
    ) -> Answer:
        """Credit an invoice, in full (all that is left of it) or the `lines` that are given.

        `number` is the credit note's own, `reason` a code of KRA's list. Each line names what it
        credits by `original_line`, from 1, with its quantity. Answers as `submit_invoice` does.
        """
        try:
            found = self._invoice_of(original)
        except IntegrationError as error:
            return False, message_of(error)
        payload: dict[str, Any] = {
            "invoice_number": number,
            "issue_date": issue_date or date_today(),
            "original_invoice_number": found.trader_number,
            "customer": {"name": found.customer_name, "kra_pin": found.customer_pin},
            "currency": found.currency,
            "reason": reason,
        }
        if lines is not None:
            payload["items"] = list(lines)
        return self.submit_invoice(payload, wait_seconds=wait_seconds)

    def resend_invoice(self, reference: str | KRAInvoice) -> Answer:
        """Have a document looked at now: asked about, or sent again where it was rejected.

        Nothing that KRA has is sent twice. Answers where it stands.
        """

        def act() -> dict[str, Any]:
            invoice = self._invoice_of(reference)
            done = verify_and_resend([invoice])
            if done.refused:
                raise InvalidInput("reference", done.refused[0], code="over_credit")
            invoice.refresh_from_db()
            return tell(invoice)

        return answer(act)

    def settle_invoice(
        self,
        reference: str | KRAInvoice,
        *,
        text: str,
        signature: Mapping[str, Any] | None = None,
        by: Any = None,
    ) -> Answer:
        """A person's word on a document in doubt: signed, with the `signature` data that was read
        off the control unit, or (None) not taken. `text` says how that is known. Audited.
        """

        def act() -> dict[str, Any]:
            typed = _typed(signature) if signature is not None else None
            invoice = self._invoice_of(reference)
            return tell(settle(invoice, signed=typed, text=text, by=by))

        return answer(act)

    def compare_books(
        self, *, first: int | None = None, last: int | None = None, most: int = books.MOST
    ) -> Answer:
        """Compare our book of the branch with KRA's, number by number.

        `{compared, agreed, differences: [{number, kind, words, invoice_id}], next_number}`; go on
        with `first=next_number` until that is None.
        """

        def act() -> dict[str, Any]:
            found = books.compare_books(self.branch_row(), first=first, last=last, most=most)
            listed = [
                {name: getattr(each, name) for name in books.Difference.__dataclass_fields__}
                for each in found.differences
            ]
            return {
                "compared": found.compared, "agreed": found.agreed,
                "differences": listed, "next_number": found.next_number,
            }  # fmt: skip

        return answer(act)

    def _status_of_invoice(self, reference: str) -> dict[str, Any]:
        found = self._find_invoice(reference)
        if found is not None:
            return tell(found)
        if not (reference.isascii() and reference.isdigit() and len(reference) < 19):
            raise _unknown()
        there = EtimsClient(self.config()).find_invoice(int(reference))
        if there is None:
            raise _unknown()
        return _told_by_kra(there)

    def _invoice_of(self, reference: str | KRAInvoice) -> KRAInvoice:
        if isinstance(reference, KRAInvoice):
            reference = str(reference.public_id)
        found = self._find_invoice(_text(reference))
        if found is None:
            raise _unknown()
        return found

    def _find_invoice(self, reference: str) -> KRAInvoice | None:
        """By our id, else the trader's number, else KRA's; of this business and branch."""
        rows = KRAInvoice.objects.select_related("branch", "original")
        rows = rows.filter(business=self.business)
        if self.branch:
            rows = rows.filter(branch__bhf_id=self.branch)
        found = None
        with suppress(ValueError):
            found = rows.filter(public_id=UUID(reference)).first()
        found = found or rows.filter(trader_number=reference).order_by("-pk").first()
        if found is None and reference.isascii() and reference.isdigit() and len(reference) < 19:
            found = rows.filter(number=int(reference)).order_by("-pk").first()
        return found


_AT_END = (InvoiceState.SIGNED, InvoiceState.REJECTED, InvoiceState.NOT_REQUIRED)


def _answer(act: Any) -> Answer:
    try:
        invoice: KRAInvoice = act()
    except IntegrationError as error:
        return False, message_of(error)
    told = tell(invoice)
    if invoice.state != InvoiceState.REJECTED:
        return True, told
    code = invoice.result_code or "provider_error"
    field = next(
        (str(event.data.get("field", "")) for event in
         invoice.events.filter(kind="rejected").order_by("-pk")[:1]), "",
    )  # fmt: skip
    text = invoice.message or "KRA rejected it."
    return False, KRAMessage(text, code=code, field=field, help=help_url(code), data=told)


def _seconds(usual: object, wanted: float | None) -> float:
    if wanted is None:
        return float(str(usual))
    if isinstance(wanted, bool) or not isinstance(wanted, int | float) or not 0 <= wanted <= 600:
        raise InvalidInput("wait_seconds", "must be a number of seconds, from 0 to 600.")
    return float(wanted)


def _text(reference: object) -> str:
    is_number = isinstance(reference, int) and not isinstance(reference, bool)
    if not (is_number or isinstance(reference, str | UUID)) or not str(reference).strip():
        raise InvalidInput("reference", "must be the number of an invoice, or its id.")
    return str(reference).strip().replace("\x00", "")


def _unknown() -> InvalidInput:
    return InvalidInput("reference", "no invoice has this number or id.", code="unknown_invoice")


def _typed(given: Mapping[str, Any]) -> TypedSignature:
    known = TypedSignature.__dataclass_fields__
    if not isinstance(given, Mapping) or not given.get("signature"):
        raise InvalidInput("signature", "must be a dict with the key `signature`.")
    odd = sorted(str(name) for name in given if name not in known)
    if odd:
        raise InvalidInput("signature", f"has keys that are not known: {', '.join(odd)[:100]}.")
    return TypedSignature(**given)


def _told_by_kra(there: FoundInvoice) -> dict[str, Any]:
    receipt = there.receipt
    total = f"{there.total:.2f}" if isinstance(there.total, Decimal) else ""
    return {
        "invoice_id": "", "invoice_number": there.trader_number, "number": there.number,
        "state": "signed" if receipt else "registered",
        "status": "signed" if receipt else "duplicate", "is_provisional": receipt is None,
        "total": total, "message": "KRA has it; it was not handed in here.",
        "signature": receipt.signature if receipt else "",
        "internal_data": receipt.internal_data if receipt else "",
        "receipt_number": receipt.receipt_number if receipt else None,
    }  # fmt: skip
