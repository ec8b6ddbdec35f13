"""One delivery sent from the calling thread, at once: for tests and for the documented service.

The same plan, courier and judgement as a dispatcher's; nothing of its pace, order and breaker.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from integrations import metrics
from integrations.conf import hub_settings
from integrations.exceptions import IntegrationError, TransportError
from integrations.models import (
    AttemptOutcome,
    AttemptTrigger,
    DeliveryStatus,
    WebhookAttempt,
    WebhookEvent,
)
from integrations.webhooks.access import FETCH_SECONDS, AccessTokens
from integrations.webhooks.classify import Fate, Verdict, judge
from integrations.webhooks.condition import Tally, note
from integrations.webhooks.courier import Courier, Parcel, Reply
from integrations.webhooks.dispatch.shown import body_text, error_text, headers_json
from integrations.webhooks.echoes import secrets_sent
from integrations.webhooks.plan import EndpointPlan, Prepared
from integrations.work import Again, Dead, Done, Outcome, finish, safe_error

# Seconds beyond the endpoint's own limit until the courier itself would be at fault.
GRACE = 5.0


@dataclass(frozen=True)
class Tried:
    """A try as it is stored; what was never sent has no status and took no time.

    `secrets` is what the stored answer must not show.
    """

    outcome: AttemptOutcome
    error: str = ""
    status: int | None = None
    request_headers: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    received: int = 0
    started_at: float = field(default_factory=time.time)
    seconds: float = 0.0
    secrets: tuple[str, ...] = field(default=(), repr=False)


def send_now(event: WebhookEvent, *, trigger: AttemptTrigger) -> WebhookAttempt:
    """Send `event`, which the caller has claimed, and store how it went; the stored attempt.

    Never raises for what the receiver or the endpoint's settings do: that is the outcome.
    """
    tried = _try(event)
    verdict = judge(
        tried.outcome, status=tried.status, error=tried.error, headers=tried.headers,
        tries=event.attempts, is_manual=event.is_manual or trigger != AttemptTrigger.AUTOMATIC,
        ended_at=tried.started_at + tried.seconds,
    )  # fmt: skip
    metrics.webhook_attempts.add(tried.outcome.value)
    with transaction.atomic():
        attempt = _append(event, tried, trigger)
        _settle(event, verdict, is_test=trigger == AttemptTrigger.TEST)
        if trigger != AttemptTrigger.TEST:
            note(event.endpoint_id, _tally(tried, verdict))
    return attempt


def _try(event: WebhookEvent) -> Tried:
    try:
        plan = EndpointPlan.load(event.endpoint)
        prepared = plan.build(event.message, at=time.time())
    except IntegrationError as error:
        return Tried(AttemptOutcome.CONFIGURATION, safe_error(error.message))
    if not plan.needs_token:
        return _post(event, plan, prepared)
    tokens = AccessTokens()
    try:
        return _try_with_token(event, plan, prepared, tokens)
    except IntegrationError as error:
        return Tried(AttemptOutcome.AUTH, safe_error(error.message))
    finally:
        tokens.close()


def _try_with_token(
    event: WebhookEvent, plan: EndpointPlan, prepared: Prepared, tokens: AccessTokens
) -> Tried:
    """With the token that is held; one that is refused is replaced once, within the same try."""
    end = time.monotonic() + hub_settings.webhook_lease_seconds
    token = _wait_for_token(plan, tokens)
    tried = _post(event, plan, prepared, token)
    if tried.status != 401 or not tokens.refused(plan, token):
        return tried
    if time.monotonic() + FETCH_SECONDS + plan.timeout + GRACE > end:
        # The claim would not cover it.
        return tried
    token = _wait_for_token(plan, tokens)
    return _post(event, plan, prepared, token)


def _wait_for_token(plan: EndpointPlan, tokens: AccessTokens) -> str:
    end = time.monotonic() + FETCH_SECONDS
    while not (token := tokens.get(plan)):
        if time.monotonic() > end:
            text = "No access token: the token server did not answer in time."
            raise TransportError(text, sent=False)
        time.sleep(0.02)
    return token


def _post(event: WebhookEvent, plan: EndpointPlan, prepared: Prepared, token: str = "") -> Tried:
    headers, secrets = list(prepared.headers), plan.secrets
    if token:
        headers.append(f"Authorization: Bearer {token}")
        secrets = (*secrets_sent([token]), *secrets)
    parcel = Parcel(
        key=event.pk, url=plan.url, headers=headers, body=prepared.body, timeout=plan.timeout,
        certificate=plan.certificate, private_key=plan.key,
    )  # fmt: skip
    courier = Courier()
    started, end = time.time(), time.monotonic() + plan.timeout + GRACE
    try:
        courier.send(parcel)
        replies: list[Reply] = []
        while not replies and time.monotonic() < end:
            replies = courier.collect(1.0)
    finally:
        courier.close()
    shown = prepared.shown_headers
    if not replies:
        return Tried(AttemptOutcome.TIMEOUT, "No answer in time.", request_headers=shown,
                     started_at=started, seconds=plan.timeout)  # fmt: skip
    reply = replies[0]
    return Tried(
        reply.outcome, reply.error, reply.status, shown, reply.headers, reply.body,
        reply.received, reply.started_at, reply.seconds, secrets,
    )  # fmt: skip


def _append(event: WebhookEvent, tried: Tried, trigger: AttemptTrigger) -> WebhookAttempt:
    return WebhookAttempt.objects.create(
        event=event, endpoint_id=event.endpoint_id, number=event.attempts, trigger=trigger,
        outcome=tried.outcome, started_at=datetime.fromtimestamp(tried.started_at, UTC),
        duration_ms=max(0, round(tried.seconds * 1000)), status_code=tried.status,
        error=error_text(tried.error), request_headers=dict(tried.request_headers),
        response_headers=json.loads(headers_json(tried.headers, tried.secrets)),
        response_body=body_text(tried.body, tried.secrets), response_bytes=tried.received,
    )  # fmt: skip


def _settle(event: WebhookEvent, verdict: Verdict, *, is_test: bool) -> None:
    """Store what becomes of the row, if it is still ours; a failed test is no dead letter."""
    status, outcome = _meaning(verdict, is_test=is_test)
    if not finish(event, outcome):
        return
    changes: dict[str, Any] = {"status": status, "last_error": verdict.error or None}
    if status == DeliveryStatus.DELIVERED:
        changes["delivered_at"] = Now()
    WebhookEvent.objects.filter(pk=event.pk).update(updated_at=Now(), **changes)


def _tally(tried: Tried, verdict: Verdict) -> Tally:
    is_delivered = verdict.fate == Fate.DELIVERED
    return Tally(
        successes=int(is_delivered), failures=int(not is_delivered), last_status=tried.status,
        last_error=verdict.error, is_gone=verdict.is_gone, started_at=tried.started_at,
    )  # fmt: skip


def _meaning(verdict: Verdict, *, is_test: bool) -> tuple[DeliveryStatus, Outcome]:
    if verdict.fate == Fate.DELIVERED:
        return DeliveryStatus.DELIVERED, Done()
    if is_test:
        return DeliveryStatus.FAILED, Done()
    if verdict.fate == Fate.AGAIN:
        return DeliveryStatus.RETRYING, Again(verdict.delay, verdict.error)
    return DeliveryStatus.FAILED, Dead(verdict.error)
