"""The emulators that the sandbox mounts. A new one is added to the list here."""

from __future__ import annotations

from collections.abc import Callable

from integrations.providers.emulation import Surroundings
from integrations.providers.kra.emulator import Kra
from integrations.providers.mpesa.emulator import Daraja
from integrations.sandbox.protocol import Emulator


def _daraja(surroundings: Surroundings, is_interactive: bool) -> Emulator:
    return Daraja(surroundings, is_interactive=is_interactive)


def _kra(surroundings: Surroundings, _is_interactive: bool) -> Emulator:
    return Kra(surroundings)


# Each builder takes the surroundings and whether a person plays the payer.
BUILDERS: tuple[Callable[[Surroundings, bool], Emulator], ...] = (_daraja, _kra)
