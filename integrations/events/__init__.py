"""Events: stored with the change they tell of, told to Python listeners and webhook endpoints.

    from integrations.events import publish

    publish("invoice.sent", {"number": "INV001"}, business="branch-7")

What exists is in `catalogue`, what goes to which endpoint in `fan_out`.
"""

from __future__ import annotations

from integrations.events.listeners import QUEUE, deliver
from integrations.events.publishing import NewEvent, publish, publish_many

__all__ = ["QUEUE", "NewEvent", "deliver", "publish", "publish_many"]
