"""`IntegrationConfigService`: the documented facade over `integrations.config`.

Its methods come from the declared settings models: an integration with slug `x` and constant
`X` has `get_x_config`, `test_x_connection`, `is_x_configured` and `DEFAULT_X_CONFIG`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.db import transaction

from integrations import registry
from integrations.config import clear_cache, default_config, get_snapshot
from integrations.exceptions import ConfigurationError, ConfigurationUnavailable, InvalidInput
from integrations.health import all_status, check_integration
from integrations.models import ConfigStamp, Integrations

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"get_(\w+)_config"), "_getter"),
    (re.compile(r"test_(\w+)_connection"), "_tester"),
    (re.compile(r"is_(\w+)_configured"), "_configured"),
    (re.compile(r"is_(\w+)_active"), "_active"),
)


class DerivedMethods(type):
    """Makes the per-integration methods on first use and keeps them on the class."""

    def __getattr__(cls, name: str) -> Any:
        constant = _constant(name)
        if constant is not None:
            return constant
        for pattern, maker in _PATTERNS:
            match = pattern.fullmatch(name)
            if match and registry.find_integration(match.group(1)):
                method = staticmethod(globals()[maker](match.group(1)))
                setattr(cls, name, method)
                return getattr(cls, name)
        if _is_about_unbuilt(name):
            return _never
        raise AttributeError(f"{cls.__name__} has no attribute {name!r}")

    def __dir__(cls) -> list[str]:
        names = set(super().__dir__())
        for item in registry.integrations():
            slug = item.slug
            names |= {f"get_{slug}_config", f"test_{slug}_connection", f"is_{slug}_configured"}
            names |= {f"is_{slug}_active", item.default_constant}
        return sorted(names)


class IntegrationConfigService(metaclass=DerivedMethods):
    """Configuration and health of every integration, for ERP code.

    `get_mpesa_config(decrypt_secrets=True, business="", short_code="")` returns a fresh dict with
    the documented keys plus `source`, `configured`, `environment` and `business`; it raises
    ConfigurationError for an unknown business or short code, DecryptionError for a key that does
    not match, and ConfigurationUnavailable when the database does not answer. It never answers
    with defaults because a read failed.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(type(self), name)

    @classmethod
    def get_all_integration_status(cls, business: str = "") -> dict[str, dict[str, Any]]:
        """The documented status dict, with connections tested now."""
        return all_status(business)

    @classmethod
    def is_integration_configured(cls, name: str) -> bool:
        """Whether the integration with this `Integrations.name` (MPESA, …) can be used."""
        item = _by_name(name)
        return item is not None and _configured(item.slug)()

    @classmethod
    def is_integration_active(cls, name: str) -> bool:
        """Whether it is configured and switched on; by its `Integrations` row where unbuilt."""
        item = _by_name(name)
        if item is None:
            return Integrations.objects.filter(name=name, is_active=True).exists()
        return _active(item.slug)()

    @classmethod
    def clear_config_cache(cls) -> bool:
        """Make every process reread the settings within its interval, this one at once.

        Raises DatabaseError where the stamp can't be changed.
        """
        with transaction.atomic():
            ConfigStamp.objects.touch()
        clear_cache()
        return True


def _is_about_unbuilt(name: str) -> bool:
    """Whether the name asks if a documented integration, not built yet, is configured or on."""
    match = re.fullmatch(r"is_(\w+)_(?:configured|active)", name)
    return match is not None and match.group(1) in registry.DOCUMENTED_SLUGS


def _never(*, business: str = "") -> bool:  # noqa: ARG001 - the shape of its siblings
    """Not built: never configured, never active."""
    return False


def _constant(name: str) -> dict[str, Any] | None:
    for item in registry.integrations():
        if item.default_constant == name:
            return default_config(item.slug)
    return None


def _by_name(name: str) -> registry.Integration | None:
    return next((item for item in registry.integrations() if item.name == name), None)


def _getter(slug: str) -> Callable[..., dict[str, Any]]:
    def get_config(
        decrypt_secrets: bool = True, *, business: str = "", **account: str
    ) -> dict[str, Any]:
        """The integration's configuration as a fresh dict."""
        snapshot = get_snapshot(slug, business, _account_of(slug, account))
        return snapshot.as_dict(decrypt_secrets=decrypt_secrets)

    return get_config


def _tester(slug: str) -> Callable[..., tuple[bool, str]]:
    def test_connection(*, business: str = "", **account: str) -> tuple[bool, str]:
        """(it works, what was found) of the saved settings."""
        result = check_integration(slug, business, _account_of(slug, account))
        return result.ok, result.message

    return test_connection


def _configured(slug: str) -> Callable[..., bool]:
    def is_configured(*, business: str = "", **account: str) -> bool:
        """Whether everything required is set; False for a business without settings."""
        return _ask(slug, business, _account_of(slug, account), "configured")

    return is_configured


def _active(slug: str) -> Callable[..., bool]:
    def is_active(*, business: str = "", **account: str) -> bool:
        """Whether it is configured and switched on."""
        name = _account_of(slug, account)
        return all(_ask(slug, business, name, asked) for asked in ("configured", "active"))

    return is_active


def _account_of(slug: str, named: dict[str, str]) -> str:
    """The account that a caller named by its field: `short_code=` for M-Pesa."""
    field = registry.settings_model(slug).account_field
    account = named.pop(field, "") if field else ""
    if named:
        raise TypeError(f"unexpected keyword argument {next(iter(named))!r}")
    return account


def _ask(slug: str, business: str, account: str, question: str) -> bool:
    try:
        return bool(getattr(get_snapshot(slug, business, account), question))
    except ConfigurationUnavailable:
        raise
    except (ConfigurationError, InvalidInput):
        return False
