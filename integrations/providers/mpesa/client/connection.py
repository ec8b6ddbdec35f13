"""The way to Daraja with one row's credentials: token, and one call. Source: section 2."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Any

from integrations.config import Snapshot
from integrations.exceptions import ProviderError
from integrations.outbound import Call, Client, Limits, Response
from integrations.providers.mpesa.client.answers import classify, is_throttled, rejects_token

TOKEN_PATH = "/oauth/v1/generate?grant_type=client_credentials"  # noqa: S105 - a path
# Seconds. The total is what the ledger's lease is checked against.
PUSH_LIMITS = Limits(connect=5.0, read=20.0, total=25.0)
ASK_LIMITS = Limits(connect=5.0, read=10.0, total=15.0)
TOKEN_LIMITS = Limits(connect=5.0, read=10.0, total=15.0)


class Connection:
    """Daraja with one row's credentials. Cheap to make; connections are pooled below it."""

    def __init__(self, config: Snapshot) -> None:
        config.require_configured()
        self.config = config
        self.base_url = str(config.values["base_url"]).rstrip("/")
        digest = hashlib.sha256(
            f"{config.text('consumer_key')}:{config.text('consumer_secret')}".encode()
        ).hexdigest()[:32]
        self._door = Client(
            "mpesa",
            credential=digest,
            hosts=config.hosts,
            business=config.business,
            environment=config.environment,
            rate=rate_of(config),
        )

    def check(self) -> str:
        """Get an access token with the present credentials: the cheapest authenticated call.

        Raises ProviderError or TransportError with a text for the person who typed the keys.
        """
        self._door.require_host(self.base_url)
        self._door.renew_token(self._fetch_token)
        return f"Connected to {self.base_url}: the consumer key and secret are accepted."

    def _post(
        self,
        operation: str,
        path: str,
        body: Mapping[str, Any],
        *,
        limits: Limits,
        idempotent: bool = False,
        deadline: float | None = None,
        reference: str = "",
        retry: int = 3,
    ) -> Response:
        """Post a body with a token. Only an `idempotent` call is repeated once it has left."""
        call = Call(
            operation=operation,
            method="POST",
            url=self.base_url + path,
            json=body,
            idempotent=idempotent,
            limits=limits,
            deadline=deadline,
            reference=reference,
            retry=retry,
        )
        return self._door.send(
            call,
            authorize=self._fetch_token,
            rejects_token=rejects_token,
            classify=partial(classify, operation=operation),
            throttled=is_throttled,
        )

    def _fetch_token(self, deadline: float | None) -> tuple[str, float]:
        pair = f"{self.config.text('consumer_key')}:{self.config.text('consumer_secret')}"
        call = Call(
            operation="token",
            method="GET",
            url=self.base_url + TOKEN_PATH,
            headers={"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()},
            idempotent=True,
            limits=TOKEN_LIMITS,
            deadline=deadline,
        )
        response = self._door.send(call, throttled=is_throttled)
        if 400 <= response.status < 500 and not is_throttled(response):
            raise ProviderError(
                "M-Pesa refused the consumer key and secret: check both, and that they belong to "
                f"the {self.config.environment} environment.",
                code="bad_credentials",
                permanent=True,
            )
        answer = response.json()
        token, lifetime = str(answer.get("access_token") or ""), answer.get("expires_in")
        if response.status != 200 or not token:
            raise ProviderError(
                "M-Pesa gave no access token; its service may be down.",
                code=str(answer.get("errorCode") or response.status)[:40],
                permanent=False,
            )
        return token, _seconds(lifetime)


def rate_of(config: Snapshot) -> tuple[float, float]:
    """(calls per second, burst) that the settings allow."""
    rate = float(max(1, config.values["requests_per_second"]))
    return rate, rate


def _seconds(value: object) -> float:
    """`expires_in` is text in most samples and a number in the newest (section 2)."""
    try:
        return max(float(str(value)), 1.0)
    except ValueError:
        return 3599.0
