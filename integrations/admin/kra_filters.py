"""Filters of the tax lists, each by an index."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from integrations.access import request_scope
from integrations.admin.filters import ChoiceFilter
from integrations.models import KRABranch

# A select of more branches than these helps nobody; the business is the quicker way then.
MOST_OFFERED = 100


class BranchFilter(ChoiceFilter):
    """One control unit, of those in the reader's businesses."""

    title = "branch"
    parameter_name = "branch"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The branches, by PIN and number."""
        named = KRABranch.objects.only("tin", "bhf_id", "environment")
        rows = request_scope(request).narrow(named.order_by("tin", "bhf_id", "pk"))
        return [(str(row.pk), str(row)) for row in rows[:MOST_OFFERED]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The branch's rows."""
        value = self.value() or ""
        if value.isascii() and value.isdigit():
            return queryset.filter(branch_id=int(value[:18]))
        return queryset


class HeldFilter(ChoiceFilter):
    """Branches of which nothing is sent."""

    title = "standing"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Two choices."""
        return [("held", "Held"), ("alarm", "Alarm raised")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The branches that are held, or of which somebody was told."""
        if self.value() == "held":
            return queryset.exclude(held_reason="")
        return queryset.filter(alarmed_at__isnull=False) if self.value() == "alarm" else queryset
