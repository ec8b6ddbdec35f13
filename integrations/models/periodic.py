"""The table by which processes agree about periodic jobs."""

from __future__ import annotations

from integrations.work.models import PeriodicRun


class PeriodicLease(PeriodicRun):
    """One row per periodic job: when it runs next, and who runs it now."""
