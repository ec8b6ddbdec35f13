"""What is left of each item in each branch, after the movements that KRA has taken."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from django.db.models import Sum

from integrations.kra.writes.states import OPEN
from integrations.models import KRABranch, KRAItem, KRAStock, KRAWrite, WriteKind
from integrations.providers.kra.payloads.stock import sign_of


def quantity_of(branch: KRABranch, item_code: str) -> Decimal:
    """What is left in the branch; zero where nothing was ever moved."""
    row = KRAStock.objects.filter(
        branch=branch,
        item__environment=branch.environment,
        item__tin=branch.tin,
        item__item_code=item_code,
    ).first()
    return row.quantity if row else Decimal(0)


def apply_movement(write: KRAWrite) -> None:
    """Follow a movement that KRA has taken; in the transaction that stores its answer."""
    sign = sign_of(write.document["movement"])
    moved: dict[str, Decimal] = defaultdict(Decimal)
    for line in write.document["lines"]:
        moved[line["item_code"]] += sign * Decimal(line["quantity"])
    branch = write.branch
    items = KRAItem.objects.filter(
        environment=branch.environment, tin=branch.tin, item_code__in=moved
    )
    # By id, so that two branches lock the same items in the same order.
    for item in items.order_by("pk").select_for_update():
        row, _ = KRAStock.objects.select_for_update().get_or_create(branch=branch, item=item)
        row.quantity += moved[item.item_code]
        row.save(update_fields=["quantity", "updated_at"])
        total = KRAStock.objects.filter(item=item).aggregate(total=Sum("quantity"))["total"]
        KRAItem.objects.filter(pk=item.pk).update(stock=total)


def waiting_of(branch: KRABranch, item_code: str) -> Decimal:
    """What movements that KRA was not told of yet will add to an item (or, negative, take)."""
    rows = KRAWrite.objects.filter(branch=branch, kind=WriteKind.STOCK_IO, state__in=OPEN)
    added = Decimal(0)
    for document in rows.values_list("document", flat=True):
        sign = sign_of(document["movement"])
        for line in document["lines"]:
            if line["item_code"] == item_code and "target" not in document:
                added += sign * Decimal(line["quantity"])
    return added
