"""Base of the pages that only show."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from integrations.admin.badges import BADGE_CSS, environment_badge
from integrations.admin.history import TrailHistoryAdmin
from integrations.admin.paging import WindowChangeList, WindowPaginator


class ReadOnlyAdmin(TrailHistoryAdmin):
    """Rows that people read and the product writes: no add, change, delete, no actions.

    Its lists stay quick with millions of rows: nothing counts or sorts a whole table.
    """

    actions: Any = None
    paginator = WindowPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    # The theme takes more than a millisecond to draw a row.
    list_per_page = 25
    # Newest first by the primary key; a click on a column would sort the whole table.
    ordering = ("-pk",)
    sortable_by: ClassVar[Any] = ()
    list_filter_submit = True
    # "All" would be more rows than any action takes.
    list_disable_select_all = True
    # Large columns that the list does not show; a row's page reads them.
    list_left_out: ClassVar[tuple[str, ...]] = ()
    # The field with the row's public id, found by its whole text in any spelling.
    id_field = ""

    class Media:
        css = BADGE_CSS

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[Any]:
        """One that counts up to a bound."""
        return WindowChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Django's, or the one row of a public id."""
        with suppress(ValueError):
            if self.id_field:
                return self.by_id(queryset, search_term.strip()), False
        return super().get_search_results(request, queryset, search_term)

    def by_id(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        """The row of a public id, which databases spell differently; ValueError for no id."""
        return rows.filter(**{self.id_field: UUID(text)})

    @admin.display(description="environment", ordering="environment")
    def environment_shown(self, obj: Any) -> SafeString:
        """The environment as a badge."""
        return environment_badge(obj.environment).render()
