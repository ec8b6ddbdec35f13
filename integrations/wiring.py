"""Which hook of a lower layer is filled by which part of a higher one. Run by `apps.ready`."""

from __future__ import annotations

from integrations import events, registry, work
from integrations.api.fields import register_secret_field
from integrations.callbacks import process, receive
from integrations.callbacks.routes import register_route
from integrations.callbacks.stk import STK_ROUTE
from integrations.conf import hub_settings
from integrations.config.key_source import OWN_MODEL, DatabaseKeySource, watch_key_model
from integrations.crypto import keyring
from integrations.maintenance import purge_old_rows
from integrations.models import (
    DomainEvent,
    InboundCallback,
    Payment,
    PeriodicLease,
    seal_audit_trail,
)
from integrations.payments import ledger, reconcile
from integrations.tasks import ring_celery

# Short pauses for what is only waiting for its other half, long ones for a broken listener.
CALLBACK_BACKOFF = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0)
EVENT_BACKOFF = (2.0, 10.0, 60.0, 300.0, 1800.0, 7200.0)


def connect() -> None:
    """Fill every hook; safe to run twice."""
    keyring.use(DatabaseKeySource())
    registry.discover_providers()
    register_route(STK_ROUTE)
    register_secret_field()
    _register_queues()
    label = hub_settings.app_settings_model
    if label.lower() != OWN_MODEL.lower():
        watch_key_model(label)
    if hub_settings.celery_broker_url:
        work.set_doorbell(ring_celery)


def _register_queues() -> None:
    deadline = hub_settings.deadline_seconds
    for queue in (
        work.Queue(
            name=ledger.QUEUE,
            model=Payment,
            handle=reconcile.advance,
            concurrency=8,
            deadline_seconds=deadline,
            max_attempts=1000,
            backoff=(15.0, 60.0, 300.0),
        ),
        work.Queue(
            name=receive.QUEUE,
            model=InboundCallback,
            handle=process.process,
            deadline_seconds=deadline,
            max_attempts=12,
            backoff=CALLBACK_BACKOFF,
        ),
        work.Queue(
            name=events.QUEUE,
            model=DomainEvent,
            handle=events.deliver,
            concurrency=2,
            deadline_seconds=deadline,
            max_attempts=20,
            backoff=EVENT_BACKOFF,
        ),
    ):
        work.register(queue)
    work.use_periodic_model(PeriodicLease)
    work.register_periodic(work.Periodic("seal-audit", 60.0, seal_audit_trail))
    work.register_periodic(work.Periodic("purge-old-rows", 3600.0, purge_old_rows))
