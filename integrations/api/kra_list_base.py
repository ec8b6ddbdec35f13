"""What the views of KRA's lists, items, stock and reports share."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django.http import Http404
from django_filters import rest_framework as filters
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.access import request_scope
from integrations.api.hub_view import refuse_unknown
from integrations.api.kra_base import KRAView
from integrations.api.payment_filters import PaymentPages
from integrations.api.rights import Right, choose_business
from integrations.config import Snapshot
from integrations.kra.config import tax_config
from integrations.models import (
    KRAImport,
    KRAItem,
    KRAPurchase,
    KRAStock,
    KRAWrite,
    PurchaseState,
    TokenScope,
    WriteKind,
    WriteState,
)

READ_LISTS = Right(TokenScope.TAX_READ, "integrations.view_kracode")
READ_ITEMS = Right(TokenScope.TAX_READ, "integrations.view_kraitem")
READ_STOCK = Right(TokenScope.TAX_READ, "integrations.view_krastock")
READ_PURCHASES = Right(TokenScope.TAX_READ, "integrations.view_krapurchase")
READ_IMPORTS = Right(TokenScope.TAX_READ, "integrations.view_kraimport")
READ_REPORTS = Right(TokenScope.TAX_READ, "integrations.view_krawrite")
READ_CURSORS = Right(TokenScope.TAX_READ, "integrations.view_kracursor")
REPORT = Right(TokenScope.TAX_WRITE, "integrations.report_krawrite")
RESEND_REPORT = Right(TokenScope.TAX_WRITE, "integrations.resend_krawrite")
DECIDE_PURCHASE = Right(TokenScope.TAX_WRITE, "integrations.decide_krapurchase")
DECIDE_IMPORT = Right(TokenScope.TAX_WRITE, "integrations.decide_kraimport")
SYNC = Right(TokenScope.TAX_WRITE, "integrations.sync_kracursor")
TAGS = ["kra lists"]
PLACE = [
    OpenApiParameter("business", str, description="Empty: the installation."),
    OpenApiParameter("branch", str, description="KRA's two digits. Left out: the main one."),
]


class PagedView(KRAView):
    """A list of rows of the caller's businesses, newest first, in pages."""

    model: ClassVar[Any]
    related: ClassVar[tuple[str, ...]] = ()
    filter_backends: Any = (DjangoFilterBackend,)
    pagination_class: Any = PaymentPages

    def get_queryset(self) -> QuerySet[Any]:
        """The caller's rows; others don't exist here."""
        if getattr(self, "swagger_fake_view", False):
            return self.model.objects.none()  # type: ignore[no-any-return]
        rows = self.model.objects.select_related(*self.related)
        return request_scope(self.request).narrow(rows)

    def paged(self, request: Request) -> Response:
        """One page of the rows that fit every filter."""
        paging = [PaymentPages.cursor_query_param, str(PaymentPages.page_size_query_param)]
        known = self.filterset_class.base_filters  # type: ignore[attr-defined]
        refuse_unknown(request, *known, *paging)
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def find_row(self, key: str) -> Any:
        """The caller's row of this id; raises Http404 for any other text."""
        is_number = key.isascii() and key.isdigit() and len(key) <= 18
        row = self.get_queryset().filter(pk=int(key)).first() if is_number else None
        if row is None:
            raise Http404("There is no such row.")
        return row


def config_for(request: Request, wanted: dict[str, Any]) -> Snapshot:
    """The settings that a body or the parameters name, which are taken out of `wanted`.

    Raises BusinessRefused, ConfigurationError and InvalidInput.
    """
    business = choose_business(request, wanted.pop("business", None))
    return tax_config(business, wanted.pop("branch", ""))


class RowFilter(filters.FilterSet):  # type: ignore[misc]
    """Every filter narrows; together they must all fit."""

    business = filters.CharFilter(method="by_business", help_text="Empty: the installation.")

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """As the library's, where an empty `business` is a business too."""
        rows: QuerySet[Any] = super().filter_queryset(queryset)
        return rows.filter(business="") if self.data.get("business") == "" else rows

    def by_business(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        """A stranger's business has no rows here."""
        return rows.filter(business=value)


class ItemFilter(RowFilter):
    """Of the catalogue."""

    search = filters.CharFilter(method="by_text", help_text="Code, reference, part of the name.")
    is_registered = filters.BooleanFilter()
    is_excluded = filters.BooleanFilter()

    class Meta:
        model = KRAItem
        fields: ClassVar[list[str]] = []

    def by_text(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        """By any of three."""
        by_key = Q(item_code__startswith=value) | Q(reference=value)
        return rows.filter(by_key | Q(name__icontains=value))


class StockFilter(filters.FilterSet):  # type: ignore[misc]
    """Of what is left."""

    business = filters.CharFilter(field_name="branch__business")
    branch = filters.CharFilter(field_name="branch__bhf_id", max_length=10)
    item_code = filters.CharFilter(field_name="item__item_code", max_length=20)

    class Meta:
        model = KRAStock
        fields: ClassVar[list[str]] = []


class _BranchFilter(RowFilter):
    branch = filters.CharFilter(
        field_name="branch__bhf_id", max_length=10, help_text="KRA's two digits."
    )


class PurchaseFilter(_BranchFilter):
    """Of suppliers' invoices."""

    state = filters.ChoiceFilter(choices=PurchaseState.choices)
    supplier_pin = filters.CharFilter(max_length=20)

    class Meta:
        model = KRAPurchase
        fields: ClassVar[list[str]] = []


class ImportFilter(_BranchFilter):
    """Of imported items."""

    state = filters.ChoiceFilter(choices=PurchaseState.choices)
    task_code = filters.CharFilter(max_length=50)

    class Meta:
        model = KRAImport
        fields: ClassVar[list[str]] = []


class ReportFilter(_BranchFilter):
    """Of reports."""

    state = filters.ChoiceFilter(choices=WriteState.choices)
    kind = filters.ChoiceFilter(choices=WriteKind.choices)
    key = filters.CharFilter(max_length=120)
    invoice = filters.UUIDFilter(field_name="invoice__public_id")

    class Meta:
        model = KRAWrite
        fields: ClassVar[list[str]] = []
