"""What people do with an endpoint besides editing it: test, pause, switch, replace its secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
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

from integrations.admin.confirm import confirmation
from integrations.admin.history import TrailHistoryAdmin
from integrations.admin.money_form import TEMPLATE, Choice, TextBox
from integrations.admin.webhook_words import bounded, tell_attempt, waiting_in
from integrations.exceptions import IntegrationError
from integrations.models import AttemptOutcome, SigningKind, WebhookEndpoint
from integrations.webhooks import endpoints, trial
from integrations.webhooks.secrets import LONGEST_OVERLAP_HOURS, OVERLAP_HOURS, rotate_secret

LIST = "admin:integrations_webhookendpoint_changelist"
PAGE = "admin:integrations_webhookendpoint_change"
Switch = Callable[..., Any]
SWITCHES: dict[str, tuple[Switch, str]] = {
    "pause": (endpoints.pause, "{} is paused. Its events are kept and wait."),
    "resume": (endpoints.resume, "{} goes on. What has waited is sent now."),
    "enable": (endpoints.enable, "{} is enabled."),
}


class RotateForm(forms.Form):
    """For how long the replaced secret goes on signing."""

    kind = forms.ChoiceField(
        label="Which one", choices=SigningKind.choices, widget=Choice,
        help_text="The shared secret (v1), or the key pair (v1a).",
    )  # fmt: skip
    overlap_hours = forms.FloatField(
        label="Overlap in hours",
        initial=OVERLAP_HOURS,
        min_value=0,
        max_value=LONGEST_OVERLAP_HOURS,
        widget=TextBox(attrs={"inputmode": "decimal", "autocomplete": "off"}),
        help_text=f"For so long both sign, and a receiver with either verifies: 0 to "
        f"{LONGEST_OVERLAP_HOURS:.0f}. 0 where the old one has leaked.",
    )

    def __init__(self, endpoint: WebhookEndpoint, *args: Any) -> None:
        super().__init__(*args)
        if not endpoint.is_asymmetric:
            del self.fields["kind"]


class EndpointButtonsAdmin(TrailHistoryAdmin):
    """The buttons of an endpoint's page. Every one is a POST, and audited."""

    def get_urls(self) -> list[URLPattern]:
        """The buttons' addresses before Django's own."""
        wrap = self.admin_site.admin_view
        name = "integrations_webhookendpoint"
        return [
            path("<int:pk>/test/", wrap(self.test_view), name=f"{name}_test"),
            path("<int:pk>/rotate/", wrap(self.rotate_view), name=f"{name}_rotate"),
            path("<int:pk>/disable/", wrap(self.disable_view), name=f"{name}_disable"),
            *(
                path(f"<int:pk>/{act}/", wrap(self.switch_view), {"act": act}, f"{name}_{act}")
                for act in SWITCHES
            ),
            *super().get_urls(),
        ]

    def test_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Send a test event now, and tell what came back."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        endpoint = self._endpoint_for(request, pk)
        try:
            attempt = trial.send_test(endpoint, actor=request.user)
        except IntegrationError as error:
            messages.error(request, f"No test was sent. {error.message}")
            return HttpResponseRedirect(reverse(PAGE, args=[pk]))
        is_good = attempt.outcome == AttemptOutcome.DELIVERED
        level = messages.SUCCESS if is_good else messages.ERROR
        messages.add_message(request, level, f"Test event: {tell_attempt(attempt)}")
        return HttpResponseRedirect(f"{reverse(PAGE, args=[pk])}?tested={attempt.pk}")

    def switch_view(self, request: HttpRequest, pk: int, act: str) -> HttpResponseBase:
        """Pause, resume or enable."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        endpoint = self._endpoint_for(request, pk)
        switch, words = SWITCHES[act]
        try:
            switch(endpoint, actor=request.user)
        except IntegrationError as error:
            messages.error(request, error.message)
        else:
            messages.success(request, words.format(endpoint.name))
        return HttpResponseRedirect(reverse(PAGE, args=[pk]))

    def disable_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Ask, and then send it nothing more."""
        endpoint = self._endpoint_for(request, pk)
        back = reverse(PAGE, args=[pk])
        if request.method == "POST" and request.POST.get("confirmed"):
            endpoints.disable(endpoint, actor=request.user)
            messages.success(request, f"{endpoint.name} is disabled.")
            return HttpResponseRedirect(back)
        return confirmation(
            self, request, title=f"Disable {endpoint.name}", button="Disable it", back=back,
            is_grave=True,
            lines=[
                "Nothing is sent to it any more. What waits stays where it is.",
                "Events that happen from now on are not kept for it. To keep them, pause it.",
                "Later, a replay can send what it has missed.",
            ],
        )  # fmt: skip

    def rotate_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Ask for how long both sign; the new secret is on the page that answers, this once."""
        endpoint = self._endpoint_for(request, pk)
        is_sent = request.method == "POST" and "overlap_hours" in request.POST
        form = RotateForm(endpoint, request.POST if is_sent else None)
        if is_sent and form.is_valid():
            kind = form.cleaned_data.get("kind", SigningKind.SYMMETRIC)
            hours = float(form.cleaned_data["overlap_hours"])
            try:
                issued = rotate_secret(endpoint, overlap_hours=hours, kind=kind)
            except IntegrationError as error:
                messages.error(request, error.message)
                return HttpResponseRedirect(reverse(PAGE, args=[pk]))
            endpoint.refresh_from_db()
            is_pair = kind == SigningKind.ASYMMETRIC
            return self.secret_page(
                request, endpoint, title=f"New secret of {endpoint.name}",
                secret="" if is_pair else issued.secret,
                public_key=endpoint.public_key if is_pair else "", hours=hours,
            )  # fmt: skip
        context = {
            **self.admin_site.each_context(request),
            "title": f"Replace the secret of {endpoint.name}",
            "lines": [
                "A new secret is made, and shown once on the next page.",
                "Put it into the receiver before the overlap ends.",
            ],
            "button": "Make a new secret",
            "form": form,
            "opts": self.opts,
            "media": self.media,
        }
        return TemplateResponse(request, TEMPLATE, context)

    def secret_page(
        self, request: HttpRequest, endpoint: WebhookEndpoint, *, title: str, secret: str,
        public_key: str, hours: float | None = None,
    ) -> HttpResponse:  # fmt: skip
        """The page that shows a secret: no message, no session, no cache keeps it."""
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "endpoint": endpoint,
            "secret": secret,
            "public_key": public_key,
            "hours": hours,
            "is_new": hours is None,
            "page": reverse(PAGE, args=[endpoint.pk]),
            "may_open": self.has_view_or_change_permission(request, endpoint),
            "list": reverse(LIST),
            "opts": self.opts,
            "media": self.media,
        }
        # The admin's views are never cached: Django's `never_cache` says no-store.
        return TemplateResponse(request, "admin/integrations/webhook_issued.html", context)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Ask, and delete. Django's page would first read every delivery there ever was."""
        endpoint = self.get_object(request, object_id)
        if endpoint is None:
            raise Http404("There is no such endpoint.")
        if not self.has_delete_permission(request, endpoint):
            raise PermissionDenied
        if request.method == "POST" and request.POST.get("confirmed"):
            name = endpoint.name
            try:
                endpoints.delete_endpoint(endpoint, actor=request.user)
            except IntegrationError as error:
                messages.error(request, error.message)
                return HttpResponseRedirect(reverse(PAGE, args=[object_id]))
            messages.success(request, f"{name} was deleted.")
            return HttpResponseRedirect(reverse(LIST))
        waiting = waiting_in(endpoint.pk)
        return confirmation(
            self, request, title=f"Delete {endpoint.name}", button="Delete it",
            back=reverse(PAGE, args=[object_id]), is_grave=True,
            lines=[
                "The endpoint goes, and with it its secrets, its deliveries and their attempts.",
                f"Waiting for it now: {bounded(waiting)}. They are never sent.",
                "This can't be undone. To stop it for a while, pause or disable it.",
            ],
        )  # fmt: skip

    def _endpoint_for(self, request: HttpRequest, pk: int) -> WebhookEndpoint:
        """Raises PermissionDenied, and Http404 for what is outside of the user's businesses."""
        endpoint: WebhookEndpoint | None = self.get_queryset(request).filter(pk=pk).first()
        if not self.has_change_permission(request, endpoint):
            raise PermissionDenied
        if endpoint is None:
            raise Http404("There is no such endpoint.")
        return endpoint
