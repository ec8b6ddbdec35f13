"""Which hook of a lower layer is filled by which part of a higher one. Run by `apps.ready`."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_save

from integrations import approvals, events, registry, work
from integrations.api.fields import register_secret_field
from integrations.approvals import event_types as approval_events
from integrations.callbacks import process, receive
from integrations.callbacks.c2b import CONFIRMATION, VALIDATION
from integrations.callbacks.pull import PULL_ROUTE
from integrations.callbacks.result import RESULT_CALLBACK, TIMEOUT_CALLBACK
from integrations.callbacks.routes import register_route
from integrations.callbacks.stk import STK_ROUTE
from integrations.conf import hub_settings
from integrations.config import rotation
from integrations.config.key_source import OWN_MODEL, DatabaseKeySource, watch_key_model
from integrations.crypto import keyring
from integrations.events import original, settings_events
from integrations.events.catalogue import register_event_type
from integrations.exceptions import ConfigurationError, set_docs_base
from integrations.kra import lists as kra_lists
from integrations.kra import warnings as kra_warnings
from integrations.kra import writes as kra_writes
from integrations.kra.checks import find_lost_certificates
from integrations.kra.device import forget_lost_devices
from integrations.kra.filings import find_lost_filings
from integrations.kra.filings import settle as filing_settling
from integrations.kra.outbox import alarms as kra_alarms
from integrations.kra.outbox import book as kra_book
from integrations.kra.outbox import event_types as kra_events
from integrations.kra.outbox import holds as kra_holds
from integrations.kra.outbox import queue as kra_queue
from integrations.kra.outbox import work_list as kra_work_list
from integrations.kra.writes.sales import report_sale
from integrations.maintenance import purge_old_rows
from integrations.models import (
    DomainEvent,
    InboundCallback,
    KeyRotation,
    KRASettings,
    MpesaQuery,
    MpesaSettings,
    Payment,
    PayoutBatch,
    PeriodicLease,
    PullAccount,
    StatementRun,
    WebhookEvent,
    WebhookReplay,
    seal_audit_trail,
    when_settings_change,
)
from integrations.payments import (
    account_warnings,
    expectations,
    initiator,
    ledger,
    match_work,
    payouts,
    pull,
    query_sender,
    query_states,
    receipts,
    reconcile,
    reversals,
    work_list,
)
from integrations.payments import event_types as payment_events
from integrations.payments.balance_refresh import refresh_balances
from integrations.payments.batches import approval as batch_approval
from integrations.payments.batches import run as batch_run
from integrations.payments.statements import compare, daily, open_items
from integrations.webhooks import dispatch, replay_run
from integrations.webhooks import event_types as webhook_events
from integrations.webhooks.endpoints import purge_deleted
from integrations.webhooks.retention import purge_webhooks

# Short pauses for what is only waiting for its other half, long ones for a broken listener.
CALLBACK_BACKOFF = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0)
EVENT_BACKOFF = (2.0, 10.0, 60.0, 300.0, 1800.0, 7200.0)
ROTATION_BACKOFF = (2.0, 5.0, 15.0, 60.0)


def connect() -> None:
    """Fill every hook; safe to run twice."""
    set_docs_base(_docs_base)
    keyring.use(DatabaseKeySource())
    registry.discover_providers()
    for route in (
        STK_ROUTE,
        RESULT_CALLBACK,
        TIMEOUT_CALLBACK,
        CONFIRMATION,
        VALIDATION,
        PULL_ROUTE,
    ):
        register_route(route)
    _connect_ledger()
    _connect_events()
    work_list.register(open_items.SOURCE)
    for source in filing_settling.SOURCES:
        work_list.register(source)
    register_secret_field()
    for kind in (payouts.APPROVAL, reversals.APPROVAL, batch_approval.APPROVAL):
        approvals.register(kind)
    _register_queues()
    _register_periodic_jobs()
    registry.register_row_warnings("mpesa", account_warnings.warnings_of)
    registry.register_row_warnings("kra", kra_warnings.warnings_of)
    account_warnings.register_sources()
    post_save.connect(
        initiator.review_settings, sender=MpesaSettings, dispatch_uid="integrations.initiator"
    )
    _connect_kra()
    label = hub_settings.app_settings_model
    if label.lower() != OWN_MODEL.lower():
        watch_key_model(label)
    if hub_settings.celery_broker_url:
        from integrations.tasks import ring_celery  # loads Celery, which nobody else needs

        work.set_doorbell(ring_celery)


def _connect_ledger() -> None:
    """What happens in the transaction in which money is known to have come."""
    ledger.when_paid(receipts.absorb)
    ledger.when_paid(expectations.allot)
    ledger.when_merged(expectations.follow_merge)
    match_work.register()


def _connect_events() -> None:
    """The catalogue, and what is told of settings in the transaction that changes them."""
    for declared in (
        payment_events,
        approval_events,
        settings_events,
        webhook_events,
        kra_events,
    ):
        for event_type in declared.event_types():
            register_event_type(event_type)
    when_settings_change(settings_events.tell)
    WebhookEvent.store_message = original.store_message


def _connect_kra() -> None:
    """What KRA's branches tell people, and what a change of their settings sets going."""
    post_save.connect(
        kra_holds.look_after_settings, sender=KRASettings, dispatch_uid="integrations.kra_holds"
    )
    work_list.register(kra_work_list.SOURCE)
    kra_book.when_signed(report_sale, wants=kra_queue.is_stock_reported)


