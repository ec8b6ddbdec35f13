"""All desks of the emulator around one world, and what a journal does to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from integrations.providers.emulation import Answer, Request
from integrations.providers.mpesa.emulator.c2b import C2BDesk
from integrations.providers.mpesa.emulator.cashier import Cashier
from integrations.providers.mpesa.emulator.clerk import Clerk
from integrations.providers.mpesa.emulator.courier import Courier
from integrations.providers.mpesa.emulator.merchants import Merchant
from integrations.providers.mpesa.emulator.money import kes
from integrations.providers.mpesa.emulator.oauth import TokenOffice
from integrations.providers.mpesa.emulator.orders import BALANCE, PAYOUT, REVERSE, STATUS
from integrations.providers.mpesa.emulator.payouts import PayoutDesk
from integrations.providers.mpesa.emulator.postman import Postman
from integrations.providers.mpesa.emulator.pull import PullDesk, PullRegistration
from integrations.providers.mpesa.emulator.queries import BalanceDesk, StatusDesk
from integrations.providers.mpesa.emulator.reversals import ReversalDesk
from integrations.providers.mpesa.emulator.stk import StkDesk
from integrations.providers.mpesa.emulator.world import World


@dataclass(slots=True)
class Desks:
    """The emulator's departments; `handlers` serve the routes by name."""

    world: World
    office: TokenOffice = field(default_factory=TokenOffice)
    stk: StkDesk = field(init=False)
    cashier: Cashier = field(init=False)
    clerk: Clerk = field(init=False)
    pull: PullDesk = field(init=False)
    handlers: dict[str, Callable[[Request], Answer]] = field(init=False)

    def __post_init__(self) -> None:
        world = self.world
        courier = Courier(world.surroundings)
        self.cashier = Cashier(world, courier)
        self.stk = StkDesk(world, Postman(world, self.cashier))
        self.clerk = clerk = Clerk(world, courier)
        self.pull = PullDesk(world)
        c2b, payouts = C2BDesk(world, self.cashier), PayoutDesk(world, clerk)
        reversals, status = ReversalDesk(world, clerk), StatusDesk(world, clerk)
        balance = BalanceDesk(world, clerk)
        clerk.desks = {PAYOUT: payouts, REVERSE: reversals, STATUS: status, BALANCE: balance}
        self.handlers = {
            "stk_push": self.stk.push,
            "stk_query": self.stk.query,
            "c2b_register_v1": c2b.register_v1,
            "c2b_register_v2": c2b.register_v2,
            "c2b_simulate": c2b.simulate,
            "b2c_v1": payouts.pay_v1,
            "b2c_v3": payouts.pay_v3,
            "transaction_status": status.ask,
            "account_balance": balance.ask,
            "reversal": reversals.reverse,
            "pull_register": self.pull.register,
            "pull": self.pull.query,
        }

    def replay(self, entry: Mapping[str, Any]) -> None:
        """Take over one journal entry: whatever changed, and the money that moved with it."""
        if "shop" in entry:
            told = entry["shop"]
            merchant = Merchant(**{**told, "tills": tuple(told["tills"])})
            self.world.welcome(merchant, entry["held"])
        for movement in entry.get("movements", ()):
            self.world.ledger.replay(movement)
        if "prompt" in entry:
            self.stk.book.replay(entry["prompt"])
        if "order" in entry:
            self.clerk.book.replay(entry["order"])
        if "c2b" in entry:
            self.cashier.book.replay_payment(entry["c2b"])
            self.world.ledger.receipts.add(entry["c2b"]["receipt"])
        if "registration" in entry:
            self.cashier.book.replay_registration(entry["registration"])
        if "validation" in entry:
            self.cashier.book.switch_validation(*entry["validation"])
        if "pull" in entry:
            registration = PullRegistration(**entry["pull"])
            self.pull.registered[registration.shortcode] = registration

    def resume(self) -> None:
        """After the last replay: whatever had no end yet goes on."""
        with self.world.lock:
            prompts = list(self.stk.book.pending())
            orders = list(self.clerk.book.pending())
            payments = list(self.cashier.book.pending())
        for prompt in prompts:
            self.stk.schedule(prompt)
        for order in orders:
            self.clerk.schedule(order)
        for payment in payments:
            self.cashier.schedule(payment)

    def summary(self) -> dict[str, Any]:
        """The book: prompts, orders, C2B, accounts, statement lines, sums and switches."""
        with self.world.lock:
            return {
                **self.stk.book.summary(),
                "totals": self.clerk.book.sums(),
                **self.clerk.book.summary(),
                **self.cashier.book.summary(),
                "pull": [asdict(each) for each in self.pull.registered.values()],
                "accounts": self.accounts(),
                "statement": [line.as_dict() for line in self.world.ledger.movements],
                "initiators": {
                    code: each.as_dict() for code, each in self.world.initiators.items()
                },
                "settings": asdict(self.world.settings),
            }

    def accounts(self) -> dict[str, dict[str, str]]:
        """What every account of every shortcode holds, in shillings."""
        told: dict[str, dict[str, str]] = {}
        for (shortcode, name), cents in self.world.ledger.balances.items():
            told.setdefault(shortcode, {})[name] = kes(cents)
        return told
