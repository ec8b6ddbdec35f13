"""How a prompt ends: the result codes of STK and the ways to choose one (sections 7 and 21)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.providers.emulation import Rejected

PAID = "0"
NO_ANSWER = "1037"
EXPIRED = "1019"

# section 7: every code that the table lists for STK, with a text. Daraja's own texts differ by
# channel and by day (section 5 [obs]), so no client may read them.
DESCRIPTIONS = {
    "0": "The service request is processed successfully.",
    "1": "The balance is insufficient for the transaction.",
    "2": "The amount is below the minimum.",
    "3": "The amount is above the maximum of one transaction.",
    "4": "The transaction would pass the daily limit.",
    "8": "The transaction would pass the receiver's maximum balance.",
    "17": "Rule limited.",
    "26": "System busy. Traffic blocked.",
    "1001": "Unable to lock subscriber, a transaction is already in process.",
    "1019": "Transaction has expired.",
    "1025": "An error occurred while sending a push request.",
    "1032": "Request cancelled by user",
    "1036": "SMSC ACK timeout.",
    "1037": "DS timeout user cannot be reached",
    "2001": "The initiator information is invalid.",
    "2028": "The request is not permitted according to product assignment.",
    "8006": "The security credential is locked.",
    "9999": "Error sending push request.",
    "SFC_IC0003": "The operator does not exist.",
}

# What a person can do at the phone (and the driver by name).
ANSWERS = {
    "approve": PAID,
    "cancel": "1032",
    "wrong_pin": "2001",
    "no_answer": NO_ANSWER,
    "insufficient": "1",
}

# section 21, "by amount as a fallback": codes from 1000 up are their own amount; the small codes
# and the alphanumeric one sit at 90,000 and up, so that small real amounts simply succeed.
BY_AMOUNT = {code: code for code in DESCRIPTIONS if code.isdigit() and int(code) >= 1000} | {
    "90001": "1",
    "90002": "2",
    "90003": "3",
    "90004": "4",
    "90008": "8",
    "90017": "17",
    "90026": "26",
    "93003": "SFC_IC0003",
}
# section 1 [obs 2026-09]: the published test number never answers.
BY_PHONE = {"254708374149": NO_ANSWER}

# What a scenario can be for.
OPERATIONS = (
    "stk_push",
    "c2b_simulate",
    "b2c",
    "transaction_status",
    "account_balance",
    "reversal",
)

NO_ANSWER_SECONDS = 26.0  # section 20 [obs, 2 runs]
_FASTEST, _SLOWEST = 5.0, 15.0  # section 21
_LONGEST = 1_000_000  # seconds that a scenario may wait
_CODE = re.compile(r"[A-Za-z0-9_]{1,20}")


@dataclass(slots=True)
class Scenario:
    """What the next requests of an operation (of one phone, or of any) shall come to."""

    code: str
    operation: str = "stk_push"
    phone: str = ""
    times: int | None = 1
    description: str = ""
    seconds: float | None = None


@dataclass(slots=True)
class ScenarioQueue:
    """Scenarios in the order they were queued; the first that matches is used."""

    waiting: list[Scenario] = field(default_factory=list)

    def add(self, payload: Mapping[str, Any]) -> Scenario:
        """Queue what a control request asks for; raises Rejected."""
        outcome = str(payload.get("outcome", "approve"))
        times = payload.get("times", 1)
        seconds = payload.get("seconds")
        if _CODE.fullmatch(outcome) is None:
            raise Rejected("outcome: a result code, or the name of an answer.")
        if times is not None and (not isinstance(times, int) or times < 1):
            raise Rejected("times: a whole number from 1, or null for all.")
        if seconds is not None and not (
            isinstance(seconds, int | float) and 0 <= seconds <= _LONGEST
        ):
            raise Rejected(f"seconds: from 0 to {_LONGEST}.")
        operation = str(payload.get("operation", "stk_push"))
        if operation not in OPERATIONS:
            raise Rejected(f"operation: one of {', '.join(OPERATIONS)}.")
        scenario = Scenario(
            operation=operation,
            code=ANSWERS.get(outcome, outcome),
            phone=str(payload.get("phone", "")),
            times=times,
            description=str(payload.get("description", "")),
            seconds=seconds,
        )
        self.waiting.append(scenario)
        return scenario

    def take(self, phone: str, operation: str = "stk_push") -> Scenario | None:
        """The scenario for a new request of this operation and phone, used once."""
        fitting = (
            scenario
            for scenario in self.waiting
            if scenario.operation == operation and scenario.phone in {"", phone}
        )
        scenario = next(fitting, None)
        if scenario is not None and scenario.times is not None:
            scenario.times -= 1
            if scenario.times == 0:
                self.waiting.remove(scenario)
        return scenario


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a prompt will come to by itself, after how many provider seconds, and who said so."""

    code: str
    seconds: float
    source: str
    description: str = ""


def describe(code: str) -> str:
    """The ResultDesc of a code; unknown codes have one too."""
    return DESCRIPTIONS.get(code, f"Sandbox result {code}.")


def choose_outcome(
    scenario: Scenario | None, *, routed: str | None, amount: str, phone: str, jitter: float
) -> Outcome:
    """Scenario first, then the shop's own mistakes, then amount, then phone (section 21).

    `jitter` between 0 and 1 places the delay between 5 and 15 seconds.
    """
    usual = _FASTEST + jitter * (_SLOWEST - _FASTEST)
    if scenario is not None:
        default = NO_ANSWER_SECONDS if scenario.code == NO_ANSWER else usual
        seconds = default if scenario.seconds is None else scenario.seconds
        return Outcome(scenario.code, seconds, "scenario", scenario.description)
    for code, source in (
        (routed, "route"),
        (BY_AMOUNT.get(amount), "amount"),
        (BY_PHONE.get(phone), "phone"),
    ):
        if code is not None:
            return Outcome(code, NO_ANSWER_SECONDS if code == NO_ANSWER else usual, source)
    return Outcome(PAID, usual, "default")
