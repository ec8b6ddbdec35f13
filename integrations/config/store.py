"""The first tier: snapshots in this process, trusted while the stamp stays the same."""

from __future__ import annotations

import time
from dataclasses import dataclass

from integrations import registry
from integrations.config.defaults import default_config
from integrations.config.environment import environment_row
from integrations.config.freshness import freshness
from integrations.config.rows import describe_row, find_row, row_snapshot
from integrations.config.snapshot import Snapshot
from integrations.exceptions import ConfigurationError, InvalidInput
from integrations.models import Environment

# Whatever went wrong with the stamp, nothing in memory is older than this many seconds.
FULL_RELOAD = 60.0


@dataclass(frozen=True, slots=True)
class _Entry:
    snapshot: Snapshot
    stamp: str
    until: float


_entries: dict[tuple[str, str], _Entry] = {}


def get_snapshot(slug: str, business: str = "") -> Snapshot:
    """The configuration of an integration for a business ("" is the installation).

    Raises ConfigurationError for an unknown integration, and for a business without settings
    where the integration is strict; ConfigurationUnavailable when the settings can't be read.
    Never answers with defaults because a read failed.
    """
    if type(business) is not str:
        raise bad_business()
    stamp = freshness.current()
    if stamp is None:
        return _load(slug, business, None)
    entry = _entries.get((slug, business))
    if entry is not None and entry.stamp == stamp and time.monotonic() < entry.until:
        return entry.snapshot
    # An entry that has only grown old is reread from the database, not from the shared tier.
    grown_old = entry is not None and entry.stamp == stamp
    snapshot = _load(slug, business, None if grown_old else stamp)
    _entries[slug, business] = _Entry(snapshot, stamp, time.monotonic() + FULL_RELOAD)
    return snapshot


def bad_business() -> InvalidInput:
    """What a business that is no key of the host ERP is refused with."""
    return InvalidInput(
        "business", "must be text of at most 64 printable characters.", code="unknown_business"
    )


def clear_cache() -> None:
    """Forget everything this process remembers; the next read asks the database."""
    _entries.clear()
    freshness.expire()


def _load(slug: str, business: str, stamp: str | None) -> Snapshot:
    if len(business) > 64 or not business.isprintable():
        raise bad_business()
    integration = registry.get_integration(slug)
    found = find_row(slug, business, stamp)
    if "values" in found:
        return row_snapshot(slug, business, found, source="row")
    row = environment_row(slug)
    if row is not None and (row.shared or not business):
        return row_snapshot(slug, business, describe_row(row), source="environment")
    if business and integration.strict:
        raise ConfigurationError(
            f"Business {business[:64]!r} has no {integration.label} settings, "
            "and the installation's are not shared with it.",
            code="unknown_business",
        )
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
