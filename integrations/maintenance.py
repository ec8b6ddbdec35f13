"""Retention: personal data and telemetry leave the database by age, in small batches."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from integrations.conf import hub_settings
from integrations.models import (
    AccountBalance,
    ApiAnswer,
    CallbackStatus,
    DomainEvent,
    InboundCallback,
    ItemFinding,
    MpesaQuery,
    ProviderCall,
    StatementItem,
)
from integrations.webhooks.secrets import drop_expired
from integrations.work import WorkState

BATCH = 500


def purge_old_rows() -> int:
    """Delete finished callbacks, delivered events, call records, closed questions and former
    balances older than the retention, and webhook secrets whose overlap is over.

    What still waits for somebody (stored or doubted callbacks, undelivered events) stays; what
    was refused at the door, which anybody may send, goes. Documents for KRA and their histories
    are records of tax law: nothing here touches them. Returns how many rows went.
    """
    before = timezone.now() - timedelta(days=hub_settings.retention_days)
    finished = [CallbackStatus.PROCESSED, CallbackStatus.DUPLICATE]
    return (
        _purge(InboundCallback.objects.filter(received_at__lt=before, status__in=finished))
        + _purge(
            InboundCallback.objects.filter(
                received_at__lt=before,
                status=CallbackStatus.QUARANTINED,
                work_state=WorkState.IDLE,
            )
        )
        + _purge(DomainEvent.objects.filter(created_at__lt=before, work_state=WorkState.DONE))
        + _purge(ProviderCall.objects.filter(created_at__lt=before))
        + _purge(AccountBalance.objects.filter(created_at__lt=before, is_latest=False))
        + _purge(MpesaQuery.objects.filter(created_at__lt=before, open_key=None))
        # What matched is in the statement's counts; what a person or the statement did stays.
        + _purge(
            StatementItem.objects.filter(
                run__finished_at__lt=before, finding=ItemFinding.MATCHED, is_settled=False
            )
        )
        + _purge(ApiAnswer.objects.filter(expires_at__lte=timezone.now()))
        + drop_expired()
    )


def _purge(rows: QuerySet[Any]) -> int:
    gone = 0
    while True:
        batch = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])
        if not batch:
            return gone
        rows.model._default_manager.filter(pk__in=batch).delete()
        gone += len(batch)
