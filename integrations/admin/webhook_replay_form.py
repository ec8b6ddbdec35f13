"""The form that says which deliveries are made again, and what the confirmation tells of them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone
from unfold.widgets import INPUT_CLASSES

from integrations.access import request_scope
from integrations.admin.money_form import CheckBox, Choice, TextBox, usual_business
from integrations.admin.webhook_filters import endpoint_choices, visible_endpoints
from integrations.events.fan_out import check_event_patterns
from integrations.exceptions import InvalidInput
from integrations.models import DeliveryStatus, WebhookEndpoint
from integrations.webhooks.replay import DEFAULT_RATE, RATES, ReplayFilter

STATUSES = (
    (DeliveryStatus.FAILED, "Failed: dead letters"),
    (DeliveryStatus.DELIVERED, "Delivered: once more"),
    (DeliveryStatus.RETRYING, "Retrying: now instead of later"),
    ("", "All of them"),
)
# The same in the middle of a sentence.
STANDING: dict[str, str] = {
    DeliveryStatus.FAILED: "given up",
    DeliveryStatus.DELIVERED: "delivered before",
    DeliveryStatus.RETRYING: "failed before and waiting",
    "": "of every status",
}
MOMENT = forms.DateTimeInput(
    format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local", "class": " ".join(INPUT_CLASSES)}
)


class ReplayForm(forms.Form):
    """What `ReplayFilter` needs; without an endpoint, all endpoints of one business."""

    endpoint = forms.ChoiceField(required=False, widget=Choice)
    business = forms.CharField(
        required=False,
        max_length=64,
        widget=TextBox(),
        help_text="Counts only where no endpoint is chosen. Empty: the installation's own.",
    )
    status = forms.ChoiceField(
        required=False,
        label="Which deliveries",
        choices=STATUSES,
        initial=DeliveryStatus.FAILED,
        widget=Choice,
    )
    event_type = forms.CharField(
        required=False,
        max_length=100,
        widget=TextBox(),
        help_text="A type such as payment.succeeded, or a pattern such as payment.*; empty for "
        "all.",
    )
    since = forms.DateTimeField(
        required=False, label="Published since", widget=MOMENT, help_text="Empty: no bound."
    )
    until = forms.DateTimeField(
        required=False, label="Published until", widget=MOMENT, help_text="Empty: now."
    )
    includes_missed = forms.BooleanField(
        required=False,
        label="Also what it missed",
        widget=CheckBox(),
        help_text="Events that were never meant for it: published while it was switched off by "
        "hand, or before it was there. Needs an endpoint.",
    )
    rate_per_second = forms.FloatField(
        label="At most per second",
        initial=DEFAULT_RATE,
        min_value=RATES[0],
        max_value=RATES[1],
        widget=TextBox(attrs={"inputmode": "decimal", "autocomplete": "off"}),
        help_text="How many become due in a second. New events go out beside them.",
    )

    def __init__(self, request: HttpRequest, data: Any = None, initial: Any = None) -> None:
        scope = request_scope(request)
        super().__init__(data, initial={"business": usual_business(scope), **(initial or {})})
        self.scope, self.offered = scope, visible_endpoints(request)
        field: Any = self.fields["endpoint"]
        field.choices = [("", "All of the business below"), *endpoint_choices(request)]
        wanted = str((data or initial or {}).get("endpoint", ""))
        if wanted.isascii() and wanted.isdigit() and len(wanted) < 19:
            # Beyond the bound of the choice, by a link of the endpoint's own page.
            found = self.offered.filter(pk=int(wanted)).values_list("name", flat=True)
            if found and wanted not in dict(field.choices):
                field.choices = [*field.choices, (wanted, found[0])]

    def clean_endpoint(self) -> WebhookEndpoint | None:
        """The endpoint, where one is chosen."""
        value = self.cleaned_data["endpoint"]
        return self.offered.filter(pk=int(value)).first() if value else None

    def clean_event_type(self) -> str:
        """A type or a pattern."""
        value = str(self.cleaned_data["event_type"]).strip()
        try:
            check_event_patterns([value] if value else [])
        except InvalidInput as error:
            raise forms.ValidationError(f"{error.reason}.") from None
        return value

    def clean(self) -> dict[str, Any]:
        """A business that the user sees; and then the filter, whose own rules are the service's."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        business = "" if cleaned["endpoint"] else cleaned["business"].strip()
        if not cleaned["endpoint"] and not self.scope.allows(business):
            self.add_error("business", f"You don't see {business or 'the installation'}.")
            return cleaned
        try:
            self.chosen = ReplayFilter(
                endpoint=cleaned["endpoint"],
                business=business,
                status=cleaned["status"],
                event_type=cleaned["event_type"],
                since=cleaned["since"],
                until=cleaned["until"] or timezone.now(),
                includes_missed=cleaned["includes_missed"],
            )
        except InvalidInput as error:
            field = error.field if error.field in self.fields else None
            self.add_error(field, f"{error.reason[:1].upper()}{error.reason[1:]}.")
        return cleaned

    def carried(self) -> dict[str, str]:
        """The values for the confirmation's hidden fields; "until now" is fixed to one moment."""
        chosen = self.chosen
        return {
            "endpoint": str(chosen.endpoint.pk) if chosen.endpoint else "",
            "business": chosen.business,
            "status": str(chosen.status),
            "event_type": chosen.event_type,
            "since": chosen.since.isoformat() if chosen.since else "",
            "until": chosen.until.isoformat(),
            "includes_missed": "on" if chosen.includes_missed else "",
            "rate_per_second": str(self.cleaned_data["rate_per_second"]),
        }


def told(chosen: ReplayFilter, count: int, rate: float) -> list[str]:
    """What the confirmation says before anything happens."""
    whom = f"all endpoints of {chosen.business or 'the installation'}"
    if chosen.endpoint is not None:
        whom = chosen.endpoint.name
    kind = STANDING[chosen.status]
    since = f"since {_moment(chosen.since)} " if chosen.since else ""
    what = chosen.event_type or "Every type of event"
    noun = "delivery" if count == 1 else "deliveries"
    missed = ", with the events that it missed" if chosen.includes_missed else ""
    return [
        f"{count:,} {noun} to {whom}, {kind}{missed}.",
        f"{what}, published {since}until {_moment(chosen.until)}.",
        f"They become due at {rate:g} per second: about {_duration(count / rate)}.",
        "Receivers get each with the webhook-id that they know, and may have seen it before.",
    ]


def _moment(at: Any) -> str:
    return f"{timezone.localtime(at):%d %b %Y, %H:%M:%S}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.0f} hours"
