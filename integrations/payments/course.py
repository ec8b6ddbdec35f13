"""How payments of one product are worked on; `reconcile.COURSES` has one for each product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from integrations.models import Payment
from integrations.payments.sending import FIRST_LOOK, IN_DOUBT
from integrations.work import Done, Outcome


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What asking brought, in words; `answered` where the provider gave a usable answer."""

    answered: bool
    words: str


class Hold(Exception):
    """The payment must not be sent now, through no fault of its own."""

    def __init__(self, reason: str, *, seconds: float) -> None:
        super().__init__(reason)
        self.reason, self.seconds = reason, seconds


class Send(Protocol):
    """Sends a payment that is committed as `sending`, and moves it by what came back."""

    def __call__(
        self, payment: Payment, token: str, *, deadline: float, may_wait: bool = False
    ) -> None:
        """Raises nothing of the provider's."""


def nothing_to_prepare(_payment: Payment) -> dict[str, Any]:
    """No column changes with the sending."""
    return {}


def since_creation(payment: Payment) -> datetime:
    """A payment waits from its creation on."""
    return payment.created_at


def leave_alone(_payment: Payment) -> Outcome:
    """Nothing can be asked."""
    return Done()


@dataclass(frozen=True)
class Course:
    """One product's way from `created` to an end.

    `prepare` runs before a queued payment becomes `sending`, and gives the columns that change
    with that; it raises Hold to wait, and IntegrationError where the payment must never be sent.
    `patience` are the seconds for which a queued payment may wait to be sent, counted from
    `waits_since`. `ask` looks at what is pending or unknown, `recheck` at what ended unpaid and
    is disputed, `ask_now` serves people. A product without `send` is never sent by us.
    """

    ask: Callable[[Payment], Outcome]
    ask_now: Callable[[Payment], Inquiry]
    recheck: Callable[[Payment], Outcome] = leave_alone
    send: Send | None = None
    sending_text: str = ""
    prepare: Callable[[Payment], dict[str, Any]] = nothing_to_prepare
    patience: Callable[[], float] = lambda: 0.0
    waits_since: Callable[[Payment], datetime] = since_creation
    too_old: str = ""
    first_look: float = FIRST_LOOK
    in_doubt: str = IN_DOUBT
