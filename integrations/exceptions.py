"""Every error this package raises on purpose. All texts are short, true and safe to show."""

from __future__ import annotations

import re
from collections.abc import Callable

# Where a checkout has the page; a published site has it at its own address.
PAGE = "docs/reference/troubleshooting.md"
SITE_PAGE = "reference/troubleshooting/"
_OUR_CODE = re.compile(r"[a-z][a-z_]*")


def _no_site() -> str:
    return ""


_docs_base: Callable[[], str] = _no_site


def set_docs_base(base: Callable[[], str]) -> None:
    """Say where the documentation is published; "" for nowhere. Asked at each use."""
    global _docs_base
    _docs_base = base


def help_url(code: str, other: str = "provider_error") -> str:
    """Where cause and cure of an error code are written, for people to open.

    A provider's own code, which is no word of ours, leads to the section `other`.
    """
    anchor = code if _OUR_CODE.fullmatch(code) else other
    base = _docs_base().rstrip("/")
    return f"{base}/{SITE_PAGE}#{anchor}" if base else f"{PAGE}#{anchor}"


class IntegrationError(Exception):
    """Base of all errors of this package.

    `code` is a stable machine word (for API answers and metrics), the text is for people, and
    `help_url` leads to what can be done about it.
    """

    default_code = "integration_error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code

    @property
    def help_url(self) -> str:
        """The section of the troubleshooting page about this code."""
        return help_url(self.code, self.default_code)


class ConfigurationError(IntegrationError):
    """A setting is missing, unsafe or contradicts another one; an operator must act."""

    default_code = "not_configured"


class ConfigurationUnavailable(ConfigurationError):
    """The settings exist but can't be read now (database away). Never answered by defaults."""

    default_code = "configuration_unavailable"


class DecryptionError(IntegrationError):
    """A stored secret can't be read with the present keys. Nothing was overwritten."""

    default_code = "key_mismatch"


class InvalidInput(IntegrationError):
    """The caller's input can't be used; `field` names it and the text says why."""

    default_code = "invalid_input"

    def __init__(
        self, field: str, reason: str, *, code: str | None = None, payment_id: str = ""
    ) -> None:
        super().__init__(f"{field}: {reason}", code=code)
        self.field = field
        self.reason = reason
        # Set where the input contradicts a payment that exists: nothing may be sent in its place.
        self.payment_id = payment_id


class ApprovalRefused(IntegrationError):
    """This approval can't be asked for, or decided so, by this person; the text says why."""

    default_code = "approval_refused"


class Unsupported(IntegrationError):
    """The provider has no way to carry this request (a currency, an amount, an operation)."""

    default_code = "unsupported"


class TransportError(IntegrationError):
    """No usable answer came back.

    `sent` is False only where the request provably never reached the provider (name not
    resolved, connection refused, guard or breaker said no): then, and only then, may a money
    operation be tried again.
    """

    default_code = "transport_error"

    def __init__(self, message: str, *, sent: bool, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.sent = sent


class ProviderError(IntegrationError):
    """The provider answered and said no.

    `code` is the provider's own code as text; `permanent` says that the same request will be
    refused again; `request_id` is the provider's id for its support staff.
    """

    default_code = "provider_error"

    def __init__(
        self, message: str, *, code: str | None = None, permanent: bool, request_id: str = ""
    ) -> None:
        super().__init__(message, code=code)
        self.permanent = permanent
        self.request_id = request_id


class OutcomeUnknown(IntegrationError):
    """The request may have been carried out: ask the provider, never send it again."""

    default_code = "outcome_unknown"
