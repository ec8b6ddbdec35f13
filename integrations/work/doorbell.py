"""The doorbell: a hint, after commit, that a queue has work. Polling is the guarantee."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import partial

from django.db import transaction

logger = logging.getLogger("integrations.work")

Hook = Callable[[str], None]

_listeners: list[Hook] = []
_remote: Hook | None = None


def set_doorbell(hook: Hook | None) -> None:
    """Set what also hears rings, outside this process (the Celery ring); None for nothing."""
    global _remote
    _remote = hook


def listen(hook: Hook) -> None:
    """Call `hook(queue_name)` on every ring of this process; it must return at once."""
    _listeners.append(hook)


def unlisten(hook: Hook) -> None:
    """Stop calling `hook`."""
    if hook in _listeners:
        _listeners.remove(hook)


def ring(queue_name: str, *, using: str | None = None) -> None:
    """Tell workers that `queue_name` has work, once the open transaction has committed.

    Outside a transaction at once; after a rollback never. Never raises.
    """
    transaction.on_commit(partial(_ring_now, queue_name), using=using, robust=True)


def _ring_now(queue_name: str) -> None:
    for hook in [*_listeners, *([_remote] if _remote else [])]:
        try:
            hook(queue_name)
        except Exception:
            logger.exception(
                "A doorbell of queue %s failed; polling will find the work", queue_name
            )


# A worker does not survive a fork, so nobody would ever read what its listener collects.
os.register_at_fork(after_in_child=_listeners.clear)
