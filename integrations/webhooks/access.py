"""Access tokens for endpoints that want one (OAuth 2 client credentials), had without waiting.

The dispatcher asks and goes on with other deliveries; threads fetch through the one door out,
whose cache shares tokens between processes as ciphertext and fetches each once.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import math
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol
from urllib.parse import quote_plus

from django.db import connections

from integrations.exceptions import IntegrationError, ProviderError, TransportError
from integrations.logs import log_event
from integrations.outbound import Call, Client, Limits, Response
from integrations.webhooks.credentials import TokenRequest

log = logging.getLogger(__name__)

PROVIDER = "webhooks"
LIMITS = Limits(connect=5.0, read=8.0, total=10.0, max_bytes=65_536)
# What a fetch may take, the waiting for another process's fetch included.
FETCH_SECONDS = 15.0
# Without `expires_in` (RFC 6749 only recommends it) a token is not trusted for long.
DEFAULT_LIFETIME, LONGEST_LIFETIME = 300.0, 86_400.0
# A token server that fails is not asked for every delivery that waits for it.
FAILURE_SECONDS = 5.0
# An endpoint that refuses each new token must not make us fetch one for every delivery.
DROP_SECONDS = 10.0
THREADS = 16
# What RFC 6750 lets a Bearer token consist of.
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_CREDENTIALS_REFUSED = frozenset({400, 401, 403})


class WithToken(Protocol):
    """The part of an `EndpointPlan` that is needed here."""

    @property
    def token_request(self) -> TokenRequest | None:
        """How its token is had."""


@dataclass(slots=True)
class _Account:
    """One set of client credentials: who fetches now, and what came of the last fetch."""

    request: TokenRequest
    client: Client
    fetching: Future[str] | None = None
    failure: IntegrationError | None = None
    quiet_until: float = 0.0
    dropped_at: float = field(default=float("-inf"))


class AccessTokens:
    """Tokens by client credentials. For one thread, the dispatcher's; made after a fork.

    `clock` is monotonic, in seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._accounts: dict[TokenRequest, _Account] = {}
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="webhook-token")

    def get(self, plan: WithToken) -> str | None:
        """The token to send with the plan's requests; None while it is being fetched: ask again.

        Raises the IntegrationError for which there is none, for FAILURE_SECONDS; a delivery ends
        with outcome `auth` then. Its text is safe to store and to show.
        """
        account = self._account(plan)
        if account.fetching is not None and not self._land(account):
            return None
        if account.failure is not None and self._clock() < account.quiet_until:
            raise account.failure.with_traceback(None)
        token = account.client.held_token()
        if not token:
            self._fetch(account)
        return token or None

    def refused(self, plan: WithToken, token: str = "") -> bool:
        """The endpoint answered 401 to `token`: drop it and fetch another.

        Whether it makes sense to try the delivery once more: `get` will have, or has already,
        another token. Where `token` is not told, it is the one that is held now.
        """
        account = self._account(plan)
        if account.fetching is not None and not self._land(account):
            return True
        held = account.client.held_token()
        if token and held and held != token:
            return True
        now = self._clock()
        if now - account.dropped_at < DROP_SECONDS:
            return not token
        account.dropped_at = now
        self._fetch(account, rejected=token or held)
        return True

    def close(self) -> None:
        """Begin no more fetches; those under way end by their own deadline."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _account(self, plan: WithToken) -> _Account:
        request = plan.token_request
        if request is None:
            raise TypeError("This endpoint takes no access token.")
        account = self._accounts.get(request)
        if account is None:
            account = self._accounts[request] = _Account(request, _client(request))
        return account

    def _fetch(self, account: _Account, *, rejected: str = "") -> None:
        account.failure = None
        account.fetching = self._pool.submit(_obtain, account.request, account.client, rejected)

    def _land(self, account: _Account) -> bool:
        """Take in what a finished fetch brought; False while it is under way."""
        if account.fetching is None or not account.fetching.done():
            return False
        error = account.fetching.exception()
        account.fetching = None
        if error is not None:
            account.failure = _told(error)
            account.quiet_until = self._clock() + FAILURE_SECONDS
        return True


def _told(error: BaseException) -> IntegrationError:
    """The failure in words that may be stored; what is no error of ours is only named."""
    if isinstance(error, IntegrationError):
        return TransportError(f"No access token: {error.message}", sent=False, code=error.code)
    log_event(log, logging.ERROR, "access_token_failed", error=type(error).__name__)
    return TransportError("No access token: the request for it failed.", sent=False)


def _client(request: TokenRequest) -> Client:
    identity = repr((request.url, request.client_id, request.client_secret, request.scope))
    return Client(
        PROVIDER,
        credential=hashlib.sha256(identity.encode()).hexdigest()[:32],
        hosts=frozenset({request.place}),
        business=request.business,
    )


def _obtain(request: TokenRequest, client: Client, rejected: str) -> str:
    """In a thread: a token that is shared already, or a new one."""
    try:
        if rejected:
            client.reject_token(rejected)
        return client.obtain_token(partial(_ask, request, client), limit=FETCH_SECONDS)
    finally:
        connections.close_all()


def _ask(request: TokenRequest, client: Client, deadline: float) -> tuple[str, float]:
    """(token, lifetime in seconds) from the token server.

    The credentials go into the Authorization header, which every server must take (RFC 6749
    section 2.3.1); one that says it does not know the client gets them in the body, once.
    """
    fields = {"grant_type": "client_credentials"}
    if request.scope:
        fields["scope"] = request.scope
    pair = f"{quote_plus(request.client_id)}:{quote_plus(request.client_secret)}"
    basic = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    response = _post(client, request, fields, basic, deadline)
    if _error_of(response) == "invalid_client":
        own = {"client_id": request.client_id, "client_secret": request.client_secret}
        response = _post(client, request, fields | own, {}, deadline)
    return _read(response)


def _post(
    client: Client,
    request: TokenRequest,
    form: Mapping[str, str],
    headers: Mapping[str, str],
    deadline: float,
) -> Response:
    call = Call(
        operation="token",
        method="POST",
        url=request.url,
        form=form,
        headers=headers,
        idempotent=True,
        limits=LIMITS,
        deadline=deadline,
        retry=2,
    )
    return client.send(call)


def _error_of(response: Response) -> str:
    """The `error` word of RFC 6749 section 5.2."""
    if response.status not in _CREDENTIALS_REFUSED:
        return ""
    return str(_object(response).get("error") or "")


def _object(response: Response) -> dict[str, Any]:
    try:
        return response.json()
    except TransportError:
        return {}


def _read(response: Response) -> tuple[str, float]:
    if response.status in _CREDENTIALS_REFUSED:
        raise ProviderError(
            "the token server refused the client id and secret.",
            code="bad_credentials",
            permanent=True,
        )
    answer = _object(response) if response.status == 200 else {}
    token = answer.get("access_token")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise ProviderError(
            f"the token server gave none (status {response.status}).", permanent=False
        )
    return token, _seconds(answer.get("expires_in"))


def _seconds(value: object) -> float:
    """A number in the standard, text at some servers."""
    try:
        seconds = float(str(value))
    except ValueError:
        return DEFAULT_LIFETIME
    return min(max(seconds, 1.0), LONGEST_LIFETIME) if math.isfinite(seconds) else DEFAULT_LIFETIME
