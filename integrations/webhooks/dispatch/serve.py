"""The queue "webhooks": what a worker, a Celery process or a test runs."""

from __future__ import annotations

from typing import Any

from integrations import work
from integrations.conf import hub_settings
from integrations.models import WebhookEvent, WebhookLane
from integrations.webhooks.dispatch.clerk import Clerk
from integrations.webhooks.dispatch.desk import close_desk, own_desk
from integrations.webhooks.dispatch.intake import Intake
from integrations.webhooks.dispatch.sending import SLACK_SECONDS
from integrations.webhooks.dispatch.supply import LANES_AT_ONCE
from integrations.webhooks.dispatch.turn import Turn
from integrations.work import doorbell
from integrations.work.claim import connection_for
from integrations.work.shift import Shift

QUEUE = "webhooks"
# The longest time that an endpoint may be given for one request, seconds.
LONGEST_REQUEST = 30.0


def make_queue() -> work.Queue[WebhookEvent]:
    """The queue as it is registered."""
    return work.Queue(
        name=QUEUE,
        model=WebhookEvent,
        handle=_never,
        concurrency=1,
        lease_seconds=hub_settings.webhook_lease_seconds,
        deadline_seconds=LONGEST_REQUEST + SLACK_SECONDS,
        lane_field="endpoint",
        lane_model=WebhookLane,
        serve=serve,
    )


def serve(queue: work.Queue[Any], shift: Shift) -> bool:
    """Deliver what is due until nothing is or the shift is over; False where nothing was."""
    connection = connection_for(queue)
    intake, desk = Intake(queue, connection), own_desk()
    held = intake.take(LANES_AT_ONCE)
    if not held:
        return False
    first = [(lane, desk.plan(lane.endpoint)) for lane in held]
    clerk = Clerk(connection, desk.courier.wake)
    turn = Turn(shift, intake, clerk, desk)
    doorbell.listen(turn.ring)
    try:
        turn.run(first)
    except BaseException:
        # What is under way belongs to this turn; its answers must not reach the next one.
        close_desk()
        raise
    finally:
        doorbell.unlisten(turn.ring)
        clerk.close()
    return True


def _never(row: WebhookEvent) -> None:
    raise NotImplementedError(f"Delivery {row.pk} is sent by the dispatcher.")
