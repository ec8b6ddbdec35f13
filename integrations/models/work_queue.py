"""The queues and the work list as something that people may have permissions for."""

from __future__ import annotations

from integrations.models.periodic import PeriodicLease


class WorkQueue(PeriodicLease):
    """No rows of its own: it gives the admin's page of queues its place and its permissions."""

    class Meta:
        proxy = True
        verbose_name = "work queue"
        verbose_name_plural = "work queues"
        default_permissions = ("view",)
        permissions = [("retry_work", "Can try dead work again")]


class WorkList(PeriodicLease):
    """No rows of its own: it gives the page of what waits for people its place and permissions."""

    class Meta:
        proxy = True
        verbose_name = "work list"
        verbose_name_plural = "work list"
        default_permissions = ("view",)
        permissions = [("export_worklist", "Can export the work list")]
