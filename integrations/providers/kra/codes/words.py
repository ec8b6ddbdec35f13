"""What an answer of KRA means: for the program a kind, for people two sentences."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a result code says about a request."""

    OK = "ok"
    # A list with nothing in it, or nothing under this number.
    EMPTY = "empty"
    # KRA has something under this number already.
    DUPLICATE = "duplicate"
    # The number is not the one that KRA expects next; nothing was stored.
    SEQUENCE = "sequence"
    # The request itself is at fault; nothing was stored.
    REFUSED = "refused"
    # Settings, device or credentials are at fault, not the document; nothing was stored.
    DEVICE = "device"
    # The app's key and secret are at fault; nothing was stored, and asking again heals nothing.
    CREDENTIALS = "credentials"
    # Asked too often; nothing was stored.
    BUSY = "busy"
    # Nothing can be said about what was done.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Meaning:
    """A code or text of KRA in words.

    `retry_read` tells whether a reading call may be made again. `expected` is the running number
    that KRA waits for where `kind` is "sequence". `is_certain` is False where the same answer also
    has another cause (899 of the VSCU).
    """

    code: str
    kind: Kind
    cause: str
    next_step: str
    retry_read: bool = False
    expected: int | None = None
    is_certain: bool = True

    @property
    def sentence(self) -> str:
        """Cause and next step, for people."""
        return f"{self.cause} {self.next_step}".strip()
