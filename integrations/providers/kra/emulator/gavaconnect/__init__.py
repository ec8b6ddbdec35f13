"""GavaConnect's desk in the emulator. Source: eTIMS reference, sections 11 and 11.1."""

from integrations.providers.kra.emulator.gavaconnect.desk import GavaDesk

__all__ = ["GavaDesk"]
