"""Who is told when settings change: hooks that higher layers fill, run in the change's transaction.

Models can't publish events; `integrations.wiring` sets what does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from integrations.models.settings_model import SettingsModel

# (what happened: created, changed or deleted; the row; names of the fields).
SettingsListener = Callable[[str, "SettingsModel", Sequence[str]], None]

_listeners: list[SettingsListener] = []


def when_settings_change(listener: SettingsListener) -> None:
    """Have every change of a settings row told to `listener`, in its transaction.

    What the listener raises undoes the change. `loaddata` tells nobody.
    """
    if listener not in _listeners:
        _listeners.append(listener)


def tell_settings_change(action: str, row: SettingsModel, fields: Sequence[str] = ()) -> None:
    """Call the listeners; inside the transaction of the change."""
    for listener in _listeners:
        listener(action, row, fields)
