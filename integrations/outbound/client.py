"""The client that all providers use: one `send`, every safeguard in it."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from integrations.conf import hub_settings
from integrations.exceptions import ConfigurationError, TransportError
from integrations.logs import log_event
from integrations.outbound.admission import Rate
from integrations.outbound.breaker import Verdict
from integrations.outbound.call import Call, Response
from integrations.outbound.gate import Gate, gate
from integrations.outbound.masks import refuse_masks
from integrations.outbound.pool import sessions
from integrations.outbound.recorder import Record, outcome_of_error, recorded
from integrations.outbound.retry import backoff, is_retryable_error, is_retryable_response
from integrations.outbound.tokens import TokenCache, tokens
from integrations.outbound.transport import exchange
from integrations.outbound.urls import check_url

log = logging.getLogger("integrations.outbound")

# Called with the deadline (monotonic); returns (token, lifetime in seconds).
Authorize = Callable[[float], tuple[str, float]]
# Returns (outcome, the provider's code, the provider's request id).
Classify = Callable[[Response], tuple[str, str, str]]

# These say nothing about whether the provider can be reached.
_NOT_ITS_FAULT = frozenset({"blocked_address", "response_too_large"})


def has_too_many_status(response: Response) -> bool:
    """429: the usual way of saying that there are too many calls."""
    return response.status == 429


class _Errand(NamedTuple):
    """A call on its way, with what its sender knows about the answers."""

    call: Call
    deadline: float
    record: Record
    authorize: Authorize | None
    rejects_token: Callable[[Response], bool] | None
    classify: Classify | None
    throttled: Callable[[Response], bool]


class Client:
    """Calls one provider with one set of credentials.

    `credential` is a digest of the secrets, never a secret: it keys pools, breaker, limiter
    and tokens, the last three for all processes together. `hosts` are the `host:port` for which
    the credentials were entered; no call goes elsewhere. `idle_seconds` is how long an unused
    connection is trusted. `rate` is (calls per second, burst) as the settings of the credentials
    say; INTEGRATIONS_RATE_LIMITS goes first. Cheap to make, holds no connection itself, safe to
    share between threads.
    """

    def __init__(
        self,
        provider: str,
        *,
        credential: str,
        hosts: frozenset[str],
        business: str = "",
        environment: str = "",
        idle_seconds: float = 20.0,
        rate: Rate | None = None,
        gate: Gate = gate,
        token_cache: TokenCache = tokens,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.provider, self.credential, self.hosts = provider, credential, hosts
        self.business, self.environment = business, environment
        self._idle_seconds, self._sleep, self._rate = idle_seconds, sleep, rate
        self._gate, self._tokens = gate, token_cache
        self._key = (provider, credential)
        identity = repr((provider, environment, credential, sorted(hosts)))
        digest = hashlib.sha256(identity.encode()).hexdigest()
        self._token_key = f"{provider}:{credential}:{digest}"

    def send(
        self,
        call: Call,
        *,
        authorize: Authorize | None = None,
        rejects_token: Callable[[Response], bool] | None = None,
        classify: Classify | None = None,
        throttled: Callable[[Response], bool] = has_too_many_status,
    ) -> Response:
        """Make the call and return the answer, whatever its HTTP status.

        `authorize` fetches a new token when none is cached; it is sent as a Bearer token. Where
        `rejects_token` says that the answer refuses the token, the token is renewed and the call
        replayed, once: a refused token proves that nothing was carried out. `classify` names the
        outcome for the record. Where `throttled` says that the answer is "too many calls", all
        calls with these credentials are slowed down for a while; this one is not repeated for it.

        Raises TransportError (see its `sent`), InvalidInput for a URL or value that may not
        leave, ConfigurationError (code "host_not_confirmed") for a host outside `hosts`, and
        what `authorize` raises.
        """
        deadline = time.monotonic() + call.limits.total
        if call.deadline is not None:
            deadline = min(deadline, call.deadline)
        with recorded(
            self.provider,
            call.operation,
            business=self.business,
            environment=self.environment,
            credential=self.credential,
            reference=call.reference,
            is_idempotent=call.idempotent,
        ) as record:
            self._refuse_unsafe(call)
            errand = _Errand(call, deadline, record, authorize, rejects_token, classify, throttled)
            return self._authorized(errand)

    def renew_token(self, authorize: Authorize, *, limit: float = 15.0) -> None:
        """Fetch a new token within `limit` seconds and share it: a test of the credentials.

        Raises what `authorize` raises.
        """
        deadline = time.monotonic() + limit
        self._tokens.renew(self._token_key, lambda: authorize(deadline), deadline=deadline)

    def held_token(self) -> str:
        """The token that this process holds, "" for none; never waits."""
        return self._tokens.peek(self._token_key)

    def obtain_token(self, authorize: Authorize, *, limit: float = 15.0) -> str:
        """The shared token, fetched within `limit` seconds where there is none.

        For who sends it by another way than `send`. Raises what `authorize` raises, and
        TransportError (code "timeout").
        """
        deadline = time.monotonic() + limit
        return self._tokens.get(self._token_key, lambda: authorize(deadline), deadline=deadline)

    def reject_token(self, token: str) -> None:
        """Forget a token that was refused, here and for all processes; a newer one stays."""
        self._tokens.reject(self._token_key, token)

    def _refuse_unsafe(self, call: Call) -> None:
        refuse_masks(call)
        self.require_host(call.url)

    def require_host(self, url: str) -> None:
        """Raise ConfigurationError unless the credentials were entered for this URL's host."""
        if check_url(url) not in self.hosts:
            raise ConfigurationError(
                f"The {self.provider} credentials were not entered for this host. "
                "Enter the secrets again to confirm it.",
                code="host_not_confirmed",
            )

    def _authorized(self, errand: _Errand) -> Response:
        """The answer to the call with a token, renewed at most once."""
        if errand.authorize is None:
            return self._persistent(errand, token="")
        token = self._token(errand, errand.authorize)
        response = self._persistent(errand, token=token)
        if errand.rejects_token is None or not errand.rejects_token(response):
            return response
        self._tokens.reject(self._token_key, token)
        return self._persistent(errand, token=self._token(errand, errand.authorize))

    def _token(self, errand: _Errand, authorize: Authorize) -> str:
        try:
            return self._tokens.get(
                self._token_key, lambda: authorize(errand.deadline), deadline=errand.deadline
            )
        except TransportError as error:
            # The token request may have arrived; the call itself certainly did not leave.
            raise TransportError(error.message, sent=False, code=error.code) from None

    def _persistent(self, errand: _Errand, *, token: str) -> Response:
        """The first usable answer within the attempts and the deadline; else the last failure."""
        attempt = 0
        while True:
            attempt += 1
            errand.record.begin_attempt()
            is_last = attempt >= errand.call.retry
            try:
                response = self._once(errand, token=token)
            except TransportError as error:
                if is_last or not is_retryable_error(errand.call, error):
                    raise
                if not self._pause(backoff(attempt), errand.deadline):
                    raise
                continue
            outcome = _note(errand, response)
            if is_last or not is_retryable_response(errand.call, response, outcome):
                return response
            if not self._pause(backoff(attempt, response), errand.deadline):
                return response

    def _pause(self, seconds: float, deadline: float) -> bool:
        """Wait, unless the deadline comes first; then False, at once."""
        if time.monotonic() + seconds >= deadline:
            return False
        self._sleep(seconds)
        return True

    def _once(self, errand: _Errand, *, token: str) -> Response:
        """One attempt, past the gate."""
        max_wait = min(errand.call.limits.place, max(0.0, errand.deadline - time.monotonic()))
        ticket = self._gate.admit(self._key, max_wait=max_wait, usual=self._rate, sleep=self._sleep)
        try:
            response = self._exchange(errand, token)
        except TransportError as error:
            self._gate.report(ticket, _verdict(error))
            raise
        except BaseException:
            self._gate.report(ticket, Verdict.NOTHING)
            raise
        self._gate.report(ticket, _read_verdict(errand, response))
        return response

    def _exchange(self, errand: _Errand, token: str) -> Response:
        headers = dict(errand.call.headers)
        if hub_settings.outbound_correlation and errand.record.correlation_id:
            headers.setdefault("X-Correlation-ID", errand.record.correlation_id)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        session = sessions.get((*self._key, self.hosts), max_idle=self._idle_seconds)
        return exchange(session, errand.call, headers=headers, deadline=errand.deadline)


