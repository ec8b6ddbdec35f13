"""What a dispatcher keeps between turns: curl's handles, plans, tokens, how endpoints fare."""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from dataclasses import dataclass

from django.db import Error as DatabaseError

from integrations.exceptions import IntegrationError
from integrations.models import WebhookEndpoint
from integrations.webhooks.access import AccessTokens
from integrations.webhooks.courier import Courier
from integrations.webhooks.dispatch.track import Health
from integrations.webhooks.plan import EndpointPlan

logger = logging.getLogger("integrations.webhooks")

REMEMBERED = 5000


@dataclass(frozen=True, slots=True)
class Planned:
    """An endpoint and its plan; without one, why it can't be sent to."""

    endpoint: WebhookEndpoint
    plan: EndpointPlan | None
    error: str = ""


class Desk:
    """Of one thread in one process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.courier = Courier()
        self.tokens = AccessTokens()
        self._plans: OrderedDict[int, Planned] = OrderedDict()
        self._healths: OrderedDict[int, Health] = OrderedDict()

    def health(self, endpoint_id: int) -> Health:
        """How the endpoint fared when this process last saw it."""
        found = self._healths.setdefault(endpoint_id, Health())
        self._healths.move_to_end(endpoint_id)
        if len(self._healths) > REMEMBERED:
            self._healths.popitem(last=False)
        return found

    def plan(self, endpoint: WebhookEndpoint) -> Planned:
        """The endpoint's plan, loaded again after a change. Queries; raises django.db.Error."""
        known = self._plans.get(endpoint.pk)
        if known is not None and known.endpoint.updated_at == endpoint.updated_at:
            return known
        try:
            planned = Planned(endpoint, EndpointPlan.load(endpoint))
        except IntegrationError as error:
            return Planned(endpoint, None, error.message)
        except DatabaseError:
            raise
        except Exception:
            # A fault of ours with one endpoint must not hold up all others.
            logger.exception("Webhooks: endpoint %s can't be planned for", endpoint.pk)
            return Planned(endpoint, None, "The hub could not read it; its operator can tell why.")
        self._plans[endpoint.pk] = planned
        self._plans.move_to_end(endpoint.pk)
        if len(self._plans) > REMEMBERED:
            self._plans.popitem(last=False)
        return planned

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
