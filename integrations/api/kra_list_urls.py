"""The addresses of KRA's lists, items, stock, purchases, imports and reports."""

from __future__ import annotations

from django.urls import URLPattern, path

from integrations.api import kra_decision_views as decisions
from integrations.api import kra_list_views as lists
from integrations.api import kra_stock_views as stock

_PURCHASE, _IMPORT = "kra/purchases/<str:purchase_id>/", "kra/imports/<str:import_id>/"
_REPORT = "kra/reports/<str:report_id>/"


def kra_list_urls() -> list[URLPattern]:
    """All of them, for `integrations.urls`."""
    return [
        path("kra/codes/", lists.CodeListView.as_view(), name="kra-code-list"),
        path("kra/item-classes/", lists.ItemClassListView.as_view(), name="kra-item-class-list"),
        path("kra/items/", lists.ItemListView.as_view(), name="kra-item-list"),
        path("kra/items/<str:item_id>/", lists.ItemDetailView.as_view(), name="kra-item-detail"),
        path(
            "kra/items/<str:item_id>/exclude/",
            lists.ItemExcludeView.as_view(),
            name="kra-item-exclude",
        ),
        path("kra/sync/", lists.SyncView.as_view(), name="kra-sync"),
        path("kra/stock/", stock.StockListView.as_view(), name="kra-stock-list"),
        path("kra/stock/moves/", stock.StockMoveView.as_view(), name="kra-stock-move"),
        path("kra/stock/counts/", stock.StockCountView.as_view(), name="kra-stock-count"),
        path("kra/purchases/", decisions.PurchaseListView.as_view(), name="kra-purchase-list"),
        path(_PURCHASE, decisions.PurchaseDetailView.as_view(), name="kra-purchase-detail"),
        path(
            f"{_PURCHASE}accept/",
            decisions.PurchaseAcceptView.as_view(),
            name="kra-purchase-accept",
        ),
        path(
            f"{_PURCHASE}reject/",
            decisions.PurchaseRejectView.as_view(),
            name="kra-purchase-reject",
        ),
        path("kra/imports/", decisions.ImportListView.as_view(), name="kra-import-list"),
        path(_IMPORT, decisions.ImportDetailView.as_view(), name="kra-import-detail"),
        path(f"{_IMPORT}accept/", decisions.ImportAcceptView.as_view(), name="kra-import-accept"),
        path(f"{_IMPORT}reject/", decisions.ImportRejectView.as_view(), name="kra-import-reject"),
        path("kra/reports/", stock.ReportListView.as_view(), name="kra-report-list"),
        path(_REPORT, stock.ReportDetailView.as_view(), name="kra-report-detail"),
        path(f"{_REPORT}resend/", stock.ReportResendView.as_view(), name="kra-report-resend"),
    ]
