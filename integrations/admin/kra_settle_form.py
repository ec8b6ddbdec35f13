"""Forms by which a person tells what became of something that nothing settles by itself."""

from __future__ import annotations

from typing import Any

from django import forms

from integrations.admin.money_form import Area, Choice, TextBox
from integrations.exceptions import IntegrationError, InvalidInput
from integrations.kra.outbox.settle import TypedSignature

NEEDED = ("receipt_number", "internal_data", "signature", "signed_at")
_TEXT = {"autocomplete": "off", "spellcheck": "false"}
THERE, NOT_THERE = "yes", "no"


def outcome_field(where: str, there: str, not_there: str) -> forms.ChoiceField:
    """What `where` shows, in two sentences."""
    return forms.ChoiceField(
        label=f"What {where} shows", choices=((THERE, there), (NOT_THERE, not_there)), widget=Choice
    )


def note_field(longest: int) -> forms.CharField:
    """How it is known; kept with what is settled."""
    return forms.CharField(
        label="How you know", min_length=3, max_length=longest, widget=Area(attrs={"rows": 2})
    )


class OutcomeForm(forms.Form):
    """Whether KRA has something, and how that is known."""

    outcome = outcome_field("KRA's portal", "KRA has it", "KRA does not have it")
    note = note_field(200)

    @property
    def is_there(self) -> bool:
        """Whether KRA has it."""
        return bool(self.cleaned_data["outcome"] == THERE)

    def explain(self, error: IntegrationError) -> None:
        """Put what was refused to its field."""
        field = error.field if isinstance(error, InvalidInput) else ""
        field = {"text": "note"}.get(field, field)
        self.add_error(field if field in self.fields else None, error.message)


class SettleInvoiceForm(OutcomeForm):
    """The outcome, the receipt where there is one, and how it is known."""

    outcome = outcome_field(
        "KRA's portal", "KRA has it: its receipt is typed below",
        "KRA does not have it: send it again",
    )  # fmt: skip
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
    note = note_field(300)
    field_order = (
        "outcome", "receipt_number", "total_receipt_number", "internal_data", "signature",
        "signed_at", "note",
    )  # fmt: skip

    def clean_internal_data(self) -> str:
        """Without the dashes of the print."""
        return _bare(self.cleaned_data["internal_data"])

    def clean_signature(self) -> str:
        """Without the dashes of the print."""
        return _bare(self.cleaned_data["signature"])

    def clean(self) -> dict[str, Any]:
        """A receipt is whole, or there is none."""
        values = super().clean() or {}
        is_signed = values.get("outcome") == THERE
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
        if not self.is_there:
            return {"signed": None, "text": values["note"]}
        signed = TypedSignature(
            signature=values["signature"],
            internal_data=values["internal_data"],
            receipt_number=values["receipt_number"],
            total_receipt_number=values["total_receipt_number"],
            signed_at=values["signed_at"],
        )
        return {"signed": signed, "text": values["note"]}


def _bare(text: str) -> str:
    return "".join(text.split()).replace("-", "").upper()
