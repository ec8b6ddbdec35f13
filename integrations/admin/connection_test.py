"""The "Test connection" button of a settings page: a POST with a CSRF token, at its own URL.

The page's script asks in the background, so that typed secrets stay in the browser. Without
scripts the page is rendered again with the result; secrets then have to be typed again.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin import helpers
from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from unfold.forms import AdminForm

from integrations.admin.badges import settings_badge
from integrations.admin.history import TrailHistoryAdmin
from integrations.admin.settings_form import SettingsForm
from integrations.admin.trial import try_saved, try_typed
from integrations.health import CheckResult
from integrations.models import SettingsModel

NOT_TESTED = "Not tested: correct the marked fields first."
RETYPE = (
    "This was not saved. Type the secrets again before you save: they are not kept on the page."
)


class ConnectionTestAdmin(TrailHistoryAdmin):
    """Adds the test URL of a saved row and of a new one."""

    def get_urls(self) -> list[URLPattern]:
        """The test URLs before Django's own."""
        view = self.admin_site.admin_view(self.connection_test_view)
        name = self.test_url_name()
        return [
            path("add/test/", view, name=f"{name}_new"),
            path("<int:pk>/change/test/", view, name=name),
            *super().get_urls(),
        ]

    def test_url_name(self) -> str:
        """The URL name of the test of a saved row, without the admin's namespace."""
        return f"{self.opts.app_label}_{self.opts.model_name}_test"

    def connection_test_view(self, request: HttpRequest, pk: int | None = None) -> HttpResponse:
        """Test what the posted form holds: the saved row where nothing was typed.

        Raises PermissionDenied for whoever may not change (or, without `pk`, add) settings, and
        Http404 for a row that is gone.
        """
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = None if pk is None else self.get_object(request, str(pk))
        may = self.has_add_permission(request) if pk is None else (
            self.has_change_permission(request, row))  # fmt: skip
        if not may:
            raise PermissionDenied
        if pk is not None and row is None:
            raise Http404("There are no such settings.")
        form = self._posted_form(request, row)
        if row is not None and not form.has_changed():
            [result] = try_saved([row])
            return self._answer_saved(request, row, result)
        # A second reading of the row: validation has changed the first one.
        before = None if row is None else type(row)._default_manager.get(pk=row.pk)
        if not form.is_valid():
            return self._answer_typed(request, form, before, None)
        result = try_typed(form.instance, before, changed=form.typed_names())
        return self._answer_typed(request, form, before, result)

    def _posted_form(self, request: HttpRequest, row: SettingsModel | None) -> SettingsForm:
        names = flatten_fieldsets(self.get_fieldsets(request, row))
        form_class: Any = self.get_form(request, row, change=row is not None, fields=names)
        form: SettingsForm = form_class(request.POST, instance=row)
        return form

    def _answer_saved(
        self, request: HttpRequest, row: SettingsModel, result: CheckResult
    ) -> HttpResponse:
        row.refresh_from_db()
        if wants_json(request):
            badge = settings_badge(row)
            return JsonResponse({**_describe(result), "saved": True, "badge": badge._asdict()})
        messages.add_message(request, _level(result), _words(result))
        return redirect(self._change_url(row))

    def _answer_typed(
        self, request: HttpRequest, form: SettingsForm, before: SettingsModel | None,
        result: CheckResult | None,
    ) -> HttpResponse:  # fmt: skip
        if wants_json(request):
            found = result or CheckResult(False, NOT_TESTED)
            return JsonResponse({**_describe(found), "saved": False, "errors": _errors_of(form)})
        if result is not None:
            messages.add_message(request, _level(result), f"{_words(result)} {RETYPE}")
        return self._render_again(request, form, before)

    def _render_again(
        self, request: HttpRequest, form: SettingsForm, before: SettingsModel | None
    ) -> HttpResponse:
        """The change or add page with what was typed, secrets excepted."""
        fieldsets: Any = self.get_fieldsets(request, before)
        page: Any = AdminForm(
            form, fieldsets, {}, self.get_readonly_fields(request, before), model_admin=self
        )
        is_new = before is None
        context = {
            **self.admin_site.each_context(request),
            "title": f"{'Add' if is_new else 'Change'} {self.opts.verbose_name}",
            "subtitle": None if is_new else str(before),
            "adminform": page,
            "object_id": None if before is None else str(before.pk),
            "original": before,
            "is_popup": False,
            "to_field": None,
            "media": self.media + page.media,
            "inline_admin_formsets": [],
            "errors": helpers.AdminErrorList(form, []),
            "preserved_filters": self.get_preserved_filters(request),
        }
        return self.render_change_form(
            request, context, add=is_new, change=not is_new, obj=before,
            form_url=self._add_url() if before is None else self._change_url(before),
        )  # fmt: skip

    def test_url(self, row: SettingsModel | None) -> str:
        """Where the button posts to."""
        name = f"{self.admin_site.name}:{self.test_url_name()}"
        return reverse(f"{name}_new") if row is None else reverse(name, args=[row.pk])

    def _change_url(self, row: SettingsModel) -> str:
        return reverse(self._name("change"), args=[row.pk])

    def _add_url(self) -> str:
        return reverse(self._name("add"))

    def _name(self, page: str) -> str:
        return f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{page}"


def wants_json(request: HttpRequest) -> bool:
    """Whether the page's script asks, not a browser without scripts."""
    return request.headers.get("Accept", "").startswith("application/json")


def _describe(result: CheckResult) -> dict[str, Any]:
    return {
        "ok": result.ok,
        "message": result.message,
        "milliseconds": result.milliseconds,
        "help": result.help_url,
    }


def _errors_of(form: SettingsForm) -> list[str]:
    """Each error with its field's label, in the order of the page."""
    return [
        f"{form.fields[name].label}: {error}" if name in form.fields else str(error)
        for name, errors in form.errors.items()
        for error in errors
    ]


def _level(result: CheckResult) -> int:
    return messages.SUCCESS if result.ok else messages.ERROR


def _words(result: CheckResult) -> str:
    more = f" See {result.help_url}" if result.help_url else ""
    return f"{result.message} ({result.milliseconds} ms){more}"
