"""Deciding prompts and delivering their callbacks: once, never retried (section 20 [3+])."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from integrations.providers.mpesa.emulator.book import Book, Prompt
from integrations.providers.mpesa.emulator.callbacks import (
    Manner,
    callback_body,
    callback_headers,
)
from integrations.providers.mpesa.emulator.contract import Surroundings
from integrations.providers.mpesa.emulator.identifiers import new_receipt
from integrations.providers.mpesa.emulator.outcomes import NO_ANSWER, PAID, describe


@dataclass(slots=True)
class Postman:
    """Turns decisions into callbacks. The lock guards the book; nothing is posted under it."""

    surroundings: Surroundings
    book: Book
    lock: threading.RLock
    manners: dict[int, Manner] = field(default_factory=dict)
    held: list[Prompt] = field(default_factory=list)

    def finish(self, prompt: Prompt, code: str, description: str = "") -> bool:
        """Decide a pending prompt and send its callback; False where it was decided before."""
        manner = self.manners.get(prompt.id, Manner())
        if manner.late_seconds is not None and code == PAID:
            code, description = NO_ANSWER, ""
        with self.lock:
            if not prompt.is_pending:
                return False
            self._decide(prompt, code, description)
        self._send(prompt, manner)
        if manner.late_seconds is not None:
            self.surroundings.later(manner.late_seconds, lambda: self._revise(prompt, manner))
        return True

    def note(self, prompt: Prompt) -> None:
        """Write the prompt as it now is to the journal; call with the lock held."""
        self.surroundings.record({"prompt": asdict(prompt)})

    def _revise(self, prompt: Prompt, manner: Manner) -> None:
        # section 7: a later success for the same CheckoutRequestID wins [2].
        with self.lock:
            self._decide(prompt, PAID, "")
        self._send(prompt, manner)

    def _decide(self, prompt: Prompt, code: str, description: str) -> None:
        now = self.surroundings.now()
        prompt.result_code = code
        prompt.result_description = description or describe(code)
        prompt.decided = now.isoformat()
        if code == PAID:
            receipt = new_receipt(now)
            while receipt in self.book.receipts:
                receipt = new_receipt(now)
            prompt.receipt = receipt
        self.book.note(prompt)
        self.note(prompt)

    def _send(self, prompt: Prompt, manner: Manner) -> None:
        if manner.is_silent:
            return
        if manner.is_held:
            with self.lock:
                self.held.append(prompt)
            return
        self._post_copies(prompt, manner)
        with self.lock:
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

        _run_all([post_together] * manner.copies)

    def _post(self, prompt: Prompt, body: bytes) -> None:
        code = prompt.result_code
        delivery = self.surroundings.post(prompt.callback_url, callback_headers(prompt), body)
        with self.lock:
            prompt.deliveries.append(
                {
                    "at": self.surroundings.now().isoformat(),
                    "result_code": code,
                    "status": delivery.status,
                    "error": delivery.error,
                }
            )
            self.note(prompt)


def _run_all(tasks: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=task, daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
