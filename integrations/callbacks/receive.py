"""Receiving: run every check, store the raw body, and only then say yes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from integrations.callbacks.routes import (
    CallbackRefused,
    CallbackRequest,
    CallbackRoute,
    Reply,
)
from integrations.conf import hub_settings
from integrations.logs import log_event
from integrations.models import CallbackStatus, InboundCallback
from integrations.work import WorkState, ring

logger = logging.getLogger(__name__)
QUEUE = "callbacks"
# What is kept of the headers; the rest may hold cookies or credentials.
KEPT_HEADERS = (
    "Content-Type", "User-Agent", "Businessshortcode", "X-Request-Id",
    "Webhook-Id", "Webhook-Timestamp", "Svix-Id", "X-GitHub-Delivery", "X-GitHub-Event",
)  # fmt: skip
# Refused requests are kept for people, but a flood of them must not fill the disk.
REFUSED_PER_HOUR = 100
MALFORMED = 400
# Bytes that are kept of a body sent to an unknown address.
KEPT_OF_STRANGERS = 2048
# Of a request that leaves nothing to do.
_SETTLED: dict[str, Any] = {
    "status": CallbackStatus.PROCESSED,
    "work_state": WorkState.DONE,
    "next_attempt_at": None,
    "processed_at": Now(),
}


def receive(route: CallbackRoute, request: CallbackRequest) -> Mapping[str, Any]:
    """Store a callback for the worker; returns the answer after the commit.

    Raises CallbackRefused (the request is quarantined then), and DatabaseError or
    ConfigurationError when it can't be stored: the caller answers 503.
    """
    doubts: list[str] = []
    refusal: CallbackRefused | None = None
    for verify in route.verifiers:
        try:
            doubts += verify(request)
        except CallbackRefused as error:
            refusal = refusal or error
    if refusal is not None and refusal.status != MALFORMED:
        _quarantine(request, refusal)
        raise refusal
    if refusal is not None:
        # It came to a payment's own address: worked on as doubted, so that the provider is asked.
        doubts.append(refusal.message)
    reply = route.reply(request) if route.reply and refusal is None else Reply(route.accepted)
    values = {"dedupe_key": request.dedupe_key()} if route.handle else _SETTLED
    # One INSERT and no transaction around it: committed when it returns.
    _store(request, doubts=doubts, reason=reply.reason[:300], **values)
    if route.handle is not None:
        ring(QUEUE)
    if refusal is not None:
        raise refusal
    return reply.body


def _quarantine(request: CallbackRequest, refusal: CallbackRefused) -> None:
    since = Now() - timedelta(hours=1)
    recent = InboundCallback.objects.filter(
        status=CallbackStatus.QUARANTINED, route=request.route, received_at__gte=since
    )
    log_event(
        logger,
        logging.WARNING,
        "callback_refused",
        route=request.route,
        status=refusal.status,
        source=request.source,
        reason=refusal.message,
    )
    if recent.count() >= REFUSED_PER_HOUR:
        return
    _store(
        request,
        keep=KEPT_OF_STRANGERS,
        status=CallbackStatus.QUARANTINED,
        reason=refusal.message[:300],
        work_state=WorkState.IDLE,
        next_attempt_at=None,
    )


def _store(
    request: CallbackRequest, *, keep: int | None = None, **values: object
) -> InboundCallback:
    return InboundCallback.objects.create(
        route=request.route,
        token_digest=request.token_digest,
        business=request.business,
        source=request.source or None,
        headers={
            name: request.headers[name][:200].replace("\x00", "")
            for name in KEPT_HEADERS
            if name in request.headers
        },
        body=request.body[:keep].decode("latin-1"),
        body_bytes=len(request.body),
        **values,
    )


def body_limit() -> int:
    """The largest body that is read, in bytes."""
    return hub_settings.callback_max_bytes
