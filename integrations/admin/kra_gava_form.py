"""Forms of GavaConnect: a PIN, a certificate, a filing, and what became of one."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest

from integrations.access import Scope
from integrations.admin.kra_settle_form import OutcomeForm, outcome_field
from integrations.admin.money_form import MAX_CHOICES, Area, CheckBox, Choice, TextBox
from integrations.admin.read_only import ReadOnlyAdmin
from integrations.config import Snapshot
from integrations.config.environment import environment_row
from integrations.exceptions import IntegrationError, InvalidInput
from integrations.kra.config import tax_config
from integrations.kra.filings.withholding import MOST_LINES
from integrations.models import FilingKind, KRASettings

_TEXT = {"autocomplete": "off", "spellcheck": "false"}


def _box(**more: Any) -> Any:
    return TextBox(attrs={**_TEXT, **more})


def accounts_of(scope: Scope) -> list[tuple[str, str]]:
    """(branch:business, words) of the taxpayers for whom somebody may ask."""
    rows = scope.narrow(KRASettings.objects.exclude(kra_pin="")).order_by("business", "pk")
    found = [_account(row) for row in rows[:MAX_CHOICES]]
    if scope.allows("") and not KRASettings.objects.filter(business="").exists():
        row = environment_row("kra")
        if row is not None:
            found.insert(0, (":", f"Installation: {getattr(row, 'kra_pin', '')}"))
    return found


def _account(row: KRASettings) -> tuple[str, str]:
    branch = "" if row.is_main else row.branch_code
    whose, where = row.business or "Installation", row.get_environment_display()
    return f"{branch}:{row.business}", f"{whose}: {row.kra_pin} {row.branch_code} ({where})"


class TaxForm(forms.Form):
    """For whom: one of the taxpayers that the user may see."""

    account = forms.ChoiceField(label="Taxpayer", widget=Choice)

    def __init__(self, scope: Scope, data: Any = None) -> None:
        super().__init__(data)
        field: Any = self.fields["account"]
        field.choices = accounts_of(scope)

    def config(self) -> Snapshot:
        """The settings that were chosen; raises what `tax_config` raises."""
        branch, _, business = str(self.cleaned_data["account"]).partition(":")
        return tax_config(business, branch)

    def wanted(self) -> dict[str, Any]:
        """The values, by the names of the domain."""
        left_out = ("account", "is_sure")
        return {key: value for key, value in self.cleaned_data.items() if key not in left_out}

    def explain(self, error: IntegrationError) -> None:
        """Put what was refused to its field."""
        field = error.field if isinstance(error, InvalidInput) else ""
        at = field.partition("[")[0]
        if field and field in self.fields:
            self.add_error(field, error.message.removeprefix(f"{field}: "))
        else:
            self.add_error(at if at in self.fields else None, error.message)


class CheckForm(TaxForm):
    """Whose compliance is asked about."""

    kra_pin = forms.CharField(label="KRA PIN", max_length=20, widget=_box())
    certificate_number = forms.CharField(
        max_length=100, required=False, widget=_box(),
        help_text="Empty: the last one of this PIN that is known here.",
    )  # fmt: skip
    field_order = ("kra_pin", "certificate_number", "account")


class CertificateForm(TaxForm):
    """An application."""

    tax_type = forms.ChoiceField(
        label="Certificate", choices=(("tax_compliance", "Tax compliance"),), widget=Choice,
        help_text="KRA has no public API for others: request them on iTax.",
    )  # fmt: skip
    period = forms.CharField(max_length=50, required=False, widget=_box())
    reason = forms.CharField(max_length=400, widget=Area(attrs={"rows": 2}))
    field_order = ("tax_type", "period", "reason", "account")


class FilingForm(TaxForm):
    """What every filing asks at its end."""

    is_sure = forms.BooleanField(
        label="File it at KRA", widget=CheckBox(),
        help_text="It has legal effect, and can't be taken back here.",
    )  # fmt: skip


class _MonthForm(FilingForm):
    month = forms.CharField(max_length=2, widget=_box(inputmode="numeric"))
    year = forms.CharField(max_length=4, widget=_box(inputmode="numeric"))


class NilForm(_MonthForm):
    """A NIL return."""

    obligation = forms.CharField(
        max_length=60, widget=_box(), help_text="A code of the settings, or its name, such as VAT."
    )
    field_order = ("obligation", "month", "year", "account", "is_sure")


class TurnoverForm(_MonthForm):
    """Turnover tax."""

    turnover = forms.CharField(
        label="Gross turnover in KES", max_length=20, widget=_box(inputmode="decimal")
    )
    field_order = ("turnover", "month", "year", "account", "is_sure")


class WithholdingForm(FilingForm):
    """A PRN of withheld tax; its lines are pasted as they stand in a sheet."""

    unique_number = forms.CharField(
        label="Own number", max_length=60, widget=_box(), help_text="Once for each PRN."
    )
    period_from = forms.CharField(max_length=30, widget=_box(), help_text="Such as 2026-11-01.")
    period_to = forms.CharField(max_length=30, widget=_box(), help_text="This day included.")
    lines = forms.CharField(
        max_length=400_000, widget=Area(attrs={"rows": 8}),
        help_text="A table with the names of the fields in its first line, such as "
        "withholdee_pin, invoice_number, invoice_date, payment_date, gross_amount, tax_rate.",
    )  # fmt: skip
    field_order = ("unique_number", "period_from", "period_to", "lines", "account", "is_sure")

    def clean_lines(self) -> list[dict[str, str]]:
        """The pasted table, tabs or commas between its cells; raises ValidationError."""
        rows = str(self.cleaned_data["lines"]).strip().splitlines()
        mark = "\t" if rows and "\t" in rows[0] else ","
        table = [[cell.strip() for cell in row] for row in csv.reader(rows, delimiter=mark) if row]
        if len(table) < 2:
            raise forms.ValidationError("Paste the names of the fields, and a line at least.")
        if len(table) > MOST_LINES + 1:
            raise forms.ValidationError(f"At most {MOST_LINES} lines.")
        names = [name.lower().replace(" ", "_") for name in table[0]]
        if len(set(names)) != len(names):
            raise forms.ValidationError("A name stands twice in the first line.")
        for number, row in enumerate(table[1:], start=1):
            if len(row) != len(names):
                raise forms.ValidationError(
                    f"Line {number} has {len(row)} cells, the first line {len(names)} names."
                )
        return [
            {name: cell for name, cell in zip(names, row, strict=True) if cell} for row in table[1:]
        ]


FILING_FORMS: Mapping[str, type[FilingForm]] = {
    FilingKind.NIL_RETURN: NilForm,
    FilingKind.TURNOVER_TAX: TurnoverForm,
    FilingKind.WITHHOLDING_VAT: WithholdingForm,
    FilingKind.WITHHOLDING_INCOME: WithholdingForm,
    FilingKind.WITHHOLDING_RENTAL: WithholdingForm,
}


class GavaSettleForm(OutcomeForm):
    """What iTax shows."""

    outcome = outcome_field("iTax", "KRA has it", "KRA does not have it")

    def numbers(self) -> dict[str, Any]:
        """What else was typed."""
        return {key: value for key, value in self.cleaned_data.items() if key != "outcome"}


class SettleFilingForm(GavaSettleForm):
    """Of a filing."""

    acknowledgement = forms.CharField(
        label="Acknowledgement number", max_length=100, required=False, widget=_box()
    )
    payment_number = forms.CharField(label="PRN", max_length=100, required=False, widget=_box())
    field_order = ("outcome", "acknowledgement", "payment_number", "note")


class SettleCertificateForm(GavaSettleForm):
    """Of a request for a certificate."""

    certificate_number = forms.CharField(max_length=100, required=False, widget=_box())
    field_order = ("outcome", "certificate_number", "note")


class GavaAdmin(ReadOnlyAdmin):
    """What the pages of GavaConnect do alike."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """KRA's numbers have capital letters."""
        term = search_term.replace("\x00", "")
        is_id = self.id_field and term.count("-") == 4
        return super().get_search_results(request, queryset, term if is_id else term.upper())
