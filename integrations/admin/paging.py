"""Lists that never count a whole table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList as _ChangeList

    _Paginator = Paginator[Any]
else:
    from unfold.views import ChangeList as _ChangeList

    _Paginator = Paginator

# Rows that a list counts and pages through; beyond them, a filter is the quicker way.
WINDOW = 5000


class WindowPaginator(_Paginator):
    """Exact up to WINDOW rows, "more than" beyond; a page past the end is the last one."""

    template_name = "admin/integrations/window_pagination.html"

    @cached_property
    def _counted(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[: WINDOW + 1].count())

    @property
    def is_more(self) -> bool:
        """Whether there are rows beyond the window."""
        return self._counted > WINDOW

    @cached_property
    def count(self) -> int:
        """Rows that can be paged through."""
        return min(self._counted, WINDOW)

    def validate_number(self, number: Any) -> int:
        """The nearest page that there is: a filter may have left fewer since the link was made."""
        return min(max(int(number), 1), self.num_pages)


class WindowChangeList(_ChangeList):
    """Says how many rows there are once, below the list, where "more than" is said too."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Django's, without the large columns that the list does not show."""
        rows = super().get_queryset(request, exclude_parameters)
        return rows.defer(*getattr(self.model_admin, "list_left_out", ()))

    def get_results(self, request: HttpRequest) -> None:
        """Django's. The theme's heading tells the count where the two counts differ."""
        super().get_results(request)
        self.full_result_count = self.result_count
