"""Filters of the long lists: each by an index, none by looking through the whole table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.widgets import INPUT_CLASSES

from integrations.work import WorkState

if TYPE_CHECKING:
    _Simple = admin.SimpleListFilter
    _List = admin.ListFilter
    _Field = admin.FieldListFilter
else:
    _Simple, _List, _Field = admin.SimpleListFilter, admin.ListFilter, admin.FieldListFilter

# How many of the newest rows tell which values a filter offers.
LOOKED_AT = 1000
INPUT = " ".join(INPUT_CLASSES)


class ChoiceFilter(_Simple):
    """A filter of links, whose choice survives when a filter of fields is applied."""

    @property
    def lookup_kwarg(self) -> str:
        """The name under which the theme carries the choice along."""
        return str(self.parameter_name)

    @property
    def lookup_val(self) -> list[str]:
        """The present choice."""
        value = self.value()
        return [value] if value else []


class AttentionFilter(ChoiceFilter):
    """The work list of people."""

    title = "attention"
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """One choice."""
        return [("yes", "Needs a person")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Payments that carry a reason."""
        return queryset.exclude(attention="") if self.value() == "yes" else queryset


class WorkStateFilter(ChoiceFilter):
    """Where a row stands in its queue."""

    title = "work"
    parameter_name = "work_state__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Every state."""
        return [(value, label.split(":")[0]) for value, label in WorkState.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows in this state. What waits always has a time, and that has a small index."""
        state = self.value()
        if not state:
            return queryset
        if state in (WorkState.DUE, WorkState.LEASED):
            queryset = queryset.filter(next_attempt_at__isnull=False)
        return queryset.filter(work_state=state)


class RecentValuesFilter(_Field):
    """Offers the values that the newest rows have; asking for all would read the whole table."""

    def __init__(
        self, field: Any, request: HttpRequest, params: dict[str, Any], model: type[Any],
        model_admin: Any, field_path: str,
    ) -> None:  # fmt: skip
        self.lookup_kwarg = field_path
        self.lookup_val = params.get(field_path) or []
        super().__init__(field, request, params, model, model_admin, field_path)
        newest = model_admin.get_queryset(request).order_by("-pk")
        found = set(newest.values_list(field_path, flat=True)[:LOOKED_AT])
        self.values = sorted(str(value) for value in found | set(self.lookup_val) if value)

    def expected_parameters(self) -> list[str | None]:
        """The field's name."""
        return [self.lookup_kwarg]

    def has_output(self) -> bool:
        """Only where there is something to choose."""
        return len(self.values) > 1 or bool(self.lookup_val)

    def choices(self, changelist: Any) -> Iterator[Any]:
        """All, and each value."""
        name = self.lookup_kwarg
        everything = changelist.get_query_string(remove=[name])
        yield {"selected": not self.lookup_val, "query_string": everything, "display": "All"}
        for value in self.values:
            link = changelist.get_query_string({name: value})
            yield {"selected": value in self.lookup_val, "query_string": link, "display": value}


class FormFilter(_List):
    """A filter of typed fields. What can't be read finds nothing, and says so."""

    template = "admin/integrations/form_filter.html"
    form_class: type[forms.Form]

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: type[Any], model_admin: Any
    ) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self.form_class.base_fields:
            value = params.pop(name, [""])[-1].strip()
            if value:
                self.used_parameters[name] = value
        self.form = self.form_class(self.used_parameters)

    def expected_parameters(self) -> list[str | None]:
        """The names of the fields."""
        return list(self.form_class.base_fields)

    def has_output(self) -> bool:
        """Always."""
        return True

    def choices(self, changelist: Any) -> Iterator[Any]:
        """The form, for the template."""
        yield {"form": self.form}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows that fit."""
        if not self.used_parameters:
            return queryset
        if self.form.is_valid():
            return self.narrow(queryset, self.form.cleaned_data)
        for name, errors in self.form.errors.items():
            label = self.form.fields[name].label
            messages.error(request, f"{self.title}, {label}: {errors[0]} Nothing is shown.")
        return queryset.none()

    def narrow(self, rows: QuerySet[Any], values: dict[str, Any]) -> QuerySet[Any]:
        """The rows that fit these clean values."""
        raise NotImplementedError


def _day(label: str) -> forms.DateField:
    return forms.DateField(
        label=label,
        required=False,
        input_formats=["%Y-%m-%d"],
        validators=[MinValueValidator(date(2000, 1, 1)), MaxValueValidator(date(2200, 1, 1))],
        error_messages={"invalid": "Enter a day, such as 2026-03-31."},
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date", "class": INPUT}),
    )


class _DateForm(forms.Form):
    created_from = _day("From")
    created_to = _day("To")


class DateFilter(FormFilter):
    """Days on which payments were made, in the installation's time zone."""

    title = "date"
    form_class = _DateForm

    def narrow(self, rows: QuerySet[Any], values: dict[str, Any]) -> QuerySet[Any]:
        """From the first day's beginning to the last day's end."""
        if values["created_from"]:
            rows = rows.filter(created_at__gte=midnight(values["created_from"]))
        if values["created_to"]:
            rows = rows.filter(created_at__lt=midnight(values["created_to"] + timedelta(days=1)))
        return rows


def midnight(day: date) -> datetime:
    """The beginning of a day in the installation's time zone."""
    return timezone.make_aware(datetime.combine(day, time.min))


def _amount(label: str) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        required=False,
        max_digits=14,
        decimal_places=2,
        min_value=0,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "class": INPUT}),
    )


class _AmountForm(forms.Form):
    amount_from = _amount("At least")
    amount_to = _amount("At most")


class AmountFilter(FormFilter):
    """Amounts, both ends included."""

    title = "amount"
    form_class = _AmountForm

    def narrow(self, rows: QuerySet[Any], values: dict[str, Any]) -> QuerySet[Any]:
        """Between the two. One amount, given twice, keeps the index's order."""
        if values["amount_from"] is not None and values["amount_from"] == values["amount_to"]:
            return rows.filter(amount=values["amount_from"])
        if values["amount_from"] is not None:
            rows = rows.filter(amount__gte=values["amount_from"])
        if values["amount_to"] is not None:
            rows = rows.filter(amount__lte=values["amount_to"])
        return rows


class _BusinessForm(forms.Form):
    business = forms.CharField(
        label="Business",
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={"class": INPUT}),
        help_text="The whole key; - for the installation itself.",
    )


class BusinessFilter(FormFilter):
    """One business, typed: a host may have very many."""

    title = "business"
    form_class = _BusinessForm

    def narrow(self, rows: QuerySet[Any], values: dict[str, Any]) -> QuerySet[Any]:
        """The rows of exactly this key."""
        key = values["business"]
        return rows.filter(business="" if key == "-" else key)
