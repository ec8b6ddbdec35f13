"""Webhook endpoints: who gets which events, how each fares, and what can be done about it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import Q, QuerySet, URLField
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations.access import Scope, request_scope
from integrations.admin.badges import BADGE_CSS
from integrations.admin.filters import BusinessFilter, ChoiceFilter
from integrations.admin.paging import WindowChangeList, WindowPaginator
from integrations.admin.webhook_buttons import LIST, EndpointButtonsAdmin
from integrations.admin.webhook_filters import narrow_to
from integrations.admin.webhook_form import (
    SHOWN,
    EndpointForm,
    LookedUp,
    dress,
    form_fieldsets,
    look_up_typed,
)
from integrations.admin.webhook_overview import OverviewAdmin
from integrations.admin.webhook_words import (
    age,
    bounded,
    delivery_link,
    endpoint_badge,
    host_of,
    lane_of,
    tell_attempt,
    waiting_in,
)
from integrations.exceptions import IntegrationError
from integrations.models import AttemptOutcome, AttemptTrigger, DisabledReason, WebhookEndpoint
from integrations.webhooks import endpoints

BY_SYSTEM = (DisabledReason.GONE, DisabledReason.FAILING)
FORMER_SHOWN = 10


class StandingFilter(ChoiceFilter):
    """How endpoints stand; the links of the start page use it."""

    title = "state"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """One for each badge."""
        return [
            ("failing", "Failing, or switched off for it"), ("open", "Breaker open"),
            ("paused", "Paused"), ("disabled", "Disabled"), ("active", "Active"),
        ]  # fmt: skip

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The endpoints that stand so."""
        on = Q(is_active=True)
        wanted = {
            "failing": failing(),
            "open": on & Q(lane__open_until__gt=timezone.now()),
            "paused": on & Q(is_paused=True),
            "disabled": ~on,
            "active": on & Q(is_paused=False),
        }.get(self.value() or "")
        return queryset if wanted is None else queryset.filter(wanted)


