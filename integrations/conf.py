"""The settings of this product, in one place: name, default, type.

Each is read when it is asked for: from Django's settings where the project defines the name, else
from the environment variable of that name (also NAME_FILE), else the default. So a host project
defines only what it changes. Names and meanings: docs/reference/settings.md.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

from django.conf import settings

from integrations.exceptions import ConfigurationError

T = TypeVar("T")
UNDEFINED: Any = object()
_ON = frozenset({"true", "on", "ok", "y", "yes", "1"})
_OFF = frozenset({"false", "off", "n", "no", "0"})


def read_variable(name: str) -> str | None:
    """The variable, or the text of the file that NAME_FILE points at; None where unset.

    Raises ConfigurationError for a file that can't be read.
    """
    path = os.environ.get(f"{name}_FILE")
    if path:
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise ConfigurationError(f"{name}_FILE can't be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise ConfigurationError(f"{name}_FILE does not hold text.") from None
    return os.environ.get(name)


def _text(value: Any) -> str:
    return str(value or "").strip()


def _address(value: Any) -> str:
    return _text(value).rstrip("/")


def _switch(value: Any) -> bool:
    if not isinstance(value, str):
        return bool(value)
    word = value.strip().lower()
    if word not in _ON | _OFF:
        raise ValueError
    return word in _ON


def _list(value: Any) -> list[str]:
    parts = value.split(",") if isinstance(value, str) else value or ()
    return [str(part).strip() for part in parts if str(part).strip()]


def _seconds(value: Any) -> list[float]:
    parts = value.split(",") if isinstance(value, str) else value or ()
    seconds = [float(part) for part in parts if str(part).strip()]
    if not seconds or not all(0 < second < 10**8 for second in seconds):
        raise ValueError
    return seconds


def _handles(value: Any) -> int:
    handles = int(value)
    if handles < 1:
        raise ValueError
    return handles


def _rates(value: Any) -> dict[str, tuple[float, float]]:
    rates = json.loads(value) if isinstance(value, str) else value or {}
    if not isinstance(rates, Mapping):
        raise TypeError
    return {str(slug): (float(rate), float(burst)) for slug, (rate, burst) in rates.items()}


class Setting(Generic[T]):
    """One name: its default, and how a text or a Python value of it is understood."""

    def __init__(self, name: str, default: T, parse: Callable[[Any], T], meaning: str) -> None:
        self.name = name
        self.default = default
        self.__doc__ = meaning
        self._parse = parse

    @overload
    def __get__(self, owner: None, kind: Any) -> Setting[T]: ...
    @overload
    def __get__(self, owner: object, kind: Any) -> T: ...
    def __get__(self, owner: object | None, kind: Any) -> Setting[T] | T:
        return self if owner is None else self.read()

    def raw(self) -> Any:
        """The present value as it was given, `UNDEFINED` for none: tells cheaply if it changed."""
        value = getattr(settings, self.name, UNDEFINED)
        if value is UNDEFINED:
            # Deployments pass on what they don't set: an empty variable is as good as none.
            value = read_variable(self.name) or UNDEFINED
        return value

    def read(self) -> T:
        """The present value. Raises ConfigurationError naming the setting, never its value."""
        value = self.raw()
        if value is UNDEFINED:
            return self.default
        try:
            return self._parse(value)
        except (TypeError, ValueError):
            raise ConfigurationError(f"{self.name} has a value that does not fit it.") from None


class HubSettings:
    """Every setting as a typed attribute, read anew at each use."""

    app_settings_model = Setting(
        "INTEGRATIONS_APP_SETTINGS_MODEL",
        "integrations.AppSettings",
        _text,
        "The model whose `cypher_key` holds the database's key.",
    )
    business_resolver = Setting(
        "INTEGRATIONS_BUSINESS_RESOLVER",
        "",
        _text,
        "Dotted path to the host's `(user) -> business keys`; empty: the grants in the admin.",
    )
    stamp_seconds = Setting(
        "INTEGRATIONS_STAMP_SECONDS", 1.0, float, "How long remembered settings may be trusted."
    )
    lease_seconds = Setting(
        "INTEGRATIONS_LEASE_SECONDS", 60.0, float, "How long a worker or a sender holds a row."
    )
    deadline_seconds = Setting(
        "INTEGRATIONS_DEADLINE_SECONDS", 25.0, float, "The longest for one piece of work."
    )
    kra_lease_seconds = Setting(
        "INTEGRATIONS_KRA_LEASE_SECONDS",
        100.0,
        float,
        "How long a worker holds an invoice or a report for KRA, and its branch.",
    )
    kra_deadline_seconds = Setting(
        "INTEGRATIONS_KRA_DEADLINE_SECONDS",
        90.0,
        float,
        "The longest for one call to KRA with what belongs to it; KRA is often slow.",
    )
    enqueued_seconds = Setting(
        "INTEGRATIONS_ENQUEUED_SECONDS", 900.0, float, "After this a queued push is not sent."
    )
    approval_hours = Setting(
        "INTEGRATIONS_APPROVAL_HOURS",
        72.0,
        float,
        "Hours after which a request for approval that nobody decided expires.",
    )
    tokens_may_approve = Setting(
        "INTEGRATIONS_TOKENS_MAY_APPROVE",
        False,
        _switch,
        "Let API tokens with the scope approvals:decide approve what others asked for.",
    )
    payout_wait_seconds = Setting(
        "INTEGRATIONS_PAYOUT_WAIT_SECONDS",
        86400.0,
        float,
        "After this a queued payout or reversal is not sent; counted from its approval.",
    )
    not_found_seconds = Setting(
        "INTEGRATIONS_NOT_FOUND_SECONDS",
        300.0,
        float,
        "Between two answers that M-Pesa has no such payout, before it is sent again.",
    )
    poll_seconds = Setting(
        "INTEGRATIONS_POLL_SECONDS", 0.25, float, "Between two looks of a worker."
    )
    callback_max_bytes = Setting(
        "INTEGRATIONS_CALLBACK_MAX_BYTES", 65536, int, "The largest callback body that is read."
    )
    event_max_bytes = Setting(
        "INTEGRATIONS_EVENT_MAX_BYTES", 262144, int, "The largest payload that is published."
    )
    webhook_handles = Setting(
        "INTEGRATIONS_WEBHOOK_HANDLES",
        256,
        _handles,
        "Webhooks that one dispatcher has under way at once, all endpoints together.",
    )
    webhook_lease_seconds = Setting(
        "INTEGRATIONS_WEBHOOK_LEASE_SECONDS",
        60.0,
        float,
        "How long a dispatcher holds a delivery, and an endpoint between two renewals.",
    )
    webhook_schedule = Setting(
        "INTEGRATIONS_WEBHOOK_SCHEDULE",
        [5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0],
        _seconds,
        "Seconds between the tries of a webhook; one more try than entries.",
    )
    webhook_warn_hours = Setting(
        "INTEGRATIONS_WEBHOOK_WARN_HOURS",
        1.0,
        float,
        "Hours of nothing but failures after which webhook.endpoint.failing is published.",
    )
    webhook_disable_hours = Setting(
        "INTEGRATIONS_WEBHOOK_DISABLE_HOURS",
        120.0,
        float,
        "Hours of nothing but failures after which an endpoint is switched off; 0: never.",
    )
    webhook_min_failures = Setting(
        "INTEGRATIONS_WEBHOOK_MIN_FAILURES",
        5,
        int,
        "Failures in a row without which an endpoint is neither warned of nor switched off.",
    )
    webhook_cool_down_hours = Setting(
        "INTEGRATIONS_WEBHOOK_COOL_DOWN_HOURS",
        24.0,
        float,
        "Hours after switching it on again in which a failing endpoint is not switched off.",
    )
    retention_days = Setting(
        "INTEGRATIONS_RETENTION_DAYS", 90, int, "Age at which finished rows are deleted."
    )
    webhook_body_days = Setting(
        "INTEGRATIONS_WEBHOOK_BODY_DAYS",
        30,
        int,
        "Age at which bodies of webhooks go, and what an endpoint held that is off is given up.",
    )
    webhook_attempt_days = Setting(
        "INTEGRATIONS_WEBHOOK_ATTEMPT_DAYS", 90, int, "Age at which attempts of webhooks go."
    )
    webhook_delivery_days = Setting(
        "INTEGRATIONS_WEBHOOK_DELIVERY_DAYS",
        90,
        int,
        "Age at which finished deliveries of webhooks go, and messages without any.",
    )
    webhook_replays_per_hour = Setting(
        "INTEGRATIONS_WEBHOOK_REPLAYS_PER_HOUR",
        20,
        int,
        "Replays of many deliveries that a business may start in an hour.",
    )
    pull_seconds = Setting(
        "INTEGRATIONS_PULL_SECONDS",
        600.0,
        float,
        "Between two fetches of an account's transactions, where the account is pulled.",
    )
    rate_limits = Setting(
        "INTEGRATIONS_RATE_LIMITS",
        dict[str, tuple[float, float]](),
        _rates,
        "Calls per second and burst by provider; as text JSON such as {'mpesa': [10, 20]}.",
    )
    mpesa_shorten_description = Setting(
        "INTEGRATIONS_MPESA_SHORTEN_DESCRIPTION",
        False,
        _switch,
        "Cut payment descriptions to M-Pesa's length instead of refusing longer ones.",
    )
    payment_matcher = Setting(
        "INTEGRATIONS_PAYMENT_MATCHER",
        "",
        _text,
        "Dotted path to the host's `(payment, candidates) -> expectation id or None`.",
    )
    c2b_validator = Setting(
        "INTEGRATIONS_C2B_VALIDATOR",
        "",
        _text,
        "Dotted path to the host's `(question) -> True, a rejection code or None`.",
    )
    c2b_validator_seconds = Setting(
        "INTEGRATIONS_C2B_VALIDATOR_SECONDS",
        3.0,
        float,
        "How long that function may take; M-Pesa waits eight seconds for the whole answer.",
    )
    redis_url = Setting(
        "REDIS_URL", "", _text, "Where processes share what they know, if anywhere."
    )
    redis_prefix = Setting(
        "INTEGRATIONS_REDIS_PREFIX", "bengoerp", _text, "Begins every key in Redis."
    )
    celery_broker_url = Setting(
        "CELERY_BROKER_URL", "", _text, "Where due work is announced, if anywhere."
    )
    public_base_url = Setting(
        "PUBLIC_BASE_URL", "", _address, "The public address below which providers call back."
    )
    outbound_allowed_hosts = Setting(
        "OUTBOUND_ALLOWED_HOSTS", list[str](), _list, "host:port entries exempt from the rules."
    )
    outbound_proxy = Setting("OUTBOUND_PROXY", "", _text, "A proxy for calls to providers.")
    webhook_ca_bundle = Setting(
        "INTEGRATIONS_WEBHOOK_CA_BUNDLE",
        "",
        _text,
        "PEM file of the authorities that webhook receivers are verified with; empty: certifi's.",
    )
    outbound_correlation = Setting(
        "INTEGRATIONS_OUTBOUND_CORRELATION",
        True,
        _switch,
        "Send the correlation id to providers, as X-Correlation-ID.",
    )
    metrics_token = Setting(
        "METRICS_TOKEN", "", _text, "The Bearer token by which Prometheus reads the metrics."
    )
    metrics_allowed_networks = Setting(
        "METRICS_ALLOWED_NETWORKS",
        list[str](),
        _list,
        "Addresses or networks that read the metrics without a token.",
    )
    metrics_port = Setting(
        "METRICS_PORT", 0, int, "Where workers serve their metrics; 0: they do not."
    )
    metrics_address = Setting(
        "METRICS_ADDRESS", "127.0.0.1", _text, "The address that workers serve metrics on."
    )
    trusted_proxies = Setting(
        "TRUSTED_PROXIES", list[str](), _list, "Own proxies, believed about X-Forwarded-For."
    )
    cypher_key = Setting("CYPHER_KEY", "", _text, "Fernet keys; the first one encrypts.")
    docs_url = Setting(
        "INTEGRATIONS_DOCS_URL", "", _address, "Where this documentation is published, if anywhere."
    )

    @property
    def cypher_dev_key_file(self) -> Path | None:
        """Where DEBUG keeps its generated key: CYPHER_DEV_KEY_FILE of the project's settings.

        By default `.dev/cypher_key` below its BASE_DIR; None without one.
        """
        path = getattr(settings, "CYPHER_DEV_KEY_FILE", UNDEFINED)
        if path is not UNDEFINED:
            return Path(path) if path else None
        base = getattr(settings, "BASE_DIR", None)
        return Path(base) / ".dev" / "cypher_key" if base else None


def declared() -> list[Setting[Any]]:
    """Every setting of `HubSettings` that the environment may set."""
    return [item for item in vars(HubSettings).values() if isinstance(item, Setting)]


hub_settings = HubSettings()
