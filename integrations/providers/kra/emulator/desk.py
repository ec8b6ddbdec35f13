"""The seam to GavaConnect, whose products are served by a desk of their own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from integrations.providers.emulation import Answer, Request


class Desk(Protocol):
    """What the emulator asks of the GavaConnect desk.

    It is built as `GavaDesk(office, record)`: the token office (`office.admit(request, product,
    now)` is the app or the refusal) and a function that writes one journal line (a dict), which
    `replay` gets back after a kill.
    """

    def operation(self, path: str) -> str | None:
        """The name of the product under this path; None where there is none."""

    def handle(self, request: Request, now: datetime) -> Answer:
        """Answer one request, token included. The emulator's lock is not held."""

    def control(self, action: str, payload: Mapping[str, Any]) -> dict[str, Any] | None:
        """Carry out a control action; None where it has none of this name; raises Rejected."""

    def book(self) -> dict[str, Any]:
        """What was asked and filed."""

    def replay(self, entry: Mapping[str, Any]) -> None:
        """Take over one journal line of an earlier run."""
