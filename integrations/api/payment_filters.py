"""Filters and pages of the payment list; each filter has an index that serves it."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime
from django_filters import rest_framework as filters
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import CursorPagination

from integrations import registry
from integrations.api.hub_view import ID_DIGITS
from integrations.exceptions import InvalidInput
from integrations.models import Direction, Environment, Payment, PaymentState, Product
from integrations.phone import parse_phone


class PaymentFilter(filters.FilterSet):  # type: ignore[misc]
    """Every filter narrows; together they must all fit."""

    state = filters.MultipleChoiceFilter(
        choices=PaymentState.choices, help_text="May be given several times."
    )
    environment = filters.ChoiceFilter(choices=Environment.choices)
    direction = filters.ChoiceFilter(choices=Direction.choices, help_text="Money in or money out.")
    product = filters.MultipleChoiceFilter(
        choices=Product.choices, help_text="May be given several times."
    )
    original = filters.UUIDFilter(
        field_name="original__public_id", help_text="Reversals of the payment with this id."
    )
    batch = filters.UUIDFilter(
        field_name="batch__public_id", help_text="The rows of the payout file with this id."
    )
    business = filters.CharFilter(method="by_business", help_text="Empty: the installation.")
    account_reference = filters.CharFilter(max_length=64)
    phone = filters.CharFilter(method="by_phone", max_length=30, help_text="In any spelling.")
    receipt = filters.CharFilter(method="by_receipt", max_length=40)
    created_after = filters.IsoDateTimeFilter(
        field_name="created_at", lookup_expr="gte", help_text="This instant included."
    )
    created_before = filters.IsoDateTimeFilter(
        field_name="created_at", lookup_expr="lt", help_text="This instant excluded."
    )
    needs_attention = filters.BooleanFilter(method="by_attention")

    class Meta:
        model = Payment
        fields: ClassVar[list[str]] = []

    def filter_queryset(self, queryset: QuerySet[Payment]) -> QuerySet[Payment]:
        """As the library's, where an empty `business` is a business too."""
        rows: QuerySet[Payment] = super().filter_queryset(queryset)
        return rows.filter(business="") if self.data.get("business") == "" else rows

    def by_business(self, rows: QuerySet[Payment], _name: str, value: str) -> QuerySet[Payment]:
        """A stranger's business has no payments here."""
        return rows.filter(business=value)

    def by_phone(self, rows: QuerySet[Payment], _name: str, value: str) -> QuerySet[Payment]:
        """Raises ValidationError for what is no phone number."""
        try:
            number = parse_phone(value)
        except InvalidInput as error:
            raise ValidationError({"phone": [error.reason]}, code=error.code) from None
        return rows.filter(phone=number.removeprefix("+"))

    def by_receipt(self, rows: QuerySet[Payment], _name: str, value: str) -> QuerySet[Payment]:
        """Receipts are unique by provider and environment: naming all of them uses that index."""
        providers = [item.slug for item in registry.integrations() if item.category == "PAYMENT"]
        return rows.filter(
            provider__in=providers, environment__in=Environment.values, receipt=value.upper()
        )

    def by_attention(self, rows: QuerySet[Payment], _name: str, value: bool) -> QuerySet[Payment]:
        """Whether a person has to look."""
        return rows.exclude(attention="") if value else rows.filter(attention="")


def filter_names() -> list[str]:
    """The query parameters that the list knows."""
    paging = [PaymentPages.cursor_query_param, str(PaymentPages.page_size_query_param)]
    return [*PaymentFilter.base_filters, *paging]


class PaymentPages(CursorPagination):
    """Newest first: a page is found by index however far back it is, and rows that come
    meanwhile neither repeat nor hide others.

    By id; by the instant where instants narrow, or old days would be far to look for by id.
    """

    ordering = "-id"
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
    invalid_cursor_message = "This cursor is not one of ours."

    def get_ordering(self, request: Any, queryset: Any, view: Any) -> tuple[str, ...]:
        """By id, or by instant and id."""
        return ("-created_at", "-id") if _is_by_instant(request) else ("-id",)

    def decode_cursor(self, request: Any) -> Any:
        """DRF's; a position of another list would otherwise break the query."""
        cursor = super().decode_cursor(request)
        position = None if cursor is None else cursor.position
        fits = _is_instant if _is_by_instant(request) else _is_id
        if position is not None and not fits(str(position)):
            raise ValidationError({"cursor": [self.invalid_cursor_message]}, code="invalid_cursor")
        return cursor


def _is_by_instant(request: Any) -> bool:
    return any(request.query_params.get(name) for name in ("created_after", "created_before"))


def _is_instant(text: str) -> bool:
    try:
        found = parse_datetime(text)
    except ValueError:
        return False
    return found is not None and found.tzinfo is not None


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= ID_DIGITS
