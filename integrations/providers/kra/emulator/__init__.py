"""An emulator of KRA: an independent judge that shares no code with the client."""

from __future__ import annotations

from integrations.providers.kra.emulator.kra import Kra

__all__ = ["Kra"]
