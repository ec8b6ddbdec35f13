"""What the desks share: one lock, one ledger, the merchants, the switches and the dice."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.providers.emulation import Surroundings
from integrations.providers.mpesa.emulator.fields import Rules
from integrations.providers.mpesa.emulator.initiators import Initiator
from integrations.providers.mpesa.emulator.ledger import Ledger, Movement
from integrations.providers.mpesa.emulator.merchants import Merchant, default_merchants
from integrations.providers.mpesa.emulator.outcomes import ScenarioQueue
from integrations.providers.mpesa.emulator.settings import Settings


@dataclass(slots=True)
class World:
    """The lock guards everything here; nothing is posted to anybody under it."""

    surroundings: Surroundings
    settings: Settings
    lock: threading.RLock = field(default_factory=threading.RLock)
    ledger: Ledger = field(default_factory=Ledger)
    merchants: dict[str, Merchant] = field(default_factory=default_merchants)
    initiators: dict[str, Initiator] = field(default_factory=dict)
    scenarios: ScenarioQueue = field(default_factory=ScenarioQueue)
    dice: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311

    def __post_init__(self) -> None:
        for merchant in self.merchants.values():
            self.welcome(merchant)

    def welcome(self, merchant: Merchant, opening: Mapping[str, int] | None = None) -> None:
        """Add a merchant with its accounts and, where it has none yet, its initiator."""
        self.merchants[merchant.shortcode] = merchant
        self.ledger.open(merchant, opening)
        self.initiators.setdefault(merchant.shortcode, Initiator())

    def merchant_of(self, number: str) -> Merchant | None:
        """The merchant of a shortcode, or of one of its tills."""
        merchant = self.merchants.get(number)
        if merchant is not None:
            return merchant
        return next((each for each in self.merchants.values() if number in each.tills), None)

    def owner(self, shortcode: str) -> Merchant:
        """The merchant of a record; one that a restart forgot is a plain PayBill."""
        return self.merchants.get(shortcode) or Merchant(shortcode, passkey="")

    def rules(self) -> Rules:
        """What the field rules depend on, now."""
        return Rules(
            now=self.surroundings.now(),
            tolerance=self.settings.timestamp_tolerance,
            is_strict=self.settings.is_strict,
        )

    def record(self, *movements: Movement, **entries: Any) -> None:
        """Write one journal line: what changed, with the movements of money that belong to it."""
        line: dict[str, Any] = {name: _shallow(entry) for name, entry in entries.items()}
        if movements:
            line["movements"] = [_shallow(movement) for movement in movements]
        self.surroundings.record(line)


def _shallow(entry: Any) -> dict[str, Any]:
    # Written before the lock is given back, so no deep copy is needed, which would cost more
    # than all the rest of a prompt.
    return {name: getattr(entry, name) for name in entry.__slots__}
