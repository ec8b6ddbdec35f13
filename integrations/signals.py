"""Django signals for host code. Fired by the worker from stored events, at least once each.

`integration_event` carries `event_id` (str, the same on every repetition), `event_type`,
`business` and `payload` (a dict). A receiver that raises is called again later; it never
undoes what happened.
"""

from __future__ import annotations

import logging

from django.dispatch import Signal

logger = logging.getLogger(__name__)


class EventSignal(Signal):
    """A signal whose receivers may be any callable.

    Django asks a failing receiver for its `__qualname__`, which objects and partials lack: one
    of them would keep all others from hearing.
    """

    def _log_robust_failure(self, receiver: object, err: Exception) -> None:
        name = getattr(receiver, "__qualname__", type(receiver).__qualname__)
        logger.error("receiver=%s failed error=%s", name, type(err).__name__, exc_info=err)


integration_event = EventSignal()
