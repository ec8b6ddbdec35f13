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
    """A read-only page whose dead rows a superuser may put back into their queue."""

    actions = ("retry_dead",)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Superusers: a retry may settle a payment or call a listener again."""
        return bool(getattr(request.user, "is_superuser", False))

    @admin.action(description="Try the dead ones again", permissions=["retry"])
    def retry_dead(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Make the chosen dead rows due now; the others stay as they are. Audited."""
        with transaction.atomic():
            count = work.retry_dead(queryset)
            AuditEntry.objects.record(
                "work.retried", detail=f"{count} dead rows of {self.model._meta.label}"
            )
        level = messages.SUCCESS if count else messages.WARNING
        self.message_user(request, f"{count} dead rows are tried again.", level)
