"""The periodic job: every branch's lists once a day, a bit at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from integrations.config import Snapshot, get_snapshot
from integrations.exceptions import ConfigurationError, IntegrationError
from integrations.kra.config import branch_of, has_device
from integrations.kra.lists.feeds import FEEDS
from integrations.kra.lists.read import read_feed
from integrations.kra.outbox import holds
from integrations.models import KRABranch, KRACursor, KRASettings
from integrations.providers.kra.client.errors import BAD_CREDENTIALS

logger = logging.getLogger("integrations.kra")

EVERY = timedelta(hours=24)
# After a failure, and for a list that the transport does not have.
RETRY = timedelta(hours=2)
# One run of the job; the rest waits for the next one.
BUDGET_SECONDS = 240.0


def refresh_lists(budget_seconds: float = BUDGET_SECONDS) -> int:
    """Read the lists that were last read a day ago or more; how many were read.

    Only of settings that are complete, switched on, and have a device. A list that can't be read
    is told in the log and on its own row, and keeps none of the others back. Where nothing is due
    this is a few small queries for each branch.
    """
    end = time.monotonic() + budget_seconds
    read = 0
    for config in _configured():
        try:
            branch = branch_of(config)
        except IntegrationError:
            continue
        if branch.held_code == holds.CREDENTIALS:
            continue
        for name in _due(branch):
            if time.monotonic() >= end:
                return read
            result = read_feed(config, branch, FEEDS[name])
            read += 1
            if result.is_done or not result.is_offered:
                continue
            logger.warning("KRA list %s of %s: %s", name, branch, result.message)
            if result.code == BAD_CREDENTIALS:
                holds.hold(branch.pk, result.message, code=holds.CREDENTIALS)
                break
            # One list's path or rows may be at fault: the others are read all the same. Where
            # KRA is away, each costs its time once and waits for RETRY then.
    return read


def _configured() -> Iterator[Snapshot]:
    for row in KRASettings.objects.order_by("pk").only("business", "is_main", "branch_code"):
        try:
            config = get_snapshot("kra", row.business, "" if row.is_main else row.branch_code)
        except ConfigurationError:
            continue
        if config.configured and config.active and has_device(config):
            yield config


def _due(branch: KRABranch) -> list[str]:
    now = timezone.now()
    fresh = KRACursor.objects.filter(
        Q(synced_at__gt=now - EVERY) | Q(tried_at__gt=now - RETRY),
        environment=branch.environment,
        tin=branch.tin,
        bhf_id=branch.bhf_id,
    )
    recent = set(fresh.values_list("list_name", flat=True))
    return [name for name in FEEDS if name not in recent]
