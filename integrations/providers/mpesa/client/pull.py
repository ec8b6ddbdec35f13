"""Fetching what happened on a short code. Source: Daraja reference, section 16."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from integrations.outbound import Limits
from integrations.providers.mpesa.callbacks import PulledRow, parse_pulled
from integrations.providers.mpesa.client.answers import (
    as_error,
    is_accepted,
    read_body,
    response_code,
    told,
    words,
)
from integrations.providers.mpesa.client.connection import ASK_LIMITS, Connection
from integrations.providers.mpesa.payloads import (
    PAGE_SIZE,
    pull_body,
    pull_register_body,
)

REGISTER_PATH = "/pulltransactions/v1/register"
PULL_PATH = "/pulltransactions/v1/query"
# A page of 100 rows is larger than other answers.
PULL_LIMITS = Limits(connect=5.0, read=20.0, total=30.0, max_bytes=1_048_576)
_REGISTERED = {"1000": "Registered.", "1001": "The short code was registered already."}


@dataclass(frozen=True, slots=True)
class PullPage:
    """Up to 100 rows. `wrong` says in words which rows could not be read.

    The next page begins `size` rows further on, as M-Pesa counts.
    """

    rows: tuple[PulledRow, ...]
    has_more: bool
    size: int = 0
    wrong: tuple[str, ...] = ()


class PullCalls(Connection):
    """The pull product. Both calls may be repeated."""

    def register_pull(self, *, callback_url: str) -> str:
        """Register the short code for pulling; M-Pesa's words, also where it was registered.

        Raises ProviderError, TransportError, OutcomeUnknown, ConfigurationError.
        """
        body = pull_register_body(self.config, callback_url=callback_url)
        response = self._post(
            "pull_register", REGISTER_PATH, body, idempotent=True, limits=ASK_LIMITS
        )
        answer = read_body(response)
        if not is_accepted(response, answer, operation="pull_register"):
            raise as_error(response, answer, operation="pull_register")
        text = words(told(answer, "ResponseDescription"), 300)
        return text or _REGISTERED[response_code(answer, "pull_register")]

    def pull(self, *, start: datetime, end: datetime, offset: int = 0) -> PullPage:
        """One page of what happened between two instants (M-Pesa keeps 48 hours).

        Raises ProviderError, TransportError, OutcomeUnknown, InvalidInput.
        """
        body = pull_body(self.config, start=start, end=end, offset=offset)
        response = self._post("pull", PULL_PATH, body, idempotent=True, limits=PULL_LIMITS)
        answer = read_body(response)
        if not is_accepted(response, answer, operation="pull"):
            raise as_error(response, answer, operation="pull")
        rows, size, wrong = parse_pulled(told(answer, "Response"))
        return PullPage(rows, has_more=size >= PAGE_SIZE, size=size, wrong=wrong)
