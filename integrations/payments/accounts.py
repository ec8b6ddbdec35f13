"""Which of a business's M-Pesa accounts a call or a stored row means: the short code names it."""

from __future__ import annotations

from integrations.config import Snapshot, get_snapshot
from integrations.exceptions import ConfigurationError, InvalidInput

PROVIDER = "mpesa"


def account_config(business: str, short_code: str = "") -> Snapshot:
    """The settings of a business's account, "" for its main one.

    Raises ConfigurationError, with code "unknown_account" for a short code without settings.
    """
    return get_snapshot(PROVIDER, business, short_code)


def same_environment(config: Snapshot, environment: str) -> Snapshot:
    """The settings, if they still speak for the environment of a stored row.

    Raises ConfigurationError where they don't.
    """
    if config.environment != environment:
        raise ConfigurationError(
            f"It belongs to the {environment} environment, and the settings are now those of "
            f"{config.environment}.",
            code="environment_changed",
        )
    return config


def account_of(provider: str, business: str, short_code: str) -> Snapshot:
    """The settings of a payment's short code, or the main ones where no row has it any more.

    A row whose short code was edited must go on being asked about what it sent. Raises what
    `get_snapshot` raises for the main account.
    """
    try:
        return get_snapshot(provider, business, short_code)
    except ConfigurationError as error:
        if error.code != "unknown_account":
            raise
        return get_snapshot(provider, business)


def account_text(value: object) -> str:
    """A caller's short code as text; a number will do, None and "" are the main account.

    Raises InvalidInput.
    """
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidInput("short_code", "must be text of digits.", code="unknown_account")
    return str(value).strip()
