"""The "Check this configuration" button of a settings page, and the page with what was found."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from integrations.admin.badges import Badge
from integrations.admin.history import TrailHistoryAdmin
from integrations.admin.secret_form import spelled
from integrations.exceptions import IntegrationError
from integrations.health import preflight
from integrations.health.preflight import Finding, Level
from integrations.models import SettingsModel

TEMPLATE = "admin/integrations/configuration_check.html"
# The answer about the initiator comes later, by callback; people wait for a page no longer.
WAIT_SECONDS = 8.0
_BADGES = {
    Level.OK: Badge("OK", "good"),
    Level.WARNING: Badge("Warning", "warn"),
    Level.ERROR: Badge("Error", "bad"),
}
_WORST_FIRST = (Level.ERROR, Level.WARNING, Level.OK)


class ConfigurationCheckAdmin(TrailHistoryAdmin):
    """Adds the check of a saved row, where its integration has one."""

    def get_urls(self) -> list[URLPattern]:
        """The check's URL before Django's own."""
        view = self.admin_site.admin_view(self.configuration_check_view)
        return [path("<int:pk>/change/check/", view, name=self._check_name()), *super().get_urls()]

    def _check_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_check"

    def check_url(self, row: SettingsModel) -> str:
        """Where the button posts to; "" for integrations without checks."""
        if not preflight.can_check(row.info.slug):
            return ""
        return reverse(f"{self.admin_site.name}:{self._check_name()}", args=[row.pk])

    def configuration_check_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Check the saved row. Raises PermissionDenied for whoever may not change it, Http404."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = self.get_object(request, str(pk))
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        if row is None or not preflight.can_check(row.info.slug):
            raise Http404("There are no such settings.")
        return TemplateResponse(request, TEMPLATE, self._context(request, row))

    def _context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        try:
            found = preflight.check_row_settings(row, wait_seconds=WAIT_SECONDS)
        except IntegrationError as error:
            found = [Finding(Level.ERROR, "settings", error.message)]
        lines = sorted(found, key=lambda each: _WORST_FIRST.index(each.level))
        site = self.admin_site.name
        model = f"{self.opts.app_label}_{self.opts.model_name}"
        return {
            **self.admin_site.each_context(request),
            "title": f"Check of {row}",
            "opts": self.opts,
            "summary": preflight.summary(found),
            "lines": [(_BADGES[each.level], self._label(each.field), each) for each in lines],
            "back_url": reverse(f"{site}:{model}_change", args=[row.pk]),
            "check_url": self.check_url(row),
            "media": self.media,
        }

    def _label(self, name: str) -> str:
        return name if name.isupper() else spelled(name.replace("_", " ").capitalize())
