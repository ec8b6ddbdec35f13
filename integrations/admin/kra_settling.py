"""The page on which a person tells what became of something that KRA may or may not have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from integrations.admin.kra_form_page import form_page
from integrations.admin.kra_settle_form import OutcomeForm
from integrations.admin.read_only import ReadOnlyAdmin
from integrations.exceptions import IntegrationError

NOTHING = "There is nothing to settle: what became of it is known."


class SettleAdmin(ReadOnlyAdmin):
    """Adds the button and the page, for those with the model's own permission to settle."""

    settle_done: ClassVar[str] = "It is settled."

    def get_urls(self) -> list[URLPattern]:
        """The page before Django's own."""
        view = self.admin_site.admin_view(self.settle_view)
        return [path("<int:pk>/settle/", view, name=self._settle_name), *super().get_urls()]

    @property
    def _settle_name(self) -> str:
        return f"integrations_{self.opts.model_name}_settle"

    def has_settle_permission(self, request: HttpRequest) -> bool:
        """Whoever may see the rows and tell what became of one."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm(f"integrations.settle_{self.opts.model_name}")

    def is_open(self, row: Any) -> bool:
        """Whether there is something to tell."""
        raise NotImplementedError

    def settle_form(self, row: Any, data: Any) -> OutcomeForm:
        """The form, bound to `data` unless that is None."""
        raise NotImplementedError

    def settle_title(self, row: Any) -> str:
        """The page's heading."""
        return f"What became of this {self.opts.verbose_name}"

    def settle_lines(self, row: Any) -> Sequence[str]:
        """What is to be known before it is told."""
        return ()

    def settle_row(self, row: Any, form: Any, by: Any) -> None:
        """Take the person's word; raises IntegrationError."""
        raise NotImplementedError

    def settle_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Tell what became of it; raises PermissionDenied, and Http404 for others' rows."""
        if not self.has_settle_permission(request):
            raise PermissionDenied
        row: Any = self.get_queryset(request).filter(pk=pk).first()
        if row is None:
            raise Http404("There is no such row.")
        back = reverse(f"admin:integrations_{self.opts.model_name}_change", args=[pk])
        if not self.is_open(row):
            messages.warning(request, NOTHING)
            return HttpResponseRedirect(back)
        form = self.settle_form(row, request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid():
            try:
                self.settle_row(row, form, request.user)
            except IntegrationError as error:
                form.explain(error)
            else:
                messages.success(request, self.settle_done)
                return HttpResponseRedirect(back)
        return form_page(
            self, request, form, title=self.settle_title(row), button="Settle it", back=back,
            lines=self.settle_lines(row),
        )  # fmt: skip

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False,
        change: bool = False, form_url: str = "", obj: Any = None,
    ) -> HttpResponse:  # fmt: skip
        """With the button for those who may, where there is something to tell."""
        is_open = obj is not None and self.is_open(obj)
        context["may_settle"] = is_open and self.has_settle_permission(request)
        context["settle_url"] = f"admin:{self._settle_name}"
        return super().render_change_form(request, context, add, change, form_url, obj)
