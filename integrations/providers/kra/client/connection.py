"""The way to eTIMS with one row's credentials, by any transport. Source: sections 1 to 3 and 8."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput, OutcomeUnknown, TransportError
from integrations.outbound import Call, Client, Limits, Response
from integrations.outbound.retry import backoff
from integrations.providers.kra.client.endpoints import GATEWAY, OPERATIONS, VSCU, path_of
from integrations.providers.kra.client.envelopes import (
    Envelope,
    is_throttled,
    open_envelope,
    rejects_token,
    tells_of_token,
)
from integrations.providers.kra.client.errors import EtimsRefused, keys_refused
from integrations.providers.kra.client.tokens import credential_of, fetch_token, token_url
from integrations.providers.kra.client.wire import wire_value
from integrations.providers.kra.codes import TOKEN_REFUSED, Kind, Meaning, explain

# The whole list of item classes comes in one answer.
LARGEST_ANSWER = 32 * 1024 * 1024
# A read whose code says "again" (section 8).
READ_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Reply:
    """What eTIMS answered to a call it carried out. `code` "001" is a list without rows.

    `result_at` is KRA's `resultDt` as it came, for the next request's `lastReqDt`. `data` has its
    keys stripped, and is not in the repr.
    """

    code: str
    text: str
    data: dict[str, Any] = field(repr=False)
    result_at: str

    @property
    def is_empty(self) -> bool:
        """Whether KRA had nothing for the question."""
        return self.code == "001"


class Connection:
    """eTIMS with one row's credentials. Cheap to make; connections are pooled below it."""

    def __init__(self, config: Snapshot) -> None:
        config.require_configured()
        self.config = config
        self.transport = str(config.values["transport"])
        self.base_url = str(config.values["base_url"]).rstrip("/")
        self.tin = str(config.values["kra_pin"] or "").strip().upper()
        self.bhf_id = str(config.values["branch_code"] or "").strip()
        self._door = Client(
            "kra",
            credential=self._credential(),
            hosts=config.hosts,
            business=config.business,
            environment=config.environment,
            rate=rate_of(config),
        )

    @property
    def is_bearer_needed(self) -> bool:
        """Whether calls carry an access token: the gateway's do, the others' by setting."""
        is_asked = bool(self.config.values["is_bearer_sent"]) and self.transport != VSCU
        return self.transport == GATEWAY or is_asked

    def call(
        self,
        operation: str,
        body: Mapping[str, Any] | None = None,
        *,
        deadline: float | None = None,
        reference: str = "",
    ) -> Reply:
        """Make one call of section 5, by its name there; identity is added to the body.

        `deadline` is an instant of `time.monotonic()`. Reads are repeated while that helps;
        writes only where they provably never left.

        Raises EtimsRefused for a definite no; OutcomeUnknown for a write of which nothing is
        known, and TransportError (see its `sent`). Where nothing left at all: ProviderError with
        code "bad_credentials", ConfigurationError, Unsupported, InvalidInput.
        """
        is_read = OPERATIONS[operation].is_read
        until = self._deadline(deadline)
        call = self._call(operation, body or {}, deadline=until, reference=reference)
        attempt = 0
        while True:
            attempt += 1
            opened = open_envelope(self._send(call))
            meaning = self._meaning(opened)
            if meaning.kind is Kind.OK or (is_read and meaning.kind is Kind.EMPTY):
                return Reply(meaning.code, opened.text, opened.data, opened.result_at)
            if not is_read:
                raise _no_of_write(meaning, opened)
            if attempt >= READ_ATTEMPTS or not meaning.retry_read or not _pause(attempt, until):
                raise _no_of_read(meaning, opened)

    def access_token(self) -> str:
        """The token that calls carry, fetched where none is known; a secret.

        Raises what `fetch_token` raises.
        """
        self._door.require_host(token_url(self.config))
        return self._door.obtain_token(self._fetch_token)

    def _call(
        self,
        operation: str,
        body: Mapping[str, Any],
        *,
        deadline: float,
        reference: str,
    ) -> Call:
        path = path_of(self.config, operation)
        return Call(
            operation=operation,
            method="POST",
            url=self.base_url + path,
            json=self._identified(body, is_init=operation == "init"),
            headers=self._headers(is_init=operation == "init"),
            idempotent=OPERATIONS[operation].is_read,
            limits=self._limits(),
            deadline=deadline,
            reference=reference,
        )

    def _limits(self) -> Limits:
        read = float(max(1, int(self.config.values["read_timeout"])))
        # A token, where one is needed, comes out of the same time.
        return Limits(connect=5.0, read=read, total=read + 15.0, max_bytes=LARGEST_ANSWER)

    def _deadline(self, given: float | None) -> float:
        own = time.monotonic() + self._limits().total
        return own if given is None else min(given, own)

    def _send(self, call: Call) -> Response:
        return self._door.send(
            call,
            authorize=self._fetch_token if self.is_bearer_needed else None,
            rejects_token=rejects_token if self.is_bearer_needed else None,
            classify=self._classify_read if call.idempotent else self._classify_write,
            throttled=is_throttled,
        )

    def _identified(self, body: Mapping[str, Any], *, is_init: bool) -> dict[str, Any]:
        """The body with who sends it in front; refused where it names somebody else."""
        identity = {"tin": self.tin, "bhfId": self.bhf_id}
        for name, own in identity.items():
            if name in body and str(body[name]) != own:
                raise InvalidInput(
                    name,
                    f"is {body[name]} in the stored body, but {own or 'empty'} in the settings: "
                    "what was written for one branch is not sent for another.",
                )
        sent: dict[str, Any] = {**identity, **wire_value(body)}
        if self.transport != VSCU and not is_init:
            sent["cmcKey"] = self.config.text("communication_key")
        return sent

    def _headers(self, *, is_init: bool) -> dict[str, str]:
        """Section 2: the same three again; of the gateway's first call only the app's id."""
        headers = {}
        if self.transport == GATEWAY:
            headers["apigee_app_id"] = str(self.config.values["apigee_app_id"] or "")
        if self.transport != VSCU and not is_init:
            headers["tin"], headers["bhfId"] = self.tin, self.bhf_id
            headers["cmcKey"] = self.config.text("communication_key")
        return headers

    def _meaning(self, opened: Envelope) -> Meaning:
        if self._is_token_refusal(opened):
            return TOKEN_REFUSED
        if opened.is_lost:
            return Meaning(
                opened.code,
                Kind.UNKNOWN,
                f"KRA gave no usable answer (HTTP status {opened.code}).",
                "It is looked up before anything is sent again.",
                retry_read=False,
            )
        return explain(self.config, opened.code, opened.text)

    def _is_token_refusal(self, opened: Envelope) -> bool:
        """A token refused for the second time: HTTP 401, or the gateway's words with another
        status. Nothing was done."""
        is_fault = "fault" in opened.body or "header" in opened.body
        is_refused = opened.code == "401" or (is_fault and tells_of_token(opened.text))
        return self.is_bearer_needed and is_refused

    def _classify_read(self, response: Response) -> tuple[str, str, str]:
        return self._classify(response, unknown="failed")

    def _classify_write(self, response: Response) -> tuple[str, str, str]:
        return self._classify(response, unknown="unknown")

    def _classify(self, response: Response, *, unknown: str) -> tuple[str, str, str]:
        """(outcome, code, request id) for the record of the call."""
        opened = open_envelope(response)
        meaning = self._meaning(opened)
        if meaning.kind in (Kind.OK, Kind.EMPTY):
            return "ok", "", opened.request_id
        outcome = unknown if meaning.kind is Kind.UNKNOWN else "refused"
        return outcome, (meaning.code or opened.code)[:40], opened.request_id

    def _fetch_token(self, deadline: float | None) -> tuple[str, float]:
        return fetch_token(
            self.config,
            self._door,
            self.config.text("client_id"),
            self.config.text("client_secret"),
            deadline,
        )

    def _credential(self) -> str:
        """Whose place under the rate limit a call takes, and whose token: the app's, or the
        device's."""
        if self.is_bearer_needed:
            return credential_of(self.config.text("client_id"), self.config.text("client_secret"))
        key = self.config.text("communication_key")
        return credential_of(self.transport, self.base_url, self.tin, self.bhf_id, key)


def rate_of(config: Snapshot) -> tuple[float, float]:
    """(calls per second, burst) that the settings allow."""
    rate = float(max(1, config.values["requests_per_second"]))
    return rate, rate


def _no_of_write(meaning: Meaning, opened: Envelope) -> Exception:
    if meaning.kind is Kind.CREDENTIALS:
        return keys_refused(meaning.sentence, request_id=opened.request_id)
    if meaning.kind in (Kind.UNKNOWN, Kind.EMPTY):
        return OutcomeUnknown(meaning.sentence, code=meaning.code or None)
    return EtimsRefused(meaning, text=opened.text, request_id=opened.request_id)


def _no_of_read(meaning: Meaning, opened: Envelope) -> Exception:
    if meaning.kind is Kind.UNKNOWN:
        code = meaning.code or "unusable_answer"
        return TransportError(f"{meaning.cause} Try again later.", sent=True, code=code)
    return _no_of_write(meaning, opened)


def _pause(attempt: int, deadline: float) -> bool:
    """Wait before the next attempt, unless the deadline comes first; then False."""
    seconds = backoff(attempt)
    if time.monotonic() + seconds >= deadline:
        return False
    time.sleep(seconds)
    return True
