"""What a dispatcher keeps between turns: curl's handles, plans, tokens, how endpoints fare."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from datetime import datetime

from integrations.models import WebhookEndpoint
from integrations.webhooks.access import AccessTokens
from integrations.webhooks.courier import Courier
from integrations.webhooks.dispatch.track import Health
from integrations.webhooks.plan import EndpointPlan

REMEMBERED = 5000


class Desk:
    """Of one thread in one process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.courier = Courier()
        self.tokens = AccessTokens()
        self._plans: OrderedDict[int, tuple[datetime, EndpointPlan]] = OrderedDict()
        self._healths: OrderedDict[int, Health] = OrderedDict()

    def health(self, endpoint_id: int) -> Health:
        """How the endpoint fared when this process last saw it."""
        found = self._healths.setdefault(endpoint_id, Health())
        self._healths.move_to_end(endpoint_id)
        if len(self._healths) > REMEMBERED:
            self._healths.popitem(last=False)
        return found

    def plan(self, endpoint: WebhookEndpoint) -> EndpointPlan:
        """The endpoint's plan, loaded again after a change. Queries; raises IntegrationError."""
        known = self._plans.get(endpoint.pk)
        if known is not None and known[0] == endpoint.updated_at:
            return known[1]
        plan = EndpointPlan.load(endpoint)
        self._plans[endpoint.pk] = (endpoint.updated_at, plan)
        self._plans.move_to_end(endpoint.pk)
        if len(self._plans) > REMEMBERED:
            self._plans.popitem(last=False)
        return plan

    def close(self) -> None:
        """Drop the connections."""
        self.courier.close()
        self.tokens.close()


_local = threading.local()


def own_desk() -> Desk:
    """The desk of this thread; a new one after a fork."""
    desk: Desk | None = getattr(_local, "desk", None)
    if desk is None or desk.pid != os.getpid():
        desk = _local.desk = Desk()
    return desk


def close_desk() -> None:
    """Drop this thread's desk (tests, and a thread that ends)."""
    desk: Desk | None = getattr(_local, "desk", None)
    _local.desk = None
    if desk is not None and desk.pid == os.getpid():
        desk.close()
