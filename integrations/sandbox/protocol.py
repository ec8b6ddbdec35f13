"""What the sandbox asks of an emulator in order to mount it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from integrations.providers.emulation import Answer, Call, Fault, Request


class Emulator(Protocol):
    """One provider's emulator, mounted under its slug."""

    slug: str
    title: str
    fault_kinds: frozenset[str]

    def describe(self, request: Request) -> Call:
        """The operation and phone of a request, for counters and faults."""

    def handle(self, request: Request) -> Answer:
        """Answer one request; its path is relative to the prefix."""

    def check_fault(self, fault: Fault) -> None:
        """Refuse a fault of its own kinds that could not be carried out; raises Rejected."""

    def control(self, action: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out a control action; raises Rejected."""

    def book(self) -> dict[str, Any]:
        """Everything that happened since the last reset."""

    def show(self, name: str, query: Mapping[str, list[str]]) -> Answer | None:
        """A document of its own for the control API, or None; raises Rejected."""

    def counters(self) -> dict[str, int]:
        """Figures of its own."""

    def reset(self) -> None:
        """Forget everything."""

    def replay(self, entry: Mapping[str, Any]) -> None:
        """Take over one journal entry that it recorded in an earlier run."""

    def resume(self) -> None:
        """Go on with what was under way when the journal ended."""
