"""Deciding prompts and delivering their callbacks: once, never retried (section 20 [3+])."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from integrations.providers.mpesa.emulator.book import Book, Prompt
from integrations.providers.mpesa.emulator.callbacks import (
    Manner,
    callback_body,
    callback_headers,
)
from integrations.providers.mpesa.emulator.cashier import Cashier
from integrations.providers.mpesa.emulator.courier import run_all
from integrations.providers.mpesa.emulator.customers import full_name
from integrations.providers.mpesa.emulator.ledger import STK, Movement
from integrations.providers.mpesa.emulator.outcomes import NO_ANSWER, PAID, describe
from integrations.providers.mpesa.emulator.world import World


@dataclass(slots=True)
class Postman:
    """Turns decisions into callbacks. The lock guards the book; nothing is posted under it."""

    world: World
    cashier: Cashier
    book: Book = field(default_factory=Book)
    manners: dict[int, Manner] = field(default_factory=dict)
    held: list[Prompt] = field(default_factory=list)

    def finish(self, prompt: Prompt, code: str, description: str = "") -> bool:
        """Decide a pending prompt and send its callback; False where it was decided before."""
        manner = self.manners.get(prompt.id, Manner())
        if manner.late_seconds is not None and code == PAID:
            code, description = NO_ANSWER, ""
        with self.world.lock:
            if not prompt.is_pending:
                return False
            self._decide(prompt, code, description)
        self._tell(prompt, manner)
        if manner.late_seconds is not None:
            self.world.surroundings.later(manner.late_seconds, lambda: self._revise(prompt, manner))
        return True

    def note(self, prompt: Prompt, *movements: Movement) -> None:
        """Write the prompt as it now is to the journal; call with the lock held."""
        self.world.record(*movements, prompt=prompt)

    def _revise(self, prompt: Prompt, manner: Manner) -> None:
        # section 7: a later success for the same CheckoutRequestID wins [2].
        with self.world.lock:
            self._decide(prompt, PAID, "")
        self._tell(prompt, manner)

    def _decide(self, prompt: Prompt, code: str, description: str) -> None:
        now = self.world.surroundings.now()
        prompt.result_code = code
        prompt.result_description = description or describe(code)
        prompt.decided = now.isoformat()
        movements = []
        if code == PAID:
            prompt.receipt = self.world.ledger.new_receipt(now)
            movements.append(self._credit(prompt))
        self.book.note(prompt)
        self.note(prompt, *movements)

    def _credit(self, prompt: Prompt) -> Movement:
        return self.world.ledger.post(
            prompt.shortcode,
            self.world.owner(prompt.shortcode).income_account,
            prompt.amount * 100,
            receipt=prompt.receipt,
            kind=STK,
            initiated=prompt.created,
            completed=prompt.decided,
            party=prompt.phone,
            party_name=full_name(prompt.phone),
            reference=prompt.reference,
            originator_id=prompt.merchant_request_id,
            command=prompt.transaction_type,
        )

    def _tell(self, prompt: Prompt, manner: Manner) -> None:
        """Send the callback and, where the switch says so, a C2B confirmation beside it."""
        beside = self.world.settings.stk_c2b if prompt.result_code == PAID else "off"
        if beside == "before":
            self.cashier.confirm_prompt(prompt)
        self._send(prompt, manner)
        if beside == "after":
            self.cashier.confirm_prompt(prompt)

    def _send(self, prompt: Prompt, manner: Manner) -> None:
        if manner.is_silent:
            return
        if manner.is_held:
            with self.world.lock:
                self.held.append(prompt)
            return
        self._post_copies(prompt, manner)
        with self.world.lock:
            overtaken, self.held = self.held, []
        for other in overtaken:
            self._post_copies(other, self.manners.get(other.id, Manner()))

    def _post_copies(self, prompt: Prompt, manner: Manner) -> None:
        body = callback_body(prompt, manner)
        if not manner.is_parallel:
            for _ in range(manner.copies):
                self._post(prompt, body)
            return
        together = threading.Barrier(manner.copies)

        def post_together() -> None:
            together.wait()
            self._post(prompt, body)

        run_all([post_together] * manner.copies)

    def _post(self, prompt: Prompt, body: bytes) -> None:
        code = prompt.result_code
        delivery = self.world.surroundings.post(prompt.callback_url, callback_headers(prompt), body)
        with self.world.lock:
            prompt.deliveries.append(
                {
                    "at": self.world.surroundings.now().isoformat(),
                    "result_code": code,
                    "status": delivery.status,
                    "error": delivery.error,
                }
            )
            self.note(prompt)
