"""A Daraja emulator: an independent judge that shares no code with the client."""

from __future__ import annotations

from integrations.providers.mpesa.emulator.daraja import Daraja

__all__ = ["Daraja"]
