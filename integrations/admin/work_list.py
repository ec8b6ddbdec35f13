"""The one page of everything in payments that waits for a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils import timezone

from integrations.access import request_scope
from integrations.admin.csv_export import csv_response
from integrations.admin.figures import BOUND, bounded
from integrations.admin.read_only import ReadOnlyAdmin
from integrations.models import AuditEntry, WorkList
from integrations.payments import work_list
from integrations.payments.work_list import Line, Source

PAGE = "admin:integrations_worklist_changelist"
SHOWN = 25
COLUMNS = ("kind", "since", "business", "amount", "currency", "reference", "reason", "id")


@dataclass(frozen=True)
class Section:
    """One source as its reader sees it; `more_url` leads to older lines, "" for none."""

    name: str
    title: str
    count: str
    url: str
    lines: list[tuple[Line, str]]
    more_url: str


@admin.register(WorkList)
class WorkListAdmin(ReadOnlyAdmin):
    """Every source that the reader may see, each narrowed to the reader's businesses."""

    def get_urls(self) -> list[URLPattern]:
        """The page and its file; there are no rows of its own to open."""
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self.page_view), name="integrations_worklist_changelist"),
            path("export/", wrap(self.export_view), name="integrations_worklist_export"),
        ]

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Whoever may see the page and take it out."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm("integrations.export_worklist")

    def page_view(self, request: HttpRequest) -> HttpResponseBase:
        """Every source, or older lines of one; raises PermissionDenied."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        only, before = request.GET.get("source", ""), request.GET.get("before", "")
        found = sources_for(request)
        chosen = [source for source in found if source.name == only] or found
        context = {
            **self.admin_site.each_context(request),
            "title": "Work list",
            "sections": [_section(request, source, before) for source in chosen],
            "is_narrowed": len(chosen) < len(found),
            "all_url": reverse(PAGE),
            "may_export": self.has_export_permission(request),
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/integrations/work_list.html", context)

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Everything as one file, audited; raises PermissionDenied."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_export_permission(request):
            raise PermissionDenied
        scope = request_scope(request)
        for business in [""] if scope.is_all else sorted(scope.businesses):
            AuditEntry.objects.record("work_list.exported", business=business)
        name = f"work-list-{timezone.localtime():%Y%m%d-%H%M%S}.csv"
        return csv_response(name, COLUMNS, _rows(request, sources_for(request)))


def sources_for(request: HttpRequest) -> list[Source]:
    """Those whose rows the reader may see in their own list."""
    return [
        source
        for source in work_list.sources()
        if request.user.has_perm(
            f"{source.model._meta.app_label}.view_{source.model._meta.model_name}"
        )
    ]


def narrowed(request: HttpRequest, source: Source) -> QuerySet[Any]:
    """The open rows of the reader's businesses."""
    return request_scope(request).narrow(source.rows(), source.business_field)


def _section(request: HttpRequest, source: Source, before: str) -> Section:
    rows = narrowed(request, source)
    count = bounded(rows.order_by()[: BOUND + 1].count())
    if before.isascii() and before.isdigit():
        rows = rows.filter(pk__lt=int(before[:18]))
    found = list(rows[: SHOWN + 1])
    more = ""
    if len(found) > SHOWN:
        query = {"source": source.name, "before": found[SHOWN - 1].pk}
        more = f"{reverse(PAGE)}?{urlencode(query)}"
    lines = [source.line(row) for row in found[:SHOWN]]
    return Section(
        name=source.name,
        title=source.title,
        count=count,
        url=_address(source, "changelist", query=source.list_query),
        lines=[(line, _address(source, "change", line.pk)) for line in lines],
        more_url=more,
    )


def _address(source: Source, page: str, *arguments: int, query: str = "") -> str:
    """A page of the source's model, "" where the admin has none."""
    opts = source.model._meta
    try:
        url = reverse(f"admin:{opts.app_label}_{opts.model_name}_{page}", args=arguments)
    except NoReverseMatch:
        return ""
    return f"{url}?{query}" if query else url


def _rows(request: HttpRequest, sources: list[Source]) -> Iterator[list[Any]]:
    for source in sources:
        for row in narrowed(request, source).iterator(chunk_size=2000):
            line = source.line(row)
            yield [
                source.title, line.since, line.business, line.amount, line.currency,
                line.reference, line.reason, line.pk,
            ]  # fmt: skip
