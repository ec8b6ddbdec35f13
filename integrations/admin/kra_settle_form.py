"""The form by which a person tells what became of a document that nothing settles by itself."""

from __future__ import annotations

from typing import Any

from django import forms

from integrations.admin.money_form import Area, Choice, TextBox
from integrations.exceptions import IntegrationError, InvalidInput
from integrations.kra.outbox.settle import TypedSignature
from integrations.models import InvoiceState, KRAInvoice

SIGNED, NOT_TAKEN = "signed", "not_taken"
OUTCOMES = (
    (SIGNED, "KRA has it: its receipt is typed below"),
    (NOT_TAKEN, "KRA does not have it: send it again"),
)
NEEDED = ("receipt_number", "internal_data", "signature", "signed_at")
_TEXT = {"autocomplete": "off", "spellcheck": "false"}


def may_settle(invoice: KRAInvoice) -> str:
    """Why nothing is to be settled, in words; "" where a person may tell."""
    if invoice.state not in (InvoiceState.IN_DOUBT, InvoiceState.REGISTERED):
        return "There is nothing to settle: what became of it is known."
    return ""


class SettleForm(forms.Form):
    """The outcome, the receipt where there is one, and how it is known."""

    outcome = forms.ChoiceField(label="What KRA's portal shows", choices=OUTCOMES, widget=Choice)
    receipt_number = forms.IntegerField(
        label="Receipt number", required=False, min_value=1,
        widget=TextBox(attrs={"inputmode": "numeric", **_TEXT}),
        help_text="The number behind the slash of the control unit's invoice number.",
    )  # fmt: skip
    total_receipt_number = forms.IntegerField(
        label="Of all receipts of the device", required=False, min_value=1,
        widget=TextBox(attrs={"inputmode": "numeric", **_TEXT}),
    )  # fmt: skip
    internal_data = forms.CharField(
        label="Internal data", required=False, max_length=100, widget=TextBox(attrs=_TEXT)
    )
    signature = forms.CharField(
        label="Receipt signature", required=False, max_length=100, widget=TextBox(attrs=_TEXT)
    )
    signed_at = forms.DateTimeField(
        label="Date and time of the signature", required=False,
        input_formats=["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"], widget=TextBox(attrs=_TEXT),
        help_text="In Nairobi, such as 2026-11-23 10:15:05.",
    )  # fmt: skip
    reason = forms.CharField(
        label="How you know", min_length=3, max_length=300, widget=Area(attrs={"rows": 2})
    )

    def __init__(self, invoice: KRAInvoice, data: Any = None) -> None:
        super().__init__(data)
        self.invoice = invoice

    def clean_internal_data(self) -> str:
        """Without the dashes of the print."""
        return _bare(self.cleaned_data["internal_data"])

    def clean_signature(self) -> str:
        """Without the dashes of the print."""
        return _bare(self.cleaned_data["signature"])

    def clean(self) -> dict[str, Any]:
        """A receipt is whole, or there is none."""
        values = super().clean() or {}
        is_signed = values.get("outcome") == SIGNED
        for name in NEEDED:
            if name in self.errors:
                continue
            if is_signed and not values.get(name):
                self.add_error(name, "It is on KRA's receipt; type it from there.")
            elif not is_signed and values.get(name):
                self.add_error(name, "Leave it empty where KRA does not have the document.")
        return values

    def wanted(self) -> dict[str, Any]:
        """The arguments of `settle`."""
        values = self.cleaned_data
        if values["outcome"] != SIGNED:
            return {"signed": None, "text": values["reason"]}
        signed = TypedSignature(
            signature=values["signature"],
            internal_data=values["internal_data"],
            receipt_number=values["receipt_number"],
            total_receipt_number=values["total_receipt_number"],
            signed_at=values["signed_at"],
        )
        return {"signed": signed, "text": values["reason"]}

    def explain(self, error: IntegrationError) -> None:
        """Put what was refused to its field."""
        field = error.field if isinstance(error, InvalidInput) else ""
        field = {"text": "reason"}.get(field, field)
        self.add_error(field if field in self.fields else None, error.message)


def _bare(text: str) -> str:
    return "".join(text.split()).replace("-", "").upper()
