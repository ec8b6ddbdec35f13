"""Which lists there are, by which call each is read, and who keeps its rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from integrations.kra.lists.catalogue import store_items
from integrations.kra.lists.codes import store_codes, store_item_classes
from integrations.kra.lists.records import store_branches, store_notices, store_stock_moves
from integrations.kra.lists.trade import store_imports, store_purchases
from integrations.models import KRABranch

# Answers how many rows were stored and how many were unreadable.
Store = Callable[[KRABranch, object], tuple[int, int]]


@dataclass(frozen=True)
class Feed:
    """One list: its name (the cursor's, and the API's), the client's operation, the keeper."""

    name: str
    operation: str
    store: Store
    words: str


FEEDS: dict[str, Feed] = {
    feed.name: feed
    for feed in (
        Feed("codes", "code_list", store_codes, "code lists"),
        Feed("item_classes", "item_classes", store_item_classes, "item classes"),
        Feed("branches", "branch_list", store_branches, "branches"),
        Feed("notices", "notices", store_notices, "notices"),
        Feed("items", "item_list", store_items, "items"),
        Feed("imports", "import_list", store_imports, "imports"),
        Feed("purchases", "purchase_list", store_purchases, "purchases"),
        Feed("stock_moves", "stock_list", store_stock_moves, "stock movements"),
    )
}
