"""Receiving: run every check, store the raw body, and only then say yes."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from integrations.callbacks.routes import CallbackRefused, CallbackRequest, CallbackRoute
from integrations.conf import hub_settings
from integrations.models import CallbackStatus, InboundCallback
from integrations.work import WorkState, ring

logger = logging.getLogger(__name__)
QUEUE = "callbacks"
# What is kept of the headers; the rest may hold cookies or credentials.
KEPT_HEADERS = ("Content-Type", "User-Agent", "Businessshortcode", "X-Request-Id")
# Refused requests are kept for people, but a flood of them must not fill the disk.
REFUSED_PER_HOUR = 100
MALFORMED = 400
# Bytes that are kept of a body sent to an unknown address.
KEPT_OF_STRANGERS = 2048


def receive(route: CallbackRoute, request: CallbackRequest) -> None:
    """Store a callback for the worker; returns after the commit.

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
    with transaction.atomic():
        _store(request, doubts=doubts)
        ring(QUEUE)
    if refusal is not None:
        raise refusal


def _quarantine(request: CallbackRequest, refusal: CallbackRefused) -> None:
    since = timezone.now() - timedelta(hours=1)
    recent = InboundCallback.objects.filter(
        status=CallbackStatus.QUARANTINED, route=request.route, received_at__gte=since
    )
    logger.warning(
        "callback=%s refused status=%s source=%s reason=%s",
        request.route,
        refusal.status,
        request.source,
        refusal.message,
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
