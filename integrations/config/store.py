"""The first tier: snapshots in this process, trusted while the stamp stays the same."""

from __future__ import annotations

import time
from dataclasses import dataclass

from integrations import metrics, registry
from integrations.config.defaults import default_config
from integrations.config.environment import environment_row
from integrations.config.freshness import freshness
from integrations.config.memo import FULL_RELOAD, clear_memos
from integrations.config.rows import describe_row, find_row, row_snapshot
from integrations.config.snapshot import Snapshot
from integrations.exceptions import ConfigurationError, InvalidInput
from integrations.models import Environment, SettingsModel


@dataclass(frozen=True, slots=True)
class _Entry:
    snapshot: Snapshot
    stamp: str
    until: float


# By slug and business; by account too, where one was named.
_entries: dict[tuple[str, ...], _Entry] = {}


def get_snapshot(slug: str, business: str = "", account: str = "") -> Snapshot:
    """The configuration of an integration for a business ("" is the installation).

    `account` names one of several rows, for M-Pesa by its short code; "" is the main one.

    Raises ConfigurationError for an unknown integration, for a business without settings where
    the integration is strict ("unknown_business"), for an account that neither the business has
    nor the installation shares ("unknown_account"), and for a business none of whose rows is the
    main one ("no_main_account"); ConfigurationUnavailable when the settings can't be read. Never
    answers with defaults because a read failed.
    """
    if type(business) is not str:
        raise bad_business()
    key: tuple[str, ...] = (slug, business)
    if account:
        key = (slug, business, _checked(slug, account))
    stamp = freshness.current()
    if stamp is None:
        metrics.config_reads.add("process", "miss")
        return _load(slug, business, account, None)
    entry = _entries.get(key)
    if entry is not None and entry.stamp == stamp and time.monotonic() < entry.until:
        metrics.config_hits.add()
        return entry.snapshot
    metrics.config_reads.add("process", "miss" if entry is None else "stale")
    # An entry that has only grown old is reread from the database, not from the shared tier.
    grown_old = entry is not None and entry.stamp == stamp
    snapshot = _load(slug, business, account, None if grown_old else stamp)
    _entries[key] = _Entry(snapshot, stamp, time.monotonic() + FULL_RELOAD)
    return snapshot


def bad_business() -> InvalidInput:
    """What a business that is no key of the host ERP is refused with."""
    return InvalidInput(
        "business", "must be text of at most 64 printable characters.", code="unknown_business"
    )


def clear_cache() -> None:
    """Forget everything this process remembers; the next read asks the database."""
    _entries.clear()
    clear_memos()
    freshness.expire()


def _checked(slug: str, account: object) -> str:
    """An account as text that could be one; raises InvalidInput."""
    if type(account) is not str or len(account) > 100 or not account.isprintable():
        name = registry.settings_model(slug).account_field or "account"
        raise InvalidInput(
            name, "must be text of at most 100 printable characters.", code="unknown_account"
        )
    return account


def _load(slug: str, business: str, account: str, stamp: str | None) -> Snapshot:
    if len(business) > 64 or not business.isprintable():
        raise bad_business()
    integration = registry.get_integration(slug)
    if account and not registry.settings_model(slug).account_field:
        raise unknown_account(slug, business, account)
    found = find_row(slug, business, stamp, account)
    if "values" in found:
        return row_snapshot(slug, business, found, source="row")
    if "no_main" in found:
        raise ConfigurationError(
            f"Business {business!r} has {integration.label} accounts, and none of them is the "
            "main one: name one, or make one the main account.",
            code="no_main_account",
        )
    row = environment_row(slug)
    if row is not None and (row.shared or not business) and _is_named(row, account):
        return row_snapshot(slug, business, describe_row(row), source="environment")
    if account:
        raise unknown_account(slug, business, account)
    if business and integration.strict:
        raise ConfigurationError(
            f"Business {business[:64]!r} has no {integration.label} settings, "
            "and the installation's are not shared with it.",
            code="unknown_business",
        )
    return _defaults(integration, business)


def _is_named(row: SettingsModel, account: str) -> bool:
    return not account or getattr(row, row.account_field) == account


def unknown_account(slug: str, business: str, account: str) -> ConfigurationError:
    """What an account is refused with that a business can't use."""
    model = registry.settings_model(slug)
    what = model.account_name() if model.account_field else "account"
    owner = f"Business {business!r}" if business else "The installation"
    return ConfigurationError(
        f"{owner} has no {registry.get_integration(slug).label} settings for the {what} "
        f"{account!r}.",
        code="unknown_account",
    )


def _defaults(integration: registry.Integration, business: str) -> Snapshot:
    slug = integration.slug
    values = default_config(slug)
    secrets = registry.settings_model(slug).secret_fields()
    return Snapshot(
        slug=slug,
        label=integration.label,
        business=business,
        source="default",
        configured=False,
        active=False,
        environment=Environment.SANDBOX.value,
        hosts=frozenset(),
        values={name: value for name, value in values.items() if name not in secrets},
        tokens=dict.fromkeys(secrets, ""),
    )
