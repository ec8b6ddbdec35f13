"""What everything shares: one lock, the taxpayers, the units, the order of what happened."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from integrations.providers.emulation import Surroundings
from integrations.providers.kra.emulator.code_table import TABLE
from integrations.providers.kra.emulator.oauth import TokenOffice
from integrations.providers.kra.emulator.settings import Settings
from integrations.providers.kra.emulator.units import Taxpayer, Unit
from integrations.providers.kra.emulator.wire import read_time, wire_time

DEFAULT_PIN = "P051234567X"
DEFAULT_BRANCHES = ("00", "01")


@dataclass(slots=True)
class World:
    """The lock guards everything here. Changes go through `entries.commit`: it writes them down."""

    surroundings: Surroundings
    settings: Settings = field(default_factory=Settings)
    lock: threading.RLock = field(default_factory=threading.RLock)
    office: TokenOffice = field(default_factory=TokenOffice)
    taxpayers: dict[str, Taxpayer] = field(default_factory=dict)
    units: dict[tuple[str, str], Unit] = field(default_factory=dict)
    refused: list[dict[str, Any]] = field(default_factory=list)
    # Notices and item classes that KRA tells everybody, with `at`.
    notices: list[dict[str, Any]] = field(default_factory=list)
    extra_codes: list[dict[str, Any]] = field(default_factory=list)
    # Trader's numbers of papers that KRA refuses, however often they come.
    unwanted: set[str] = field(default_factory=set)
    order: int = 0
    # Lists count in seconds: the newest row, and the newest `resultDt` that a list was given.
    newest_row: str = ""
    newest_read: str = ""
    outage: tuple[str, str] = ("", "")  # ISO from and to; "" open
    line_cut_at: str = ""

    def __post_init__(self) -> None:
        self.taxpayers[DEFAULT_PIN] = Taxpayer(DEFAULT_PIN, "BIASHARA TRADERS LIMITED")
        for branch in DEFAULT_BRANCHES:
            self.unit(DEFAULT_PIN, branch)

    def now(self) -> datetime:
        """The sandbox's time."""
        return self.surroundings.now()

    def taxpayer(self, tin: str) -> Taxpayer:
        """The taxpayer of a PIN, made where it is new."""
        return self.taxpayers.setdefault(tin, Taxpayer(tin, f"TRADER {tin}"))

    def unit(self, tin: str, bhf_id: str) -> Unit:
        """The unit of a branch, made where it is new."""
        self.taxpayer(tin)
        name = "HEAD OFFICE" if bhf_id == "00" else f"BRANCH {bhf_id}"
        return self.units.setdefault((tin, bhf_id), Unit(tin, bhf_id, name))

    def codes(self, cls: str) -> frozenset[str]:
        """The codes of a class, with those that the control API added."""
        added = {each["code"] for each in self.extra_codes if each["cls"] == cls}
        return TABLE[cls] | added

    def row_stamp(self) -> str:
        """When a row appears: later than every list that was told without it."""
        stamp = wire_time(self.now())
        if stamp <= self.newest_read:
            stamp = wire_time(read_time(self.newest_read) + timedelta(seconds=1))
        return stamp

    def list_time(self) -> datetime:
        """The `resultDt` of a list: not before its newest row, so that no row comes twice."""
        stamp = max(wire_time(self.now()), self.newest_row)
        self.newest_read = max(self.newest_read, stamp)
        return read_time(stamp)

    def is_away(self) -> bool:
        """Whether KRA is in the outage that was asked for."""
        start, end = self.outage
        if not start:
            return False
        now = self.now()
        return datetime.fromisoformat(start) <= now and (
            not end or now < datetime.fromisoformat(end)
        )

    def offline_since(self, unit: Unit) -> datetime | None:
        """Since when a VSCU has had no contact to KRA; None while it has."""
        lost = [text for text in (unit.line_cut_at, self.line_cut_at) if text]
        if self.is_away():
            lost.append(self.outage[0])
        return min(map(datetime.fromisoformat, lost), default=None)

    def may_sign(self, unit: Unit) -> bool:
        """Whether a VSCU may still sign: 24 hours after the last contact (section 9 [2])."""
        since = self.offline_since(unit)
        limit = timedelta(hours=self.settings.offline_hours)
        return since is None or self.now() - since < limit

    def summary(self) -> dict[str, Any]:
        """The book: every unit with its sales in order, every refusal, the switches."""
        return {
            "units": [unit.as_dict() for unit in self.units.values()],
            "refused": self.refused,
            "items": {tin: sorted(taxpayer.items) for tin, taxpayer in self.taxpayers.items()},
            "accepted": sum(len(unit.sales) for unit in self.units.values()),
            "outage": list(self.outage),
            "line_cut_at": self.line_cut_at,
            "is_away": self.is_away(),
            "settings": _settings(self.settings),
        }


def _settings(settings: Settings) -> Mapping[str, Any]:
    return {name: getattr(settings, name) for name in settings.__slots__}
