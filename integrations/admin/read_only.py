"""Base of the pages that only show."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from integrations.admin.badges import BADGE_CSS, environment_badge

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin


class ReadOnlyAdmin(_ModelAdmin):
    """Rows that people read and the product writes: no add, change, delete, no actions."""

    actions: Any = None
    # Counting a big table twice for every page is not worth the number.
    show_full_result_count = False
    list_per_page = 50
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

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Django's, or the one row of a public id: databases spell it differently."""
        with suppress(ValueError):
            if self.id_field:
                return queryset.filter(**{self.id_field: UUID(search_term.strip())}), False
        return super().get_search_results(request, queryset, search_term)

    @admin.display(description="environment", ordering="environment")
    def environment_shown(self, obj: Any) -> SafeString:
        """The environment as a badge."""
        return environment_badge(obj.environment).render()
