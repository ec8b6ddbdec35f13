"""History pages from the audit trail: who did what when, and which fields."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.contrib.admin.utils import unquote
from django.core.exceptions import FieldDoesNotExist, PermissionDenied
from django.core.paginator import Page, Paginator
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import capfirst

from integrations.access import request_scope
from integrations.admin.base import HubAdmin
from integrations.crypto.fields import EncryptedTextField
from integrations.models import AuditEntry

PER_PAGE = 50
# What the last part of an action's name means to a reader; others are shown as they are.
WORDS = {
    "created": "Created",
    "changed": "Changed",
    "updated": "Changed",
    "deleted": "Deleted",
    "password_changed": "Password changed",
    "tested": "Connection tested",
    "tested_unsaved": "Tested without saving",
    "paused": "Paused",
    "resumed": "Resumed",
    "enabled": "Enabled",
    "disabled": "Disabled",
    "secret_rotated": "Secret replaced",
    "published": "Published",
    "delivered_again": "Delivered again",
    "started": "Started",
    "cancelled": "Cancelled",
}


class Moment(NamedTuple):
    """One line of a history."""

    entry: AuditEntry
    action: str
    fields: list[str]


class TrailHistoryAdmin(HubAdmin):
    """An admin of rows that record their own changes: the trail is their only history.

    Django's own log would tell the same a second time, and knows nothing of changes made
    elsewhere (the HTTP API, commands).
    """

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Nothing: saving has written the entry."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Nothing: saving has written the entry."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Nothing: deleting writes the entry."""

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Row by row: a bulk deletion would leave one entry for all of them."""
        with transaction.atomic():
            for row in queryset:
                row.delete()

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The row's entries in the trail, newest first; raises PermissionDenied."""
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return HttpResponseRedirect(reverse(f"{self.admin_site.name}:index"))
        if not self.has_view_or_change_permission(request, row):
            raise PermissionDenied
        page = self._page_of(request, row)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Change history: {row}",
            "subtitle": None,
            "moments": [tell(entry, self.model) for entry in page],
            "page": page,
            "module_name": str(capfirst(self.opts.verbose_name_plural)),
            "object": row,
            "opts": self.opts,
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/integrations/history.html", context)

    def _page_of(self, request: HttpRequest, row: Model) -> Page[AuditEntry]:
        entries: QuerySet[AuditEntry] = AuditEntry.objects.filter(
            object_type=row._meta.label, object_id=str(row.pk)
        )
        if hasattr(row, "business"):
            # A row that has moved between businesses shows each of them its own part.
            entries = request_scope(request).narrow(entries)
        return Paginator(entries, PER_PAGE).get_page(request.GET.get("p"))


def tell(entry: AuditEntry, model: type[Model]) -> Moment:
    """The entry in words: fields by their labels, a secret is only named."""
    action = WORDS.get(entry.action.rpartition(".")[2], entry.action)
    return Moment(entry, action, [_name_of(name, model) for name in entry.fields])


def _name_of(name: str, model: type[Model]) -> str:
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return name
    label = str(capfirst(str(getattr(field, "verbose_name", name))))
    return f"{label} (secret)" if isinstance(field, EncryptedTextField) else label
