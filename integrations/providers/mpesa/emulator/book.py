"""The emulator's book: every prompt, what became of it, and which callbacks were delivered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass(slots=True)
class Prompt:
    """One STK prompt. Times are ISO texts of the sandbox's clock; amounts whole KES."""

    id: int
    merchant_request_id: str
    checkout_request_id: str
    shortcode: str
    merchant_name: str
    transaction_type: str
    party_a: str
    party_b: str
    phone: str
    amount: int
    reference: str
    description: str
    callback_url: str
    created: str
    planned_code: str = ""
    planned_description: str = ""
    planned_seconds: float = 0.0
    source: str = ""
    is_interactive: bool = False
    result_code: str = ""
    result_description: str = ""
    receipt: str = ""
    decided: str = ""
    deliveries: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_pending(self) -> bool:
        """Whether nobody and nothing has answered it yet."""
        return not self.result_code

    @property
    def screen_text(self) -> str:
        """What the payer's phone shows; over 182 characters it can't be sent (section 4)."""
        return (
            f"Pay KES {self.amount:,} to {self.merchant_name} for account {self.reference}? "
            f"{self.description}"
        ).strip()

    def as_dict(self) -> dict[str, Any]:
        """The prompt as the control API shows it."""
        return asdict(self) | {
            "state": "pending" if self.is_pending else "decided",
            "screen_text": self.screen_text,
        }


@dataclass(slots=True)
class Book:
    """All prompts since the last reset, in order of acceptance. Callers hold the lock."""

    prompts: dict[int, Prompt] = field(default_factory=dict)
    by_checkout: dict[str, Prompt] = field(default_factory=dict)
    open_by_phone: dict[str, int] = field(default_factory=dict)

    @property
    def next_id(self) -> int:
        """The number of the next prompt."""
        return len(self.prompts) + 1

    def add(self, prompt: Prompt) -> None:
        """Enter an accepted prompt; its phone is busy until it is decided."""
        self.prompts[prompt.id] = prompt
        self.by_checkout[prompt.checkout_request_id] = prompt
        self.note(prompt)

    def note(self, prompt: Prompt) -> None:
        """Bring what is derived from a prompt (busy phones) up to date."""
        if prompt.is_pending:
            self.open_by_phone[prompt.phone] = prompt.id
        elif self.open_by_phone.get(prompt.phone) == prompt.id:
            del self.open_by_phone[prompt.phone]

    def replay(self, entry: dict[str, Any]) -> None:
        """Apply one journal entry: a whole prompt, or what changed in one."""
        known = {item.name for item in fields(Prompt)}
        change = {name: value for name, value in entry.items() if name in known}
        prompt = self.prompts.get(change["id"])
        if prompt is None:
            self.add(Prompt(**change))
            return
        for name, value in change.items():
            setattr(prompt, name, value)
        self.note(prompt)

    def pending(self) -> Iterator[Prompt]:
        """The prompts that wait for an answer."""
        return (prompt for prompt in self.prompts.values() if prompt.is_pending)

    def summary(self) -> dict[str, Any]:
        """Every prompt, and the sums that a shop would compare with its ledger."""
        paid = [prompt for prompt in self.prompts.values() if prompt.result_code == "0"]
        return {
            "prompts": [prompt.as_dict() for prompt in self.prompts.values()],
            "receipts": sorted(prompt.receipt for prompt in paid),
            "sums": {
                "prompts": len(self.prompts),
                "pending": sum(1 for _ in self.pending()),
                "paid": len(paid),
                "paid_kes": sum(prompt.amount for prompt in paid),
            },
        }
