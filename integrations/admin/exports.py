"""A list that may be taken out as a file: the rows that its filters show, audited."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import IGNORED_PARAMS, PAGE_VAR, SEARCH_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import (
    HttpRequest,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from integrations.access import Scope, request_scope
from integrations.admin.csv_export import csv_response
from integrations.admin.read_only import ReadOnlyAdmin
from integrations.models import AuditEntry

MAX_EXPORTED = 100_000


class ExportAdmin(ReadOnlyAdmin):
    """Adds the export of the filtered list, for those with the model's export permission.

    Its template posts to `admin:integrations_<model>_export` with the list's own query string.
    """

    # The columns, those of them that are worked out, and what the rows are called: in the file's
    # name, the trail and in words.
    exported: ClassVar[tuple[str, ...]] = ()
    computed: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    export_name = "rows"

    def get_urls(self) -> list[URLPattern]:
        """The export before Django's own."""
        view = self.admin_site.admin_view(self.export_view)
        name = f"integrations_{self.opts.model_name}_export"
        return [path("export/", view, name=name), *super().get_urls()]

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Whoever may see the rows and take them out."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm(f"integrations.export_{self.opts.model_name}")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """With the export button for those who may."""
        extra = {**(extra_context or {}), "may_export": self.has_export_permission(request)}
        return super().changelist_view(request, extra)

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """The filtered list as a file; the query string is the list's own."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_export_permission(request):
            raise PermissionDenied
        back = reverse(f"admin:integrations_{self.opts.model_name}_changelist")
        query = request.META.get("QUERY_STRING", "")
        try:
            changelist = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            messages.error(request, "This filter can't be read; nothing was exported.")
            return HttpResponseRedirect(back)
        rows = changelist.queryset
        count = rows.order_by()[: MAX_EXPORTED + 1].count()
        if count > MAX_EXPORTED:
            messages.error(
                request,
                f"These are more than {MAX_EXPORTED:,} {self.export_name}, the most that one file "
                "may hold. Narrow the list, by its dates for instance.",
            )
            return HttpResponseRedirect(f"{back}?{query}" if query else back)
        self._record(rows, request_scope(request), _filters_used(request, changelist))
        return csv_response(
            f"{self.export_name.replace(' ', '-')}-{timezone.localtime():%Y%m%d-%H%M%S}.csv",
            self.exported,
            rows.annotate(**self.computed)
            .values_list(*self.exported)[:count]
            .iterator(chunk_size=2000),
        )

    def _record(self, rows: QuerySet[Any], scope: Scope, filters: str) -> None:
        """Tell the trail who took rows out: in each business how many of its own.

        Who sees every business is told of once, under the installation.
        """
        if scope.is_all:
            counts = {"": rows.order_by().count()}
        else:
            found = rows.order_by().values_list(self.business_field).annotate(Count("pk"))
            # Somebody who found nothing has looked all the same.
            counts = dict(found) or dict.fromkeys(sorted(scope.businesses), 0)
        action = f"{self.export_name.replace(' ', '_')}.exported"
        for business, count in counts.items():
            AuditEntry.objects.record(action, business=business, detail=f"{count} rows. {filters}")


def _filters_used(request: HttpRequest, changelist: Any) -> str:
    """The filters in words. Of a search only that there was one: it may be a payer's phone."""
    known = {name for spec in changelist.filter_specs for name in spec.expected_parameters()}
    used = []
    for name, values in request.GET.lists():
        if name == SEARCH_VAR and any(values):
            used.append("search")
        elif name in known and any(values):
            used.append(f"{name}={','.join(values)}".replace("\x00", ""))
        elif name not in (PAGE_VAR, *IGNORED_PARAMS):
            used.append(name.replace("\x00", ""))
    return f"Filters: {'; '.join(used)}" if used else "No filter."
