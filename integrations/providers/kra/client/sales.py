"""Sending sales and credit notes, and finding what KRA has. Source: sections 5.1, 6.4 and 6.5."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from integrations.exceptions import IntegrationError, OutcomeUnknown
from integrations.providers.kra.client.connection import Connection, Reply
from integrations.providers.kra.client.endpoints import VSCU
from integrations.providers.kra.client.wire import (
    read_amount,
    read_moment,
    read_number,
    read_text,
    rows_of,
)

# Each transport's, and each build's, own names (section 6.4).
_RECEIPT_NUMBER = ("curRcptNo", "rcptNo")
_SIGNED_AT = ("sdcDateTime", "vsdcRcptPbctDate", "VSCURcptPbctDate", "vscuRcptPbctDate")


@dataclass(frozen=True, slots=True)
class SaleReply:
    """KRA's signature under a document. Whatever KRA did not tell is None or "".

    `warning` says what went wrong after the signature was had.
    """

    receipt_number: int | None
    total_receipt_number: int | None
    internal_data: str
    signature: str
    signed_at: datetime | None
    control_unit_id: str = ""
    mrc_no: str = ""
    warning: str = ""


@dataclass(frozen=True, slots=True)
class FoundInvoice:
    """What KRA has under a number. `receipt` is None where it told no signature."""

    number: int
    trader_number: str
    customer_pin: str
    total: Decimal | None
    is_credit_note: bool | None
    receipt: SaleReply | None


class SaleCalls(Connection):
    """Documents. Errors as for `call`."""

    def send_sale(
        self, body: Mapping[str, Any], *, deadline: float | None = None, reference: str = ""
    ) -> SaleReply:
        """Send a sale or a credit note: the exact body that was stored. Never repeated by itself.

        Raises EtimsRefused (nothing was stored under this number by this call), OutcomeUnknown,
        also where KRA took it and told no signature (code "no_signature"), TransportError.
        """
        reply = self.call("save_sale", body, deadline=deadline, reference=reference)
        signed = read_receipt(reply.data)
        warning = ""
        if self.transport == VSCU and self.config.values["is_invoice_saved_twice"]:
            warning, again = self._second_call(body, deadline=deadline, reference=reference)
            signed = signed or again
        if signed is None:
            raise OutcomeUnknown(
                "KRA took the document without telling its signature; it is looked up.",
                code="no_signature",
            )
        return _with_warning(signed, warning)

    def find_invoice(
        self, number: int, *, deadline: float | None = None, reference: str = ""
    ) -> FoundInvoice | None:
        """What KRA has under one of this branch's numbers; None where it has nothing.

        Raises Unsupported where the transport has no path for it, EtimsRefused, TransportError.
        """
        reply = self.call(
            "find_invoice", {"invcNo": number}, deadline=deadline, reference=reference
        )
        for row in _invoice_rows(reply):
            told = read_number(row.get("invcNo"))
            if told in (None, number):
                return _found(number, row)
        return None

    def _second_call(
        self, body: Mapping[str, Any], *, deadline: float | None, reference: str
    ) -> tuple[str, SaleReply | None]:
        """(what went wrong, signature): one source wants saveInvoice after saveSales.

        The sale is signed by then: a failure here must not lose that.
        """
        try:
            reply = self.call("save_invoice", body, deadline=deadline, reference=reference)
        except IntegrationError as error:
            return f"The second call (saveInvoice) failed: {error.message}"[:300], None
        return "", read_receipt(reply.data)


def read_receipt(data: Mapping[str, Any]) -> SaleReply | None:
    """The signature in an answer, by any of its names; None where there is none."""
    signature = read_text(data.get("rcptSign"), 100)
    if not signature:
        return None
    return SaleReply(
        receipt_number=read_number(_first(data, _RECEIPT_NUMBER)),
        total_receipt_number=read_number(data.get("totRcptNo")),
        internal_data=read_text(data.get("intrlData"), 100),
        signature=signature,
        signed_at=read_moment(_first(data, _SIGNED_AT)),
        control_unit_id=read_text(data.get("sdcId") or data.get("sdicId"), 100),
        mrc_no=read_text(data.get("mrcNo"), 100),
    )


def _with_warning(signed: SaleReply, warning: str) -> SaleReply:
    if not warning:
        return signed
    told = {name: getattr(signed, name) for name in SaleReply.__dataclass_fields__}
    return SaleReply(**{**told, "warning": warning})


def _invoice_rows(reply: Reply) -> list[dict[str, Any]]:
    """The rows of an invoice look-up; one source has them in a list, another bare."""
    if reply.is_empty:
        return []
    rows = rows_of(reply.data, "salesList") or rows_of(reply.data, "saleList")
    return rows or ([reply.data] if "receipt" in reply.data or "invcNo" in reply.data else [])


def _found(number: int, row: dict[str, Any]) -> FoundInvoice:
    receipt = row.get("receipt")
    kind = read_text(row.get("rcptTyCd"), 5)
    return FoundInvoice(
        number=number,
        trader_number=read_text(row.get("trdInvcNo"), 50),
        customer_pin=read_text(row.get("custTin"), 20),
        total=read_amount(row.get("totAmt")),
        is_credit_note={"S": False, "R": True}.get(kind),
        receipt=read_receipt(receipt if isinstance(receipt, dict) else row),
    )


def _first(data: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((data[name] for name in names if data.get(name) not in (None, "")), None)
