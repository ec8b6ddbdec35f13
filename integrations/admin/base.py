"""The base of every admin page: the theme, and the businesses that its user may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.http import HttpRequest

from integrations.access import Scope, request_scope

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    # The theme has no types of its own; its class derives from Django's.
    _ModelAdmin = ModelAdmin[Any]
else:
    from unfold.admin import ModelAdmin as _ModelAdmin


class HubAdmin(_ModelAdmin):
    """Narrows lists, pages and actions to the user's businesses; others' rows don't exist here."""

    # The path to a row's business key. A page whose rows belong to no business overrides
    # `narrow_rows` and says who sees them.
    business_field = "business"

    def narrow_rows(self, rows: QuerySet[Any], scope: Scope) -> QuerySet[Any]:
        """The rows of these businesses."""
        return scope.narrow(rows, self.business_field)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Django's, narrowed: every page, action and search of the admin starts from it."""
        return self.narrow_rows(super().get_queryset(request), request_scope(request))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Django's, for a query without the one character that PostgreSQL has no text for."""
        if "%00" in request.META.get("QUERY_STRING", ""):
            query = request.GET.copy()
            for name, values in list(query.lists()):
                query.setlist(name, [value.replace("\x00", "") for value in values])
            request.GET = query  # type: ignore[assignment]
        return super().get_changelist_instance(request)
