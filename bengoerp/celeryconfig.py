"""Celery's settings, for Redis and RabbitMQ: what makes at-least-once true (webhook reference, 7).

The database knows what is due; messages are hints that expire. So a broker may lose them all, and
a tick finds the work. Nobody waits for a broker for long, and everybody comes back to it alone.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings

broker_url = settings.CELERY_BROKER_URL or "memory://"
broker_connection_retry_on_startup = True
# For ever: a worker that gave up would have to be started by a person.
broker_connection_max_retries = None
broker_connection_timeout = 2
# RabbitMQ: seconds after which a silent connection of a worker is a dead one.
broker_heartbeat = 30
broker_transport_options: dict[str, Any] = {}
if broker_url.startswith("amqp"):
    # Without it, a message to a broker that is gone counts as sent.
    broker_transport_options = {"confirm_publish": True}
elif broker_url.startswith(("redis", "memory")):
    # Longer than the longest task (task_time_limit): what is unacknowledged so long is repeated.
    broker_transport_options = {"visibility_timeout": 900}
if broker_url.startswith("redis"):
    broker_transport_options |= {"socket_connect_timeout": 1, "socket_timeout": 5}

accept_content = ["json"]
task_serializer = "json"
result_serializer = "json"
task_ignore_result = True

task_acks_late = True
task_reject_on_worker_lost = True
task_time_limit = 600
task_publish_retry = False
worker_prefetch_multiplier = 1
worker_soft_shutdown_timeout = 30
worker_hijack_root_logger = False

timezone = settings.TIME_ZONE
enable_utc = True

# A tick that is not taken in two seconds is given up, or a silent broker would stop the beat.
_tick = {"expires": 5, "timeout": 2.0, "confirm_timeout": 2.0}
beat_schedule = {
    "due queues": {
        "task": "integrations.run_due_queues",
        "schedule": 5.0,
        "options": _tick,
    },
    "periodic jobs": {
        "task": "integrations.run_periodic",
        "schedule": 5.0,
        "options": _tick,
    },
}

# Celery closes the database connection after every task; with short tasks that means a new
# connection each. Read by Celery's Django fixup under exactly this name.
CELERY_DB_REUSE_MAX = 100


def task_routes(
    name: str,
    args: tuple[Any, ...],
    _kwargs: dict[str, Any],
    _options: dict[str, Any],
    **_extra: Any,
) -> dict[str, str] | None:
    """Send the queues named in the setting CELERY_WORK_ROUTES to Celery queues of their own.

    `{"webhooks": "slow"}` and `celery worker -Q slow` keep a slow queue off the other workers.
    """
    routes: dict[str, str] = getattr(settings, "CELERY_WORK_ROUTES", {})
    if name == "integrations.run_queue" and args and args[0] in routes:
        return {"queue": routes[args[0]]}
    return None
