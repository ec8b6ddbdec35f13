"""Reading several lists one after another, and saying of each what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NoReturn

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput
from integrations.kra.config import branch_of, require_device
from integrations.kra.lists.feeds import FEEDS
from integrations.kra.lists.read import ListResult, read_feed
from integrations.models import KRABranch

NO_PERIOD = (
    "KRA's lists take no period: everything new since the last reading was read, "
    "whatever the dates."
)


@dataclass(frozen=True, slots=True)
class SyncReport:
    """The lists that were read, and the period that was asked for ("" for none)."""

    results: tuple[ListResult, ...]
    start_date: str = ""
    end_date: str = ""

    @property
    def failed(self) -> tuple[ListResult, ...]:
        """Lists that were not read, though this way to KRA has them."""
        return tuple(one for one in self.results if not one.is_done and one.is_offered)

    @property
    def message(self) -> str:
        """What failed, list by list, for people; "" where nothing did."""
        told = [f"{FEEDS[one.name].words} ({one.message})" for one in self.failed]
        good = sum(one.is_done for one in self.results)
        return f"{good} list(s) were read; not read: {', '.join(told)}" if told else ""

    def as_dict(self) -> dict[str, Any]:
        """For answers: each list by name, and that the period was not used."""
        return {
            "lists": {one.name: one.as_dict() for one in self.results},
            "count": sum(one.count for one in self.results),
            "start_date": self.start_date,
            "end_date": self.end_date,
            "note": NO_PERIOD if self.start_date or self.end_date else "",
        }


def sync_lists(
    config: Snapshot,
    names: Sequence[str] | None = None,
    *,
    start_date: object = None,
    end_date: object = None,
) -> SyncReport:
    """Read what is new in KRA's lists (None: all of them).

    Raises InvalidInput for a date or a list that is none, and ConfigurationError without a
    device. What KRA refuses, or does not answer, is told list by list.
    """
    start, end = check_period(start_date, end_date)
    feeds = [FEEDS[name] for name in check_names(names)]
    require_device(config)
    branch = branch_of(config)
    return SyncReport(tuple(_read_all(config, branch, feeds)), start, end)


def _read_all(config: Snapshot, branch: KRABranch, feeds: Iterable[Any]) -> Iterable[ListResult]:
    for feed in feeds:
        yield read_feed(config, branch, feed)


def check_names(names: Sequence[str] | None) -> list[str]:
    """The names of lists in KRA's order; raises InvalidInput for one that there is not."""
    if names is None:
        return list(FEEDS)
    wanted = [names] if isinstance(names, str) else list(names)
    for name in wanted:
        if name not in FEEDS:
            known = ", ".join(FEEDS)
            raise InvalidInput("lists", f"{name!r:.40} is no list; there are: {known}.")
    return [name for name in FEEDS if name in wanted]


def check_period(start: object, end: object) -> tuple[str, str]:
    """Both dates as ISO text, "" for none; raises InvalidInput."""
    first, last = _date("start_date", start), _date("end_date", end)
    if first and last and first > last:
        raise InvalidInput("end_date", f"{last} is before the start, {first}.")
    return (str(first) if first else ""), (str(last) if last else "")


def _date(field: str, value: object) -> date | None:
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value.strip()) if isinstance(value, str) else _refuse(field)
    except ValueError:
        _refuse(field)


def _refuse(field: str) -> NoReturn:
    raise InvalidInput(field, "must be a date such as 2026-11-30.")
