"""Stock movements, purchases and imports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from integrations.exceptions import InvalidInput
from integrations.kra.answers import Answer, answer
from integrations.kra.base_service import ServiceBase
from integrations.kra.config import branch_of
from integrations.kra.described import (
    describe_import,
    describe_purchase,
    describe_stock,
    describe_write,
)
from integrations.kra.writes import decisions, movements
from integrations.kra.writes.items import find_item
from integrations.models import KRAImport, KRAPurchase, KRAStock, KRAWrite, PurchaseState
from integrations.providers.kra.payloads.stock import Movement

MOST_FOUND = 200
Line = Mapping[str, Any]


class StockService(ServiceBase):
    """Stock movements, purchases and imports. Reports are sent in order, branch by branch."""

    def stock_in(
        self,
        lines: Sequence[Line],
        *,
        movement: str = Movement.PURCHASE,
        key: str | None = None,
        day: object = None,
        remark: str = "",
        partner: Mapping[str, Any] | None = None,
        by: Any = None,
    ) -> Answer:
        """Report goods that came in: `(True, {"movement", "remaining"})`.

        `lines` are dicts of `item` (code or reference), `quantity`, `price` (of a unit, VAT
        included; the item's own where none is given) and `expires_on`. `movement` is "01"
        import, "02" purchase, "03" return, "04" moved here, "05" processing, "06" adjustment.
        `partner` names who sent them: `pin`, `name`, `branch`. The same `key` again is no second
        movement. Inside an open transaction it is stored with it.
        """
        return self._move(lines, movement, key, day, remark, partner, by, incoming=True)

    def stock_out(
        self,
        lines: Sequence[Line],
        *,
        movement: str = Movement.ADJUSTED_OUT,
        key: str | None = None,
        day: object = None,
        remark: str = "",
        partner: Mapping[str, Any] | None = None,
        by: Any = None,
    ) -> Answer:
        """Report goods that went out, as `stock_in`; refused where KRA was told of fewer.

        `movement` is "11" sale, "12" return, "13" moved away, "14" processing, "15" discarded,
        "16" adjustment. With the setting "report stock", signed invoices do this themselves.
        """
        return self._move(lines, movement, key, day, remark, partner, by, incoming=False)

    def _move(
        self,
        lines: Sequence[Line],
        movement: str,
        key: str | None,
        day: object,
        remark: str,
        partner: Mapping[str, Any] | None,
        by: Any,
        *,
        incoming: bool,
    ) -> Answer:
        return answer(
            lambda: _moved(
                movements.move_stock(
                    self.config(), lines, movement, key=key, day=day, remark=remark,
                    partner=partner, by=by, incoming=incoming,
                )
            )
        )  # fmt: skip

    def set_stock(
        self,
        item: str,
        quantity: object,
        *,
        key: str | None = None,
        price: object = None,
        remark: str = "",
        by: Any = None,
    ) -> Answer:
        """Report a count: so much of an item is there. KRA is told the difference as an
        adjustment, worked out behind the movements that wait; answers as `stock_in`."""
        return answer(
            lambda: _moved(
                movements.count_stock(
                    self.config(), item, quantity, key=key, price=price, remark=remark, by=by
                )
            )
        )

    def stock_on_hand(self, item: str = "") -> Answer:
        """What is left in this branch after the movements that KRA has taken: `(True, [...])`."""

        def act() -> list[dict[str, Any]]:
            branch = branch_of(self.config())
            rows = KRAStock.objects.filter(branch=branch).select_related("item", "branch")
            if item:
                rows = rows.filter(item=find_item(branch, "item", item))
            return [describe_stock(row) for row in rows.order_by("item__item_code")]

        return answer(act)

    def purchases(self, state: str = "", *, limit: int = 50) -> Answer:
        """Suppliers' invoices from KRA's feed; `state`: new, accepted or rejected; newest first."""

        def act() -> list[dict[str, Any]]:
            rows = KRAPurchase.objects.filter(branch=branch_of(self.config()))
            found = _narrowed(rows.select_related("write", "branch"), state, limit)
            return [describe_purchase(row) for row in found]

        return answer(act)

    def accept_purchase(
        self,
        purchase: int | str,
        *,
        items: Mapping[Any, str] | None = None,
        remark: str = "",
        receive: bool | None = None,
        by: Any = None,
    ) -> Answer:
        """Accept a supplier's invoice (by `id`) and report it: `(True, purchase)`.

        `items` names our item for the number of each line: {"1": "KE2NTNO0000001"}; lines that
        carry one of our codes need none. `receive` reports the goods as come in (None: as the
        setting "report stock" says). A second decision is refused.
        """
        return answer(
            lambda: describe_purchase(
                decisions.accept_purchase(
                    self.config(), purchase, items=items, remark=remark, receive=receive, by=by
                )
            )
        )

    def reject_purchase(self, purchase: int | str, *, remark: str = "", by: Any = None) -> Answer:
        """Reject a supplier's invoice (by `id`) and report that: `(True, purchase)`."""
        return answer(
            lambda: describe_purchase(
                decisions.reject_purchase(self.config(), purchase, remark=remark, by=by)
            )
        )

    def imports(self, state: str = "", *, limit: int = 50) -> Answer:
        """Imported items from KRA's feed; `state`: new, accepted or rejected; newest first."""

        def act() -> list[dict[str, Any]]:
            rows = KRAImport.objects.filter(branch=branch_of(self.config()))
            found = _narrowed(rows.select_related("write", "branch", "item"), state, limit)
            return [describe_import(row) for row in found]

        return answer(act)

    def accept_import(
        self,
        imported: int | str,
        item: str,
        *,
        price: object = None,
        remark: str = "",
        receive: bool | None = None,
        by: Any = None,
    ) -> Answer:
        """Say which item of ours an imported one (by `id`) is, and report it: `(True, import)`.

        `receive` as in `accept_purchase`, at `price` a unit (the item's own where none is given).
        """
        return answer(
            lambda: describe_import(
                decisions.accept_import(
                    self.config(), imported, item,
                    price=price, remark=remark, receive=receive, by=by,
                )
            )
        )  # fmt: skip

    def reject_import(
        self, imported: int | str, *, item: str = "", remark: str = "", by: Any = None
    ) -> Answer:
        """Say that an imported item (by `id`) is not ours, and report it: `(True, import)`.

        KRA may want an item of ours all the same: `item` names it.
        """
        return answer(
            lambda: describe_import(
                decisions.reject_import(self.config(), imported, item=item, remark=remark, by=by)
            )
        )


def _moved(writes: Sequence[KRAWrite]) -> dict[str, Any]:
    return {
        "movement": describe_write(writes[0]),
        "remaining": [describe_write(write) for write in writes[1:]],
    }


def _narrowed(rows: Any, state: str, limit: int) -> Any:
    if state:
        if state not in PurchaseState.values:
            known = ", ".join(PurchaseState.values)
            raise InvalidInput("state", f"must be one of {known}.")
        rows = rows.filter(state=state)
    return rows.order_by("-pk")[: max(1, min(limit, MOST_FOUND))]