def _docs_base() -> str:
    """An error must be told even where the setting that explains it can't be read."""
    try:
        return hub_settings.docs_url
    except ConfigurationError:
        return ""


def _register_queues() -> None:
    deadline = hub_settings.deadline_seconds
    for queue in (*_queues_of_money(deadline), *_queues_of_the_house(deadline)):
        work.register(queue)
    work.register(dispatch.make_queue())
    work.register(kra_queue.make_queue())
    work.register(kra_writes.make_queue())


def _queues_of_money(deadline: float) -> tuple[work.Queue[Any], ...]:
    return (
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
            name=batch_approval.QUEUE,
            model=PayoutBatch,
            handle=batch_run.advance,
            concurrency=2,
            deadline_seconds=deadline,
            max_attempts=1000,
            backoff=(2.0, 15.0, 60.0),
        ),
        work.Queue(
            name=compare.QUEUE,
            model=StatementRun,
            handle=compare.compare,
            concurrency=1,
            deadline_seconds=deadline,
        ),
        work.Queue(
            name=pull.QUEUE,
            model=PullAccount,
            handle=pull.pull,
            concurrency=2,
            lease_seconds=pull.LEASE_SECONDS,
            deadline_seconds=pull.DEADLINE_SECONDS,
        ),
        work.Queue(
            name=query_states.QUEUE,
            model=MpesaQuery,
            handle=query_sender.advance,
            concurrency=2,
            deadline_seconds=deadline,
            max_attempts=1000,
            backoff=(15.0, 60.0, 300.0),
        ),
    )


def _queues_of_the_house(deadline: float) -> tuple[work.Queue[Any], ...]:
    return (
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
        work.Queue(
            name=replay_run.QUEUE,
            model=WebhookReplay,
            handle=replay_run.advance,
            concurrency=1,
            deadline_seconds=deadline,
            max_attempts=100,
            backoff=ROTATION_BACKOFF,
        ),
        work.Queue(
            name=rotation.QUEUE,
            model=KeyRotation,
            handle=rotation.advance,
            concurrency=1,
            deadline_seconds=deadline,
            max_attempts=50,
            backoff=ROTATION_BACKOFF,
        ),
    )


def _register_periodic_jobs() -> None:
    work.use_periodic_model(PeriodicLease)
    work.register_periodic(work.Periodic("find-lost-filings", 60.0, find_lost_filings))
    work.register_periodic(work.Periodic("find-lost-certificates", 60.0, find_lost_certificates))
    work.register_periodic(work.Periodic("seal-audit", 60.0, seal_audit_trail))
    work.register_periodic(work.Periodic("expire-approvals", 60.0, approvals.expire_overdue))
    work.register_periodic(work.Periodic("purge-old-rows", 3600.0, purge_old_rows))
    work.register_periodic(work.Periodic("purge-webhooks", 900.0, purge_webhooks))
    work.register_periodic(work.Periodic("purge-deleted-endpoints", 60.0, purge_deleted))
    work.register_periodic(work.Periodic("refresh-balances", 60.0, refresh_balances))
    work.register_periodic(work.Periodic("watch-pulled-accounts", 60.0, pull.watch_accounts))
    work.register_periodic(work.Periodic("forget-lost-devices", 60.0, forget_lost_devices))
    work.register_periodic(work.Periodic("watch-kra-branches", 60.0, kra_alarms.watch_branches))
    work.register_periodic(work.Periodic("ask-held-kra-branches", 300.0, kra_holds.look_at_held))
    work.register_periodic(work.Periodic("compare-yesterday", 3600.0, daily.compare_yesterday))
    work.register_periodic(work.Periodic("refresh-kra-lists", 900.0, kra_lists.refresh_lists))
