"""From a delivery to a request, and from a reply to a result."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace

from integrations.exceptions import IntegrationError
from integrations.models import AttemptOutcome
from integrations.webhooks.classify import Fate, Verdict, judge
from integrations.webhooks.courier import Parcel, Reply
from integrations.webhooks.dispatch import shown
from integrations.webhooks.dispatch.desk import Desk
from integrations.webhooks.dispatch.records import Delivery, Message, Result
from integrations.webhooks.dispatch.track import Track
from integrations.webhooks.echoes import secrets_sent

logger = logging.getLogger("integrations.webhooks")

# What a claim must cover besides the request itself, seconds: storing the result.
SLACK_SECONDS = 5.0


@dataclass(slots=True)
class Sent:
    """The key of a parcel. `secrets` is what the answer must not show of the request."""

    track: Track
    delivery: Delivery
    shown_headers: dict[str, str]
    token: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


class Sender:
    """Sends through the desk's courier. What fails before it leaves waits in `failed`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.failed: list[tuple[Track, Result]] = []
        # Deliveries that are tried once more at once, with another access token.
        self._renewed: set[int] = set()

    def has_time(self, track: Track, delivery: Delivery, now: float) -> bool:
        """Whether the claim covers a whole request; where order counts, the lane's lease too."""
        end = min(delivery.lease_end, track.lease_end) if track.is_ordered else delivery.lease_end
        return now + track.plan.timeout + SLACK_SECONDS < end

    def send(self, track: Track, delivery: Delivery) -> bool:
        """Begin the request; False where its access token is still being fetched."""
        token = ""
        plan = track.plan
        if plan.needs_token:
            try:
                token = self._desk.tokens.get(plan) or ""
            except IntegrationError as error:
                self._fail(track, delivery, AttemptOutcome.AUTH, error.message)
                return True
            if not token:
                return False
        if delivery.message is None:
            self._fail(track, delivery, AttemptOutcome.CONFIGURATION, "The message is gone.")
            return True
        try:
            parcel = self._parcel(track, delivery, delivery.message, token)
        except IntegrationError as error:
            self._fail(track, delivery, AttemptOutcome.CONFIGURATION, error.message)
            return True
        except Exception:
            # A fault of ours in one delivery must not end the turn, and so hold up all others.
            logger.exception("Webhooks: delivery %s can't be prepared", delivery.id)
            text = "The hub could not prepare this; its operator can tell why."
            self._fail(track, delivery, AttemptOutcome.CONFIGURATION, text)
            return True
        track.in_flight += 1
        self._desk.courier.send(parcel)
        return True

    def _parcel(self, track: Track, delivery: Delivery, message: Message, token: str) -> Parcel:
        """The request, with the message that the delivery has. Raises IntegrationError."""
        plan = track.plan
        prepared = plan.build(message, at=time.time())
        secrets = plan.secrets
        if token:
            prepared.headers.append(f"Authorization: Bearer {token}")
            secrets = (*secrets_sent([token]), *secrets)
        return Parcel(
            Sent(track, delivery, prepared.shown_headers, token, secrets),
            plan.url,
            prepared.headers,
            prepared.body,
            plan.timeout,
            certificate=plan.certificate,
            private_key=plan.key,
        )

    def read(self, reply: Reply) -> tuple[Track, Result]:
        """What a reply means."""
        sent: Sent = reply.parcel.key
        error = shown.error_text(reply.error)
        verdict = judge(
            reply.outcome,
            status=reply.status,
            error=error,
            headers=reply.headers,
            tries=sent.delivery.attempts + 1,
            is_manual=sent.delivery.is_manual,
            ended_at=reply.started_at + reply.seconds,
        )
        verdict = self._with_renewed_token(sent, reply, verdict)
        return sent.track, Result(
            sent.delivery,
            verdict,
            outcome=reply.outcome.value,
            status=reply.status,
            error=error or verdict.error,
            started_at=reply.started_at,
            duration_ms=int(reply.seconds * 1000),
            ended=time.monotonic(),
            request_headers=shown.request_json(sent.shown_headers),
            response_headers=shown.headers_json(reply.headers, sent.secrets),
            response_body=shown.body_text(reply.body, sent.secrets),
            received=reply.received,
        )

    def _with_renewed_token(self, sent: Sent, reply: Reply, verdict: Verdict) -> Verdict:
        """A token that was refused is dropped; the delivery goes out again at once, one time."""
        pk = sent.delivery.id
        was_renewed = pk in self._renewed
        self._renewed.discard(pk)
        if not sent.token or reply.status != 401:
            return verdict
        if not self._desk.tokens.refused(sent.track.plan, sent.token) or was_renewed:
            return verdict
        self._renewed.add(pk)
        return replace(verdict, fate=Fate.AGAIN, delay=0.0)

    def _fail(self, track: Track, delivery: Delivery, outcome: AttemptOutcome, error: str) -> None:
        """A try that ended before anything was sent."""
        track.in_flight += 1
        now = time.time()
        error = shown.error_text(error)
        verdict = judge(
            outcome,
            status=None,
            error=error,
            headers={},
            tries=delivery.attempts + 1,
            is_manual=delivery.is_manual,
            ended_at=now,
        )
        result = Result(
            delivery,
            verdict,
            outcome=outcome.value,
            error=error,
            started_at=now,
            ended=time.monotonic(),
        )
        self.failed.append((track, result))
