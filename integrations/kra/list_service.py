"""KRA's lists, kept here, the catalogue of items, and the parties of a branch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Q

from integrations.kra.answers import Answer, KRAMessage, answer
from integrations.kra.base_service import ServiceBase
from integrations.kra.config import branch_of
from integrations.kra.described import (
    describe_code,
    describe_item,
    describe_item_class,
    describe_record,
    describe_write,
)
from integrations.kra.lists import codes_of, find_taxpayer, sync_lists
from integrations.kra.writes import compositions, items, parties
from integrations.kra.writes.inputs import flag_of, text_of
from integrations.models import KRACode, KRAItem, KRAItemClass, KRARecord, RecordKind

MOST_FOUND = 200


class ListService(ServiceBase):
    """KRA's lists, kept here, the catalogue of items, and the parties of a branch."""

    def sync_tax_data(
        self,
        start_date: object = None,
        end_date: object = None,
        *,
        lists: Sequence[str] | None = None,
    ) -> Answer:
        """Read what is new in KRA's lists: `(True, {"lists": {...}, "count", "note"})`.

        No endpoint of KRA takes a period: the dates (ISO text or date) are checked, and `note`
        says that they were not used. `lists` names some of codes, item_classes, branches,
        notices, items, imports, purchases, stock_moves. Where some could not be read the answer
        is `(False, message)`, which names them; `message.data` then holds what became of each.
        """
        done, report = answer(
            lambda: sync_lists(self.config(), lists, start_date=start_date, end_date=end_date)
        )
        if not done:
            return False, report
        if report.failed:
            told = report.as_dict()
            return False, KRAMessage(report.message, code="sync_incomplete", data=told)
        return True, report.as_dict()

    def codes(self, class_code: str = "") -> Answer:
        """KRA's codes of a class ("04" tax types, "17" packaging …; "": all), as last read."""

        def act() -> list[dict[str, Any]]:
            environment = self.config().environment
            if class_code:
                return [describe_code(row) for row in codes_of(environment, str(class_code))]
            rows = KRACode.objects.filter(environment=environment, is_used=True)
            return [describe_code(row) for row in rows]

        return answer(act)

    def item_classes(self, search: str = "", *, limit: int = 50) -> Answer:
        """Item classes whose code begins with `search`, or whose name holds it; at most 200."""

        def act() -> list[dict[str, Any]]:
            wanted = text_of("search", search, 100)
            rows = KRAItemClass.objects.filter(environment=self.config().environment, is_used=True)
            if wanted:
                rows = rows.filter(Q(code__startswith=wanted) | Q(name__icontains=wanted))
            return [describe_item_class(row) for row in rows[: max(1, min(limit, MOST_FOUND))]]

        return answer(act)

    def save_item(self, data: Mapping[str, Any], *, by: Any = None) -> Answer:
        """Store an item and report it to KRA in its turn: `(True, {"item", "report"})`.

        Names: `name`, `class_code`, `packaging_unit`, `quantity_unit`, `tax_type`, `price` (VAT
        included), `type_code` ("2": finished product), `origin` ("KE"), `barcode`, `is_insured`,
        `is_used`, `reference` (the ERP's own key), `standard_name`, `batch`, `safety_quantity`,
        `group_prices` (of up to five levels), `additional_info`. `item_code` or a known
        `reference` changes that item; else KRA's next code is given to it. Inside an open
        transaction it is stored with it. The same again is no second report.
        """

        def act() -> dict[str, Any]:
            item, write = items.save_item(self.config(), data, by=by)
            return {"item": describe_item(item), "report": describe_write(write)}

        return answer(act)

    def save_composition(
        self, item: str, component: str, quantity: object, *, by: Any = None
    ) -> Answer:
        """Report that one `item` is made of so much of `component`: `(True, report)`."""
        return answer(
            lambda: describe_write(
                compositions.save_composition(self.config(), item, component, quantity, by=by)
            )
        )

    def items(self, search: str = "", *, limit: int = 50) -> Answer:
        """Items of the catalogue by code, reference or a part of the name; at most 200."""

        def act() -> list[dict[str, Any]]:
            wanted = text_of("search", search, 100)
            branch = branch_of(self.config())
            rows = KRAItem.objects.filter(environment=branch.environment, tin=branch.tin)
            if wanted:
                by_key = Q(item_code__startswith=wanted) | Q(reference=wanted)
                rows = rows.filter(by_key | Q(name__icontains=wanted))
            return [describe_item(row) for row in rows[: max(1, min(limit, MOST_FOUND))]]

        return answer(act)

    def exclude_item(self, item: str, excluded: bool = True) -> Answer:
        """Leave an item (code or reference) out of what KRA is told, or take it in again."""

        def act() -> dict[str, Any]:
            wanted = flag_of("excluded", excluded)
            return describe_item(items.exclude_item(self.config(), item, excluded=wanted))

        return answer(act)

    def save_branch_customer(self, data: Mapping[str, Any], *, by: Any = None) -> Answer:
        """Report a customer of the branch: `number`, `pin`, `name`; `address`, `phone`, `email`,
        `fax`, `remark`, `is_used`."""
        return answer(lambda: describe_write(parties.save_customer(self.config(), data, by=by)))

    def save_insurance(self, data: Mapping[str, Any], *, by: Any = None) -> Answer:
        """Report an insurance that a pharmacy takes: `code`, `name`, `rate` (whole percent),
        `is_used`."""
        return answer(lambda: describe_write(parties.save_insurance(self.config(), data, by=by)))

    def save_branch_user(self, data: Mapping[str, Any], password: str) -> Answer:
        """Save a user of the branch at KRA, now: `user_id`, `name`; `address`, `contact`,
        `authority`, `remark`, `is_used`.

        The password is sent and never stored, so this can't wait in a queue: inside an open
        transaction it is refused. Where KRA's answer was lost, the code is "outcome_unknown" and
        the same call may be made again, as saving a user twice does no harm.
        """
        return answer(lambda: parties.save_user(self.config(), data, password))

    def find_taxpayer(self, pin: str, *, refresh: bool = False) -> Answer:
        """Who is behind a PIN by eTIMS: `(True, {"found", "pin", "name", "status", "as_of"})`.

        Asked at most once a day unless `refresh`.
        """
        return answer(lambda: find_taxpayer(self.config(), pin, refresh=refresh))

    def notices(self, *, limit: int = 50) -> Answer:
        """KRA's notices, the newest first, as last read."""
        return answer(lambda: self._records(RecordKind.NOTICE, limit))

    def branches(self) -> Answer:
        """The taxpayer's branches as KRA lists them, as last read."""
        return answer(lambda: self._records(RecordKind.BRANCH, MOST_FOUND))

    def _records(self, kind: RecordKind, limit: int) -> list[dict[str, Any]]:
        branch = branch_of(self.config())
        rows = KRARecord.objects.filter(
            environment=branch.environment, tin=branch.tin, bhf_id="", kind=kind
        )
        return [describe_record(row) for row in rows[: max(1, min(limit, MOST_FOUND))]]
