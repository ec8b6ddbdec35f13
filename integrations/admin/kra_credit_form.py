"""The form of a credit note: which lines of a signed invoice go back, how much, and why."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms

from integrations.admin.money_form import Choice, TextBox
from integrations.exceptions import IntegrationError, InvalidInput
from integrations.kra.documents.credited import left_of
from integrations.kra.documents.dates import date_today
from integrations.kra.receipts.build import REASONS
from integrations.kra.receipts.settings import receipt_settings
from integrations.kra.receipts.words import money, quantity
from integrations.models import InvoiceKind, InvoiceState, KRAInvoice


def may_credit(invoice: KRAInvoice) -> str:
    """Why an invoice can't be credited, in words; "" where it can."""
    if invoice.kind != InvoiceKind.SALE:
        return "A credit note can't be credited itself."
    if invoice.state != InvoiceState.SIGNED:
        return "Only what KRA has signed can be credited."
    return ""


class CreditForm(forms.Form):
    """One quantity for each of the ERP's lines of which something is left."""

    trader_number = forms.CharField(
        label="Number of the credit note", max_length=50, widget=TextBox(),
        help_text="The ERP's own: no other document of this branch may have it.",
    )  # fmt: skip
    reason = forms.ChoiceField(label="Reason", widget=Choice)

    def __init__(self, invoice: KRAInvoice, data: Any = None) -> None:
        super().__init__(data)
        self.invoice = invoice
        self.left = _left_by_line(invoice)
        self.fields["trader_number"].initial = _next_number(invoice)
        known = str(receipt_settings(invoice).get("credit_reasons") or "").replace(",", " ").split()
        choices: Any = self.fields["reason"]
        told = [(each, f"{each} {REASONS.get(each, '')}".strip()) for each in known]
        # Nothing is chosen for anybody: the reason goes to KRA.
        choices.choices = [("", "Choose a reason"), *told]
        for source, (name, left) in self.left.items():
            self.fields[f"line_{source}"] = forms.DecimalField(
                label=name, min_value=0, max_value=left, max_digits=13, decimal_places=2,
                initial=quantity(left).replace(",", ""), required=False,
                widget=TextBox(attrs={"inputmode": "decimal", "autocomplete": "off"}),
                help_text=f"{quantity(left)} left to credit.",
            )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """Refuse a credit note of nothing."""
        values = super().clean() or {}
        if not self.left:
            raise forms.ValidationError("Nothing is left of this invoice to credit.")
        if not self.errors and not any(values.get(f"line_{at}") for at in self.left):
            raise forms.ValidationError("Enter a quantity for at least one line.")
        return values

    def wanted(self) -> dict[str, Any]:
        """What `submit` takes; without items where all that is left goes back."""
        values = self.cleaned_data
        taken = {at: values.get(f"line_{at}") or Decimal(0) for at in self.left}
        data: dict[str, Any] = {
            "invoice_number": values["trader_number"].strip(),
            "issue_date": date_today(),
            "original_invoice_number": self.invoice.trader_number,
            "reason": values["reason"],
        }
        if any(taken[at] != left for at, (_, left) in self.left.items()):
            data["items"] = [
                {"original_line": at + 1, "quantity": amount}
                for at, amount in taken.items()
                if amount
            ]
        return data

    def explain(self, error: IntegrationError) -> None:
        """Put what was refused to its field."""
        field = error.field if isinstance(error, InvalidInput) else ""
        names = {"invoice_number": "trader_number", "reason": "reason"}
        reason = error.reason if isinstance(error, InvalidInput) else error.message
        if field in names:
            self.add_error(names[field], f"It {reason}")
        else:
            self.add_error(None, error.message)


def _left_by_line(invoice: KRAInvoice) -> dict[int, tuple[str, Decimal]]:
    """What is left of the ERP's lines, which may be several on the wire: name and quantity."""
    found: dict[int, tuple[str, Decimal]] = {}
    for each in left_of(invoice).values():
        if each.quantity > 0:
            source = int(each.line["source"])
            before = found[source][1] if source in found else Decimal(0)
            name = f"{each.line['name']}, {money(Decimal(each.line['price']))} each"
            found[source] = (name, before + each.quantity)
    return found


def _next_number(invoice: KRAInvoice) -> str:
    """A number that is free as far as this invoice's own credit notes go."""
    count = invoice.credit_notes.count() + 1
    return f"CN-{invoice.trader_number}-{count}"[:50]
