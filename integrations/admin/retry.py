"""Bringing back work that was given up: for people, after its cause was mended."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from integrations import work
from integrations.admin.read_only import ReadOnlyAdmin
from integrations.models import AuditEntry


class RetryDeadAdmin(ReadOnlyAdmin):
    """A read-only page whose dead rows may be put back into their queue."""

    actions: tuple[str, ...] = ("retry_dead",)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """A permission of its own: a retry may settle a payment or call a listener again."""
        return request.user.has_perm("integrations.retry_work")

    @admin.action(description="Try the dead ones again", permissions=["retry"])
    def retry_dead(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Make the chosen dead rows due now; the others stay as they are.

        Audited, in each business by itself: none reads of another's rows.
        """
        # None: of nobody, which is told to those who see the installation.
        found = set(queryset.order_by().values_list("business", flat=True))
        count = 0
        with transaction.atomic():
            for business in sorted(found, key=str):
                retried = work.retry_dead(queryset.filter(business=business))
                count += retried
                if retried:
                    AuditEntry.objects.record(
                        "work.retried",
                        business=business or "",
                        detail=f"{retried} dead rows of {self.model._meta.label}",
                    )
        level = messages.SUCCESS if count else messages.WARNING
        self.message_user(request, f"{count} dead rows are tried again.", level)
