"""Tables of the floors, made with the run's database."""

from __future__ import annotations

from django.db import models

from integrations.work import LeasedWork


class BareInbox(models.Model):
    """What a hand-written callback view stores: the body, and when it came."""

    body = models.TextField()
    received_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return str(self.received_at)


class ShortBacklog(LeasedWork):
    """A queue with few due rows."""

    payload = models.JSONField(default=dict)

    class Meta(LeasedWork.Meta):
        pass


class LongBacklog(LeasedWork):
    """The same queue with many."""

    payload = models.JSONField(default=dict)

    class Meta(LeasedWork.Meta):
        pass
