"""A code in words, and what it means for a payment or a question."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What a result code says about a payment. The values are payment states.

    Of a question (status, balance) SUCCEEDED says that it was answered, FAILED that it was not.
    """

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    PENDING = "pending"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Explanation:
    """A code in words. `retry` tells whether the same may simply be asked for again.

    `is_credential_fault`: M-Pesa refused the initiator itself, so every other request in its
    name is refused too until a person acts, and repeating it can lock the initiator.
    """

    code: str
    outcome: Outcome
    cause: str
    next_step: str
    retry: bool = False
    is_credential_fault: bool = False

    @property
    def sentence(self) -> str:
        """Cause and next step, for people."""
        return f"{self.cause} {self.next_step}".strip()


Table = dict[str, Explanation]


def failed(code: str, cause: str, next_step: str, *, retry: bool = False) -> Explanation:
    """A code after which certainly nothing was done."""
    return Explanation(code, Outcome.FAILED, cause, next_step, retry)


def table(*groups: Iterable[Explanation]) -> Table:
    """Explanations by code; of two with one code the later one holds."""
    return {item.code: item for group in groups for item in group}
