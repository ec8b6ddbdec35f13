"""What the views of KRA's lists, items, stock and reports share."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from integrations.api.kra_base import BUSINESS, RowFilter
from integrations.api.rights import Right, choose_business
from integrations.config import Snapshot
from integrations.kra.config import tax_config
from integrations.kra.lists import FEEDS
from integrations.models import (
    KRACursor,
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
    BUSINESS,
    OpenApiParameter("branch", str, description="KRA's two digits. Left out: the main one."),
]


def config_for(request: Request, wanted: dict[str, Any]) -> Snapshot:
    """The settings that a body or the parameters name, which are taken out of `wanted`.

    Raises BusinessRefused, ConfigurationError and InvalidInput.
    """
    business = choose_business(request, wanted.pop("business", None))
    return tax_config(business, wanted.pop("branch", ""))


def body_of(view: Any, request: Request) -> dict[str, Any]:
    """The checked values of the body that the view takes; raises ValidationError."""
    serializer = view.get_serializer(data=request.data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


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


class StockFilter(RowFilter):
    """Of what is left."""

    business_field = "branch__business"
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


class CursorFilter(RowFilter):
    """Of lists."""

    branch = filters.CharFilter(field_name="bhf_id", max_length=10, help_text="KRA's two digits.")
    list_name = filters.ChoiceFilter(choices=[(name, name) for name in FEEDS])

    class Meta:
        model = KRACursor
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
