"""The admin of every settings model, derived from its declaration."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import Field, ForeignKey, QuerySet, URLField
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations import registry
from integrations.access import request_scope
from integrations.admin.badges import BADGE_CSS, Badge, environment_badge, settings_badge
from integrations.admin.callback_example import callback_example
from integrations.admin.configuration_check import ConfigurationCheckAdmin
from integrations.admin.connection_test import ConnectionTestAdmin
from integrations.admin.secret_form import tell_age
from integrations.admin.settings_form import SettingsForm, make_fieldsets
from integrations.admin.trial import MAX_ROWS, try_saved
from integrations.models import AccountSettings, Integrations, SettingsModel

CONFLICT = (
    "Not saved: somebody else saved settings for the same business at this moment. "
    "Look at the list and change that row instead."
)


class SettingsAdmin(ConfigurationCheckAdmin, ConnectionTestAdmin):
    """List, form and connection test of one integration's settings rows."""

    form = SettingsForm
    change_form_template = "admin/integrations/settings_change_form.html"
    list_filter = ("environment", "shared")
    search_fields = ("business",)
    actions = ["test_connections", "make_main"]
    save_on_top = False

    class Media:
        css = BADGE_CSS
        js = ("integrations/connection-test.js", "integrations/copy.js")

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Owner, badges, the account (required fields that are no secrets), the last test."""
        model: type[SettingsModel] = self.model
        account = [n for n in model.info.required if n not in model.secret_fields()]
        main = ["main_shown"] if model.account_field else []
        return ["owner", *main, "environment_shown", "status_shown", *account, "last_test"]

    def get_list_filter(self, request: HttpRequest) -> Any:
        """With the main accounts, where a business may have several."""
        shown = super().get_list_filter(request)
        return [*shown, "is_main"] if self.model.account_field else shown

    def get_search_fields(self, request: HttpRequest) -> Any:
        """The business, and the account where a business may have several."""
        field = self.model.account_field
        return [*super().get_search_fields(request), *([field] if field else [])]

    def get_actions(self, request: HttpRequest) -> Any:
        """Without the choice of a main account where there is only one."""
        actions = super().get_actions(request)
        if not self.model.account_field:
            actions.pop("make_main", None)
        return actions

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the link whose switch decides the badge."""
        rows = super().get_queryset(request)
        names = {field.name for field in self.model._meta.fields}
        return rows.select_related("integration") if "integration" in names else rows

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """A form that knows the user's businesses."""
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.scope = request_scope(request)
        return form

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """The user's business, where there is just one."""
        scope = request_scope(request)
        only = {} if scope.is_all or len(scope.businesses) != 1 else {
            "business": min(scope.businesses)}  # fmt: skip
        return {**only, **super().get_changeform_initial_data(request)}

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Derived from the model's fields."""
        return make_fieldsets(self.model, self.get_readonly_fields(request, obj))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """What is shown beside the fields of a saved row."""
        if obj is None:
            return []
        has_example = callback_example(obj) is not None
        return [*(["callback_address"] if has_example else []), "created_at", "updated_at"]

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """The link offers rows of this integration only."""
        if db_field.name == "integration":
            kwargs["queryset"] = Integrations.objects.filter(name=self.model.info.name)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_dbfield(
        self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """An address typed without a scheme is meant to be https."""
        if isinstance(db_field, URLField):
            kwargs["assume_scheme"] = "https"
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        """Django's, with a race for one business answered in words."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except IntegrityError:
            messages.error(request, CONFLICT)
            return HttpResponseRedirect(request.get_full_path())

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False,
        change: bool = False, form_url: str = "", obj: Any = None,
    ) -> HttpResponse:  # fmt: skip
        """With badges at the top and the test button at the bottom."""
        may_test = self.has_add_permission(request) if obj is None else (
            self.has_change_permission(request, obj))  # fmt: skip
        context["test_url"] = self.test_url(obj) if may_test else ""
        context["check_url"] = self.check_url(obj) if may_test and obj is not None else ""
        if obj is not None:
            # After a refused form, `obj` holds what was typed; the badges tell what is saved.
            saved = self.get_queryset(request).get(pk=obj.pk)
            context["environment_badge"] = environment_badge(saved.environment)
            context["settings_badge"] = settings_badge(saved)
            context["last_test"] = self.last_test(saved)
        return super().render_change_form(request, context, add, change, form_url, obj)

    @admin.display(description="for", ordering="business")
    def owner(self, row: SettingsModel) -> str:
        """The business, or the whole installation."""
        if row.business:
            return row.business
        return "Installation, shared" if row.shared else "Installation"

    @admin.display(description="account", ordering="-is_main")
    def main_shown(self, row: AccountSettings) -> SafeString:
        """Whether the row is used where no account is named."""
        return (Badge("Main", "good") if row.is_main else Badge("Further", "calm")).render()

    @admin.display(description="environment", ordering="environment")
    def environment_shown(self, row: SettingsModel) -> SafeString:
        """The environment as a badge."""
        return environment_badge(row.environment).render()

    @admin.display(description="status")
    def status_shown(self, row: SettingsModel) -> SafeString:
        """The status as a badge."""
        return settings_badge(row).render()

    @admin.display(description="last test", ordering="last_test_at", empty_value="never")
    def last_test(self, row: SettingsModel) -> str | None:
        """When, how long, what was found."""
        if row.last_test_at is None:
            return None
        return f"{tell_age(row.last_test_at)} ({row.last_test_ms} ms): {row.last_test_message}"

    @admin.display(description="callbacks come to")
    def callback_address(self, row: SettingsModel) -> SafeString | str:
        """The address that a payment gives the provider, its secret part left out."""
        example = callback_example(row)
        if example is None:
            return "-"
        if not example.works:
            return format_html('<span class="told-bad">{}</span>', example.text)
        return format_html(
            '<code class="callback-good" id="callback-address">{}</code> '
            '<button type="button" class="copy-button" data-copy="callback-address">'
            'Copy<span class="sr-only"> the callback address</span></button>',
            example.text,
        )

    @admin.action(description="Test connection", permissions=["change"])
    def test_connections(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Test the saved settings of the chosen rows, side by side."""
        rows = list(queryset[: MAX_ROWS + 1])
        if len(rows) > MAX_ROWS:
            messages.error(request, f"Choose at most {MAX_ROWS} rows for one test.")
            return
        for row, result in zip(rows, try_saved(rows), strict=True):
            level = messages.SUCCESS if result.ok else messages.ERROR
            told = f"{row}: {result.message} ({result.milliseconds} ms)"
            messages.add_message(request, level, told)

    @admin.action(description="Make this the main account", permissions=["change"])
    def make_main(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Use the chosen row where its business names no account."""
        rows = list(queryset[:2])
        if len(rows) != 1:
            messages.error(request, "Choose one row: a business has one main account.")
            return
        try:
            rows[0].make_main()
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        else:
            messages.success(request, f"{rows[0]} is now used where no account is named.")


def register_settings(site: admin.AdminSite = admin.site) -> None:
    """Register every declared settings model that has no admin of its own yet."""
    for item in registry.integrations():
        model = registry.settings_model(item.slug)
        if not site.is_registered(model):
            site.register(model, SettingsAdmin)
