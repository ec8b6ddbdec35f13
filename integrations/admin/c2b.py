"""C2B registrations: which addresses M-Pesa was given, registering new ones, retiring old ones."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from integrations.access import request_scope
from integrations.admin.badges import Badge
from integrations.admin.confirm import confirmation
from integrations.admin.exports import ExportAdmin
from integrations.admin.filters import BusinessFilter, DateFilter
from integrations.exceptions import IntegrationError
from integrations.models import (
    C2BRegistration,
    Environment,
    MpesaSettings,
    RegistrationState,
    ResponseType,
)
from integrations.payments import c2b

LIST = "admin:integrations_c2bregistration_changelist"
PAGE = "admin:integrations_c2bregistration_change"
TONES = {
    RegistrationState.REGISTERED: "good",
    RegistrationState.REFUSED: "bad",
    RegistrationState.UNKNOWN: "warn",
    RegistrationState.SENDING: "busy",
}
WHEN_AWAY = {
    ResponseType.COMPLETED: "takes the payment",
    ResponseType.CANCELLED: "refuses the payment",
}


@admin.register(C2BRegistration)
class C2BRegistrationAdmin(ExportAdmin):
    """Every registration. The addresses themselves are shown once, when they are made."""

    list_display = (
        "created_at", "short_code", "state_shown", "message", "version", "retired_at",
        "environment_shown", "business",
    )  # fmt: skip
    list_filter = ("state", "environment", DateFilter, BusinessFilter)
    search_fields = ("short_code",)
    search_help_text = "The whole short code"
    id_field = "public_id"
    export_name = "C2B registrations"
    exported = (
        "created_at", "public_id", "short_code", "state", "message", "version", "response_type",
        "base_url", "answered_at", "retired_at", "environment", "business",
    )  # fmt: skip
    list_before_template = "admin/integrations/c2b_list_tools.html"
    change_form_outer_before_template = "admin/integrations/c2b_actions.html"
    fieldsets = (
        (None, {"fields": (
            "public_id", "short_code", "state_shown", "message", "base_url", "version",
            "response_type",
        )}),
        ("Where and when", {"fields": (
            "environment_shown", "business", "created_at", "answered_at", "retired_at",
        )}),
    )  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        """The pages of registering and retiring before Django's own."""
        wrap = self.admin_site.admin_view
        name = "integrations_c2bregistration"
        return [
            path("register/<int:pk>/", wrap(self.register_view), name=f"{name}_register"),
            path("<int:pk>/retire/", wrap(self.retire_view), name=f"{name}_retire"),
            *super().get_urls(),
        ]

    def has_register_permission(self, request: HttpRequest) -> bool:
        """Whoever may see registrations and make them."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm("integrations.register_c2b")

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Whoever may register: there is nothing secret in the list."""
        return self.has_register_permission(request)

    def register_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Say what M-Pesa will do, register, and show the two addresses this once.

        `pk` is of the M-Pesa settings. Raises PermissionDenied, and Http404 for settings outside
        of the user's businesses.
        """
        if not self.has_register_permission(request):
            raise PermissionDenied
        row = request_scope(request).narrow(MpesaSettings.objects.filter(pk=pk)).first()
        if row is None:
            raise Http404("There are no such settings.")
        if request.method == "POST" and request.POST.get("confirmed"):
            return self._register(request, row)
        return confirmation(
            self, request, title=f"Register C2B addresses for {row.short_code}",
            button="Register C2B addresses", lines=_what_happens(row),
            back=reverse("admin:integrations_mpesasettings_change", args=[pk]),
            tick="Real payments of customers will be told of at these addresses."
            if row.environment == Environment.PRODUCTION else "",
        )  # fmt: skip

    def _register(self, request: HttpRequest, row: MpesaSettings) -> HttpResponseBase:
        try:
            done = c2b.register(business=row.business, short_code=row.short_code)
        except IntegrationError as error:
            messages.error(request, error.message)
            url = reverse("admin:integrations_mpesasettings_change", args=[row.pk])
            return HttpResponseRedirect(url)
        context = {
            **self.admin_site.each_context(request),
            "title": f"C2B addresses of {done.registration.short_code}",
            "registration": done.registration,
            "badge": _badge(done.registration),
            "confirmation_url": done.confirmation_url,
            "validation_url": done.validation_url,
            "back": reverse(LIST),
            "opts": self.opts,
        }
        # The admin's views are never cached: Django's `never_cache` says no-store.
        return TemplateResponse(request, "admin/integrations/c2b_registered.html", context)

    def retire_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Ask, and then answer these addresses no longer.

        Raises PermissionDenied, and Http404 for what is outside of the user's businesses.
        """
        if not self.has_register_permission(request):
            raise PermissionDenied
        found: C2BRegistration | None = self.get_queryset(request).filter(pk=pk).first()
        if found is None:
            raise Http404("There is no such registration.")
        back = reverse(PAGE, args=[pk])
        if request.method == "POST" and request.POST.get("confirmed"):
            if c2b.retire(found):
                messages.success(request, "These addresses are answered no longer.")
            return HttpResponseRedirect(back)
        return confirmation(
            self, request, title=f"Retire the addresses of {found.short_code}",
            button="Answer them no longer", back=back, is_grave=True,
            tick="M-Pesa has other addresses for this short code, or it is used no longer.",
            lines=[
                ("M-Pesa is not told of this. If it still uses these addresses, its confirmations "
                "are refused, and payments are found by reconciliation only."),
                "This can't be undone; new addresses can be registered.",
            ],
        )  # fmt: skip

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False,
        change: bool = False, form_url: str = "", obj: Any = None,
    ) -> HttpResponse:  # fmt: skip
        """With the button for those who may."""
        is_used = obj is not None and obj.retired_at is None
        context["may_retire"] = is_used and self.has_register_permission(request)
        return super().render_change_form(request, context, add, change, form_url, obj)

    @admin.display(description="state")
    def state_shown(self, row: C2BRegistration) -> SafeString:
        """The state as a badge."""
        return _badge(row).render()


def _badge(row: C2BRegistration) -> Badge:
    if row.retired_at is not None:
        return Badge("Retired", "calm")
    state = RegistrationState(row.state)
    return Badge(str(state.label), TONES[state])


def _what_happens(row: MpesaSettings) -> list[str]:
    """What M-Pesa is told, and what it does then."""
    away = WHEN_AWAY[ResponseType(row.c2b_response_type)]
    lines = [
        (
            f"M-Pesa is given two new, secret addresses for short code {row.short_code} "
            f"({row.get_environment_display()}, C2B {row.c2b_version}): one that it asks before a "
            "payment, where Safaricom has switched validation on, and one for what was paid."
        ),
        f"If the first can't be reached within eight seconds, M-Pesa {away}.",
        (
            "The addresses are shown once, on the next page. Those that were registered earlier go "
            "on being answered until you retire them."
        ),
    ]
    if row.environment == Environment.PRODUCTION:
        lines.append(
            "In production M-Pesa takes addresses once only. To change them later, have the old "
            "ones deleted on the Daraja portal or by Safaricom first."
        )
    return lines