def failing() -> Q:
    """Endpoints that fail now, and those that the product switched off for it."""
    return Q(is_active=True, lane__failing_since__isnull=False) | Q(
        is_active=False, disabled_reason__in=BY_SYSTEM
    )


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(OverviewAdmin, EndpointButtonsAdmin):
    """One row for each receiver. Secrets are typed or made, and never read back."""

    form = EndpointForm
    list_display = (
        "name", "business_shown", "host_shown", "state_shown", "waiting_shown", "success_shown",
    )  # fmt: skip
    list_select_related = ("lane",)
    list_filter = (StandingFilter, BusinessFilter)
    list_filter_submit = True
    list_per_page = 25
    search_fields = ("name", "url")
    search_help_text = "Part of the name or of the address"
    ordering = ("name", "pk")
    actions = None
    paginator = WindowPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_before_template = "admin/integrations/webhook_endpoint_tools.html"
    change_form_outer_before_template = "admin/integrations/webhook_endpoint_actions.html"

    class Media:
        css = BADGE_CSS
        js = ("integrations/copy.js",)

    def narrow_rows(self, rows: QuerySet[Any], scope: Scope) -> QuerySet[Any]:
        """One that gets every business's events is of those alone who see every business."""
        return narrow_to(scope, rows)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Grouped; who sees one business is not asked about all of them."""
        return form_fieldsets(is_new=obj is None, may_all=request_scope(request).is_all)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[Any]:
        """One that counts up to a bound."""
        return WindowChangeList

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Whose events it gets, once that is settled."""
        return SHOWN if obj is not None else ()

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """The theme's, in our words; an address typed without a scheme is meant to be https."""
        if isinstance(db_field, URLField):
            kwargs["assume_scheme"] = "https"
        return dress(db_field.name, super().formfield_for_dbfield(db_field, request, **kwargs))

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """A form that knows the user's businesses, and what the typed hosts are."""
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.scope = request_scope(request)
        form.hosts = getattr(request, "_webhook_hosts", LookedUp())
        return form

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """The user's business, where there is just one."""
        scope = request_scope(request)
        only = {} if scope.is_all or len(scope.businesses) != 1 else {
            "business": min(scope.businesses)}  # fmt: skip
        return {**only, **super().get_changeform_initial_data(request)}

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Django's; what the service refuses only now (somebody else was faster) is told."""
        if request.method == "POST":
            object_id = args[0] if args else kwargs.get("object_id")
            request._webhook_hosts = self._look_up(request, object_id)  # type: ignore[attr-defined]
        try:
            return super().changeform_view(request, *args, **kwargs)
        except IntegrationError as error:
            messages.error(request, f"Not saved. {error.message}")
        except WebhookEndpoint.DoesNotExist:
            messages.error(request, "Not saved: somebody has deleted this endpoint.")
            return HttpResponseRedirect(reverse(LIST))
        return HttpResponseRedirect(request.get_full_path())

    def _look_up(self, request: HttpRequest, object_id: str | None) -> LookedUp:
        """Of the typed addresses, before Django begins the transaction of the whole form.

        A name server may take seconds, in which SQLite could store nothing else.
        """
        row = self.get_object(request, unquote(object_id)) if object_id else None
        may = self.has_change_permission(request, row) if row else self.has_add_permission(request)
        return look_up_typed(row, request.POST) if may else LookedUp()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """By the service, which audits. A new secret lives until this request is answered."""
        known = {"actor": request.user, "scope": request_scope(request), "warnings": form.warnings}
        for words in form.warnings:
            messages.warning(request, words)
        if change:
            saved = WebhookEndpoint.objects.get(pk=obj.pk)
            endpoints.update_endpoint(saved, form.wanted(), **known)
            return
        created = endpoints.create_endpoint(form.wanted(), **known)
        obj.__dict__.update(created.endpoint.__dict__)
        request._webhook_created = created  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The page that shows the secret, this once."""
        created = request._webhook_created  # type: ignore[attr-defined]
        return self.secret_page(
            request, obj, title=f"{obj.name} is created", secret=created.secret,
            public_key=created.public_key,
        )  # fmt: skip

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False,
        change: bool = False, form_url: str = "", obj: Any = None,
    ) -> HttpResponse:  # fmt: skip
        """With how it fares, the buttons, and what a test brought."""
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        if obj is not None:
            # After a refused form, `obj` holds what was typed; the page tells what is saved.
            saved = self.get_queryset(request).get(pk=obj.pk)
            context |= self._standing(request, saved)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _standing(self, request: HttpRequest, saved: WebhookEndpoint) -> dict[str, Any]:
        former = saved.former_secrets.filter(expires_at__gt=timezone.now())
        return {
            "saved": saved,
            "lane": lane_of(saved),
            "state_badge": endpoint_badge(saved),
            "waiting": bounded(waiting_in(saved.pk)),
            "deliveries_url": f"{reverse('admin:integrations_webhookevent_changelist')}"
            f"?endpoint={saved.pk}",
            "former": former[:FORMER_SHOWN],
            "may_act": self.has_change_permission(request, saved),
            "replay_url": f"{reverse('admin:integrations_webhookreplay_start')}?endpoint={saved.pk}"
            if request.user.has_perm("integrations.deliver_webhookevent")
            else "",
            "test": self._tested(request, saved),
        }

    def _tested(self, request: HttpRequest, saved: WebhookEndpoint) -> dict[str, Any] | None:
        """The attempt that the test button has just made."""
        attempt = None
        with suppress(ValueError, OverflowError):
            number = int(request.GET.get("tested", ""))
            # Of tests alone: who may see the endpoint need not see its deliveries.
            tests = saved.attempts.filter(trigger=AttemptTrigger.TEST)
            attempt = tests.filter(pk=min(number, 2**62)).first()
        if attempt is None:
            return None
        return {
            "attempt": attempt,
            "words": tell_attempt(attempt),
            "is_good": attempt.outcome == AttemptOutcome.DELIVERED,
            "url": delivery_link(attempt.event_id),
        }

    @admin.display(description="for", ordering="business")
    def business_shown(self, endpoint: WebhookEndpoint) -> str:
        """Whose events it gets."""
        if endpoint.every_business:
            return "Every business"
        return endpoint.business or "Installation"

    @admin.display(description="host")
    def host_shown(self, endpoint: WebhookEndpoint) -> str:
        """Where to; without the path, which may hold a secret."""
        return host_of(endpoint.url)

    @admin.display(description="state")
    def state_shown(self, endpoint: WebhookEndpoint) -> SafeString:
        """The state as a badge."""
        return endpoint_badge(endpoint).render()

    @admin.display(description="waiting")
    def waiting_shown(self, endpoint: WebhookEndpoint) -> SafeString | str:
        """How many deliveries wait, and a link to them."""
        count = waiting_in(endpoint.pk)
        if not count:
            return "0"
        url = reverse("admin:integrations_webhookevent_changelist")
        return format_html(
            '<a class="text-link" href="{}?endpoint={}&amp;status=waiting">{}'
            '<span class="sr-only"> waiting for {}</span></a>',
            url, endpoint.pk, bounded(count), endpoint.name,
        )  # fmt: skip

    @admin.display(description="last success", empty_value="never")
    def success_shown(self, endpoint: WebhookEndpoint) -> str | None:
        """How long ago."""
        lane = lane_of(endpoint)
        return f"{age(lane.last_success_at)} ago" if lane and lane.last_success_at else None
