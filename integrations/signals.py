"""Django signals for host code. Fired by the worker from stored events, at least once each.

`integration_event` carries `event_id` (str, the same on every repetition), `event_type`,
`business` and `payload` (a dict). A receiver that raises is called again later; it never
undoes what happened.
"""

from __future__ import annotations

from django.dispatch import Signal

integration_event = Signal()