def _read_verdict(errand: _Errand, response: Response) -> Verdict:
    try:
        return Verdict.THROTTLED if errand.throttled(response) else Verdict.ANSWERED
    except Exception:  # noqa: BLE001 - a reader that breaks changes no outcome
        log_event(
            log, logging.ERROR, "throttle_unread", exc_info=True, provider=errand.record.provider
        )
        return Verdict.ANSWERED


def _verdict(error: TransportError) -> Verdict:
    ran_out = not error.sent and error.code == "timeout"
    is_silent = ran_out or error.code in _NOT_ITS_FAULT
    return Verdict.NOTHING if is_silent else Verdict.FAILED


def _note(errand: _Errand, response: Response) -> str:
    """Put the answer into the record and return the outcome."""
    record = errand.record
    record.http_status = response.status
    try:
        if errand.classify is not None:
            record.outcome, record.error_code, record.provider_request_id = errand.classify(
                response
            )
            return record.outcome
    except TransportError as error:  # not JSON
        record.outcome = outcome_of_error(error, is_idempotent=errand.call.idempotent)
        record.error_code = error.code
        return record.outcome
    except Exception:  # noqa: BLE001 - a classifier that breaks changes no outcome
        log_event(log, logging.ERROR, "classify_failed", exc_info=True, provider=record.provider)
    record.outcome, record.error_code = _by_status(response.status, errand.call.idempotent), ""
    return record.outcome


def _by_status(status: int, is_idempotent: bool) -> str:
    if status < 300:
        return "ok"
    if status < 500:
        return "refused"
    return "failed" if is_idempotent else "unknown"
