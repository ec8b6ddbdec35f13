"""Control units: what waits at each, since when KRA was heard of, and letting a held one go on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from integrations.admin.badges import BADGE_CSS, Badge
from integrations.admin.filters import BusinessFilter
from integrations.admin.kra_filters import HeldFilter
from integrations.admin.kra_form_page import form_page
from integrations.admin.kra_words import device_badge, held_badge
from integrations.admin.money_form import TextBox
from integrations.admin.read_only import ReadOnlyAdmin
from integrations.exceptions import IntegrationError
from integrations.kra.outbox import holds
from integrations.kra.outbox.books import compare_books
from integrations.kra.outbox.line import with_line
from integrations.models import KRABranch, KRASettings, Transport

NAME = "integrations_krabranch"
PAGE = f"admin:{NAME}_change"


class ReleaseForm(forms.Form):
    """What to say when a held branch goes on."""

    note = forms.CharField(
        label="What was done", min_length=3, max_length=200, widget=TextBox(),
        help_text="Why it may go on; it is kept in the audit trail.",
    )  # fmt: skip
    next_number = forms.IntegerField(
        label="Number of the next invoice", required=False, min_value=1,
        widget=TextBox(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        help_text="Only where KRA's book differs from ours, such as after another program used "
        "the device. Empty: as it is.",
    )  # fmt: skip


@admin.register(KRABranch)
class KRABranchAdmin(ReadOnlyAdmin):
    """Every control unit by PIN, branch and environment."""

    list_display = (
        "branch_shown", "taxpayer_name", "standing_shown", "device_shown", "waiting_shown",
        "oldest_shown", "contact_shown", "offline_shown", "last_invoice_number",
        "environment_shown", "business",
    )  # fmt: skip
    list_left_out = ("details",)
    list_filter = ("environment", "device_state", HeldFilter, BusinessFilter)
    search_fields = ("tin",)
    search_help_text = "Beginning of the PIN, or the whole id of the control unit"
    change_form_outer_before_template = "admin/integrations/kra_branch.html"
    fieldsets = (
        (None, {"fields": (
            "tin", "bhf_id", "taxpayer_name", "branch_name", "environment_shown", "business",
        )}),
        ("Control unit", {"fields": (
            "device_shown", "device_serial", "control_unit_id", "mrc_no", "device_message",
            "device_asked_at",
        )}),
        ("Counters", {"fields": (
            "last_invoice_number", "last_stock_number", "last_purchase_number",
        )}),
        ("When", {"fields": ("last_contact_at", "held_at", "alarmed_at", "created_at",
                             "updated_at")}),
    )  # fmt: skip

    class Media:
        css = BADGE_CSS
        js: ClassVar[Any] = ("integrations/live.js",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With what waits, and the settings that lead there, in the one query."""
        settings = KRASettings.objects.filter(
            kra_pin=OuterRef("tin"), branch_code=OuterRef("bhf_id"),
            environment=OuterRef("environment"),
        ).order_by("pk")  # fmt: skip
        return with_line(super().get_queryset(request)).annotate(
            transport=Subquery(settings.values("transport")[:1]),
            offline_hours=Subquery(settings.values("offline_hours")[:1]),
        )

    def get_urls(self) -> list[URLPattern]:
        """The buttons' addresses before Django's own."""
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/release/", wrap(self.release_view), name=f"{NAME}_release"),
            path("<int:pk>/compare/", wrap(self.compare_view), name=f"{NAME}_compare"),
            *super().get_urls(),
        ]

    def has_release_permission(self, request: HttpRequest) -> bool:
        """Whoever may see branches and let held ones go on."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm("integrations.release_krabranch")

    def has_compare_permission(self, request: HttpRequest) -> bool:
        """Whoever may see branches, and verify documents with KRA."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm("integrations.resend_krainvoice")

    def release_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Ask what was done, and let the branch go on."""
        branch = self._branch(request, pk, is_allowed=self.has_release_permission(request))
        form = ReleaseForm(request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid():
            try:
                holds.release(
                    branch, by=request.user, next_number=form.cleaned_data["next_number"],
                    text=form.cleaned_data["note"],
                )  # fmt: skip
            except IntegrationError as error:
                form.add_error("next_number" if "number" in error.code else None, error.message)
            else:
                messages.success(request, f"{branch} goes on.")
                return HttpResponseRedirect(reverse(PAGE, args=[pk]))
        lines = [f"Nothing is sent of {branch} since it is held: {branch.held_reason}"]
        if not branch.held_reason:
            lines = [f"{branch} is not held. Here the number of its next invoice can be set."]
        is_held = bool(branch.held_reason)
        return form_page(
            self, request, form, title="Release the branch" if is_held else "Set the next number",
            button="Let it go on" if is_held else "Set it", back=reverse(PAGE, args=[pk]),
            lines=lines,
        )  # fmt: skip

    def compare_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Compare our book with KRA's now, and show where they differ."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        branch = self._branch(request, pk, is_allowed=self.has_compare_permission(request))
        wanted = request.POST.get("first", "")
        first = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 16 else None
        try:
            told = compare_books(branch, first=first)
        except IntegrationError as error:
            messages.error(request, error.message)
            return HttpResponseRedirect(reverse(PAGE, args=[pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Books of {branch}", "told": told, "branch": branch,
            "back": reverse(PAGE, args=[pk]), "opts": self.opts, "media": self.media,
        }  # fmt: skip
        return TemplateResponse(request, "admin/integrations/kra_books.html", context)

    def _branch(self, request: HttpRequest, pk: int, *, is_allowed: bool) -> KRABranch:
        """Raises PermissionDenied, and Http404 for what is outside of the user's businesses."""
        if not is_allowed:
            raise PermissionDenied
        branch: KRABranch | None = self.get_queryset(request).filter(pk=pk).first()
        if branch is None:
            raise Http404("There is no such branch.")
        return branch

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False,
        change: bool = False, form_url: str = "", obj: Any = None,
    ) -> HttpResponse:  # fmt: skip
        """With how it stands, and the buttons for those who may."""
        if obj is not None:
            context |= {
                "held_badge": held_badge(obj),
                "facts": self._facts(obj),
                "invoices_url": f"{reverse('admin:integrations_krainvoice_changelist')}"
                f"?branch={obj.pk}",
                "may_release": self.has_release_permission(request),
                "may_compare": self.has_compare_permission(request),
            }
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _facts(self, branch: Any) -> list[tuple[str, str]]:
        facts = [
            ("Waiting", f"{branch.waiting:,} invoices"),
            ("The oldest for", self.oldest_shown(branch) or "-"),
            ("Last contact with KRA", self.contact_shown(branch) or "never"),
            ("Last number that KRA took", str(branch.last_invoice_number)),
        ]
        if left := self.offline_shown(branch):
            facts.append(("Signs without KRA for", left))
        return facts

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By PIN or control unit."""
        term = search_term.strip().replace("\x00", "").upper()
        if not term:
            return queryset, False
        by_unit = queryset.filter(control_unit_id=term)
        return queryset.filter(tin__startswith=term) | by_unit, False

    @admin.display(description="branch")
    def branch_shown(self, branch: KRABranch) -> SafeString:
        """PIN and number."""
        return format_html('<span class="amount">{} {}</span>', branch.tin, branch.bhf_id)

    @admin.display(description="standing")
    def standing_shown(self, branch: KRABranch) -> SafeString:
        """Held or not; its page says why."""
        return held_badge(branch).render()

    @admin.display(description="device")
    def device_shown(self, branch: KRABranch) -> SafeString:
        """How far the control unit is."""
        return device_badge(branch.device_state).render()

    @admin.display(description="waiting")
    def waiting_shown(self, branch: Any) -> SafeString:
        """How many invoices wait, as a link to the branch's own."""
        url = f"{reverse('admin:integrations_krainvoice_changelist')}?branch={branch.pk}"
        return format_html('<a class="text-link" href="{}">{}</a>', url, f"{branch.waiting:,}")

    @admin.display(description="oldest waits for", empty_value="-")
    def oldest_shown(self, branch: Any) -> str | None:
        """Since when the longest waits."""
        at = branch.oldest_waiting_at
        return timesince(at, depth=1) if at else None

    @admin.display(description="last contact", empty_value="never")
    def contact_shown(self, branch: KRABranch) -> str | None:
        """When KRA itself last answered."""
        at = branch.last_contact_at
        return f"{timezone.localtime(at):%d %b %Y, %H:%M}" if at else None

    @admin.display(description="signs offline for", empty_value="-")
    def offline_shown(self, branch: Any) -> str | SafeString | None:
        """Hours that a VSCU still signs without KRA (reference, section 9)."""
        if branch.transport != Transport.VSCU or branch.silent_since is None:
            return None
        end = branch.silent_since + timedelta(hours=branch.offline_hours)
        left = (end - timezone.now()).total_seconds() / 3600
        return f"{left:.1f} hours" if left > 0 else Badge("Over", "bad").render()
