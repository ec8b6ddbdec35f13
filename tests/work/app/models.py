"""Concrete models of durable work, and a trace of what handlers did."""

from __future__ import annotations

from django.db import models

from integrations.work import Lane, LeasedWork, lane_index


class Job(LeasedWork):
    """Plain work."""

    note = models.CharField(max_length=200, default="")

    class Meta(LeasedWork.Meta):
        pass


class Errand(LeasedWork):
    """Plain work of another queue."""

    class Meta(LeasedWork.Meta):
        pass


class Street(Lane):
    """A lane."""


class Parcel(LeasedWork):
    """Work that is served lane by lane."""

    street = models.ForeignKey(Street, on_delete=models.CASCADE)

    class Meta(LeasedWork.Meta):
        indexes = [*LeasedWork.Meta.indexes, lane_index("street", ordered=True)]


class Trace(models.Model):
    """One line per thing that happened; ids give the order across processes."""

    what = models.CharField(max_length=50)
    row = models.BigIntegerField(null=True)
    lane = models.BigIntegerField(null=True)
    pid = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.what} {self.row}"
