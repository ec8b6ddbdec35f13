"""What the views of KRA share: rights, and the rows of the caller's businesses."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from django_filters import rest_framework as filters
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from integrations.access import request_scope
from integrations.api.hub_view import HubView, find_by_number, find_by_uuid, refuse_unknown
from integrations.api.payment_filters import PaymentPages
from integrations.api.rights import Right
from integrations.api.throttles import CostlyThrottle
from integrations.models import (
    Environment,
    InvoiceKind,
    InvoiceState,
    KRAInvoice,
    KRAInvoiceEvent,
    TokenScope,
)

TAGS = ["kra"]
NO_INVOICE, NO_BRANCH = "There is no such KRA invoice.", "There is no such KRA branch."
READ = Right(TokenScope.TAX_READ, "integrations.view_krainvoice")
SUBMIT = Right(TokenScope.TAX_WRITE, "integrations.submit_krainvoice")
RESEND = Right(TokenScope.TAX_WRITE, "integrations.resend_krainvoice")
SETTLE = Right(TokenScope.TAX_WRITE, "integrations.settle_krainvoice")
READ_BRANCHES = Right(TokenScope.TAX_READ, "integrations.view_krabranch")
RELEASE = Right(TokenScope.TAX_WRITE, "integrations.release_krabranch")
INVOICE_ID = OpenApiParameter(
    "invoice_id", UUID, OpenApiParameter.PATH, description="The document's id."
)
BRANCH_ID = OpenApiParameter("branch_id", int, OpenApiParameter.PATH)
BUSINESS = OpenApiParameter("business", str, description="Empty: the installation.")


PAGING = (PaymentPages.cursor_query_param, str(PaymentPages.page_size_query_param))


class KRAView(HubView):
    """Rows of the caller's businesses; others don't exist here."""

    model: ClassVar[Any] = None
    related: ClassVar[tuple[str, ...]] = ()
    # The path from a row to its business.
    business_field: ClassVar[str] = "business"
    missing: ClassVar[str] = "There is no such row."

    def get_throttles(self) -> list[BaseThrottle]:
        """Reading costs nobody else anything."""
        found = super().get_throttles()
        if self.request.method == "POST":
            return found
        return [each for each in found if not isinstance(each, CostlyThrottle)]

    def all_rows(self) -> QuerySet[Any]:
        """Everybody's rows, with what is told beside them."""
        rows: QuerySet[Any] = self.model.objects.all()
        # Without a name, every relation would be followed.
        return rows.select_related(*self.related) if self.related else rows

    def get_queryset(self) -> QuerySet[Any]:
        """The caller's rows; others don't exist here."""
        if getattr(self, "swagger_fake_view", False):
            return self.model.objects.none()  # type: ignore[no-any-return]
        return request_scope(self.request).narrow(self.all_rows(), self.business_field)

    def find_row(self, key: str) -> Any:
        """The caller's row of this id; raises Http404 for any other text.

        Where the address names a business, of that one.
        """
        rows, wanted = self.get_queryset(), self.request.query_params.get("business")
        if wanted is not None:
            rows = rows.filter(**{self.business_field: wanted})
        find = find_by_uuid if hasattr(self.model, "public_id") else find_by_number
        return find(rows, key, self.missing)


class PagedView(KRAView):
    """A list of such rows, newest first, in pages."""

    # Large columns that no line of the list shows.
    left_out: ClassVar[tuple[str, ...]] = ()
    filter_backends: Any = (DjangoFilterBackend,)
    pagination_class: Any = PaymentPages

    def paged(self, request: Request, shape: Any = None) -> Response:
        """One page of the rows that fit every filter; `shape` where the view takes another."""
        known = self.filterset_class.base_filters  # type: ignore[attr-defined]
        refuse_unknown(request, *known, *PAGING)
        rows = self.filter_queryset(self.get_queryset()).defer(*self.left_out)
        made = (shape or self.get_serializer_class())(
            self.paginate_queryset(rows), many=True, context=self.get_serializer_context()
        )
        return self.get_paginated_response(made.data)


class InvoiceView(KRAView):
    """What the views of documents share."""

    model = KRAInvoice
    related = ("branch", "original")
    missing = NO_INVOICE

    def find_invoice(self, invoice_id: str) -> KRAInvoice:
        """The caller's document with its history; raises Http404 for any other text."""
        history = Prefetch("events", KRAInvoiceEvent.objects.order_by("id"))
        rows: QuerySet[KRAInvoice] = self.get_queryset().prefetch_related(history)
        return find_by_uuid(rows, invoice_id, self.missing)


class RowFilter(filters.FilterSet):  # type: ignore[misc]
    """Every filter narrows; together they must all fit."""

    business_field: ClassVar[str] = "business"
    business = filters.CharFilter(method="by_business", help_text="Empty: the installation.")

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """As the library's, where an empty `business` is a business too."""
        rows: QuerySet[Any] = super().filter_queryset(queryset)
        return self._of(rows, "") if self.data.get("business") == "" else rows

    def by_business(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        """A stranger's business has no rows here."""
        return self._of(rows, value)

    def _of(self, rows: QuerySet[Any], business: str) -> QuerySet[Any]:
        return rows.filter(**{self.business_field: business})

    def by_attention(self, rows: QuerySet[Any], _name: str, value: bool) -> QuerySet[Any]:
        """Whether a person has to look."""
        return rows.exclude(attention="") if value else rows.filter(attention="")


class InvoiceFilter(RowFilter):
    """Of documents."""

    state = filters.MultipleChoiceFilter(
        choices=InvoiceState.choices, help_text="May be given several times."
    )
    kind = filters.ChoiceFilter(choices=InvoiceKind.choices)
    environment = filters.ChoiceFilter(choices=Environment.choices)
    pin = filters.CharFilter(field_name="branch__tin", max_length=20, help_text="The seller's.")
    branch = filters.CharFilter(
        field_name="branch__bhf_id", max_length=10, help_text="KRA's two digits."
    )
    trader_number = filters.CharFilter(max_length=50, help_text="The ERP's own number.")
    number = filters.NumberFilter(
        method="by_number", help_text="KRA's number.", min_value=1, max_value=2**53
    )
    original = filters.UUIDFilter(
        field_name="original__public_id", help_text="Credit notes of the invoice with this id."
    )
    created_after = filters.IsoDateTimeFilter(
        field_name="created_at", lookup_expr="gte", help_text="This instant included."
    )
    created_before = filters.IsoDateTimeFilter(
        field_name="created_at", lookup_expr="lt", help_text="This instant excluded."
    )
    needs_attention = filters.BooleanFilter(method="by_attention")

    class Meta:
        model = KRAInvoice
        fields: ClassVar[list[str]] = []

    def by_number(self, rows: QuerySet[KRAInvoice], _name: str, value: Any) -> QuerySet[KRAInvoice]:
        """Whole numbers only: others have no document."""
        return rows.filter(number=int(value)) if value == int(value) else rows.none()


def is_head(request: Request) -> bool:
    """Whether only the head of an answer is asked for: nothing may be counted then."""
    return request.method == "HEAD"
