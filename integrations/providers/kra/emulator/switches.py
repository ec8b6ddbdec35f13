"""Turning the switches of the emulator through the control API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from typing import Any

from integrations.providers.emulation import Rejected
from integrations.providers.kra.emulator.entries import commit
from integrations.providers.kra.emulator.settings import CHOICES, RATES, Settings
from integrations.providers.kra.emulator.world import World

_LONGEST = 600.0  # seconds of latency


def change_settings(world: World, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Turn those that are named, all or none; raises Rejected. The lock is held."""
    change: dict[str, Any] = {}
    for name, value in payload.items():
        if name not in Settings.__slots__:
            raise Rejected(f"{name}: unknown; known are {', '.join(Settings.__slots__)}.")
        change[name] = _read(name, value, getattr(world.settings, name))
    commit(world, "settings", change=change)
    return asdict(world.settings)


def _read(name: str, value: Any, present: Any) -> Any:
    if name in CHOICES:
        if value not in CHOICES[name]:
            raise Rejected(f"{name}: one of {', '.join(CHOICES[name])}.")
        return value
    if isinstance(present, dict):
        return {**present, **_rates(name, value)}
    if isinstance(present, bool):
        if not isinstance(value, bool):
            raise Rejected(f"{name}: true or false.")
        return value
    if isinstance(present, float):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= _LONGEST:
            raise Rejected(f"{name}: a number from 0 to {_LONGEST:.0f}.")
        return float(value)
    if name == "tolerance":
        return _decimal(name, value)
    if not isinstance(value, str):
        raise Rejected(f"{name}: text.")
    return value


def _rates(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not RATES.keys() >= value.keys():
        raise Rejected(f"{name}: an object of {', '.join(RATES)}.")
    return {letter: _decimal(name, each) for letter, each in value.items()}


def _decimal(name: str, value: Any) -> str:
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise Rejected(f"{name}: a number.") from None
    if not 0 <= found <= 100:
        raise Rejected(f"{name}: from 0 to 100.")
    return f"{found:f}"
