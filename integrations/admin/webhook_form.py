"""The form of a webhook endpoint: event types from the catalogue, headers by the line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextareaWidget,
)

from integrations.access import NOTHING, Scope
from integrations.admin.secret_area import SecretArea
from integrations.admin.secret_form import SecretForm
from integrations.events.catalogue import event_types
from integrations.exceptions import IntegrationError, InvalidInput
from integrations.models import WebhookEndpoint
from integrations.webhooks import endpoints
from integrations.webhooks.event_types import TEST

# Several lines each, so they get a box of several lines.
AREAS = ("static_headers", "client_key")
# What the product makes and shows once; nobody types it.
GENERATED = ("secret", "asymmetric_key")
LABELS = {
    "url": "URL",
    "every_business": "Events of every business",
    "is_asymmetric": "Sign with ed25519 too",
    "is_ordered": "Keep the order",
    "is_active": "Active from the start",
    "auth": "The hub identifies itself by",
    "token_url": "Token URL",
    "username": "User name",
    "client_id": "Client id",
    "token_scope": "Scope",
    "timeout_seconds": "Time limit in seconds",
    "max_concurrency": "Requests at once",
    "rate_per_second": "Requests per second",
    "client_certificate": "Client certificate",
    "client_key": "Key of the client certificate",
    "static_headers": "Headers",
}
HELP = {
    "name": "What people here call the receiver.",
    "url": "Where the events are posted to: https, and reachable from here. Nothing is followed "
    "that it redirects to.",
    "business": "The ERP's key of the business whose events are sent; empty for the "
    "installation's own. It stays as it is from then on.",
    "every_business": "For a receiver of the installation itself; leave the business empty.",
    "is_active": "Untick to create it switched off: send a test event first, then enable it.",
    "body_format": "Off-the-shelf libraries expect the first.",
    "is_asymmetric": "The receiver then needs a public key only, which is no secret. The signature "
    "by the shared secret is always there too.",
    "token_url": "Where an access token is asked for, by client credentials.",
    "static_headers": 'One "Name: value" on a line, sent with every event. Write-only, since '
    "values may be secrets; typing replaces all of them.",
    "client_certificate": "PEM, for a receiver that demands one (mTLS). The chain may follow it.",
    "client_key": "PEM, without a passphrase.",
    "timeout_seconds": "For the whole answer.",
    "max_concurrency": "How many requests may be open to this endpoint.",
    "rate_per_second": "Empty: as fast as it answers.",
    "is_ordered": "One event at a time, in the order of publishing. A failing event holds up all "
    "that follow.",
}  # fmt: skip
_HEADER_LINE = re.compile(r"^\s*([^:\s]+)\s*:\s*(.*?)\s*$")


@dataclass(frozen=True)
class LookedUp:
    """What was found of typed hosts: warnings for people, or why one is not sent to."""

    warnings: Sequence[str] = ()
    refusal: InvalidInput | None = None


def look_up_typed(endpoint: WebhookEndpoint | None, typed: Mapping[str, Any]) -> LookedUp:
    """Of the addresses in a form that was sent, where they are not those of `endpoint`."""
    read = forms.URLField(required=False, assume_scheme="https").clean
    try:
        values = {name: read(typed.get(name, "")) for name in ("url", "token_url")}
        return LookedUp(warnings=endpoints.look_up_of(endpoint, values))
    except InvalidInput as error:
        return LookedUp(refusal=error)
    except (ValidationError, IntegrationError):
        return LookedUp()  # the form's own checks tell it


class EndpointForm(SecretForm):
    """An endpoint; every rule about its values is the service's (`webhooks.endpoints`)."""

    instance: WebhookEndpoint
    # Set for each request by the admin; without it nobody may put a row anywhere.
    scope: Scope = NOTHING
    # What the hosts that were typed are; looked up before the form's transaction.
    hosts = LookedUp()
    # What the service found odd but allowed, for people.
    warnings: Sequence[str] = ()

    known_types = forms.MultipleChoiceField(
        label="Events",
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Which events are sent. None here and no pattern below: all of them, also those "
        "that are added later.",
    )
    patterns = forms.CharField(
        label="Patterns",
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="One on a line: payment.* means every event whose name begins so.",
    )

    class Meta:
        model = WebhookEndpoint
        # The admin names them: what is built here would be built without its words.
        fields = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "known_types" in self.fields:
            self._offer_types()

    @classmethod
    def secret_names(cls) -> set[str]:
        """Those that people type."""
        return super().secret_names() - set(GENERATED)

    def _offer_types(self) -> None:
        # A test goes to the endpoint that is tested, whatever it has chosen.
        known = {e.name: e.summary.replace("`", "") for e in event_types() if e.name != TEST}
        wanted = list(self.instance.event_types or [])
        field: Any = self.fields["known_types"]
        field.choices = [(name, f"{name}: {summary}") for name, summary in sorted(known.items())]
        field.initial = [name for name in wanted if name in known]
        self.fields["patterns"].initial = "\n".join(n for n in wanted if n not in known)

    def clean_business(self) -> str:
        """The typed business; refused where it is not one of the user's."""
        business = str(self.cleaned_data["business"]).strip()
        if not self.scope.allows(business):
            raise ValidationError(
                f"You don't see {business or 'the installation'}.", code="wrong_business"
            )
        return business

    def clean_every_business(self) -> bool:
        """Only people who see every business may send its events out."""
        wanted = bool(self.cleaned_data["every_business"])
        if wanted and not self.scope.is_all:
            raise ValidationError("Only people who see every business may choose this.")
        return wanted

    def clean_static_headers(self) -> Any:
        """Typed lines as the JSON object that is stored."""
        typed = self.cleaned_data["static_headers"]
        return headers_as_json(typed) if isinstance(typed, str) and typed else typed

    def clean(self) -> dict[str, Any] | None:
        """Types and patterns as one list."""
        cleaned = super().clean()
        patterns = str(self.cleaned_data.get("patterns") or "").replace(",", "\n").split("\n")
        chosen = [*self.cleaned_data.get("known_types", ()), *(text.strip() for text in patterns)]
        self.instance.event_types = list(dict.fromkeys(name for name in chosen if name))
        return cleaned

    def _post_clean(self) -> None:
        """Django's, and then the service's rules, each on its field."""
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        try:
            found = endpoints.clean_endpoint(self.instance, is_looking_up=False)
            if self.hosts.refusal is not None:
                raise self.hosts.refusal
            self.warnings = [*found, *self.hosts.warnings]
        except InvalidInput as error:
            self._explain(error)
        except IntegrationError as error:
            self.add_error(None, error.message)

    def _explain(self, error: InvalidInput) -> None:
        reason = f"{error.reason[:1].upper()}{error.reason[1:]}".rstrip(".") + "."
        field = {"event_types": "patterns"}.get(error.field, error.field)
        self.add_error(field if field in self.fields else None,
                       reason if field in self.fields else f"{error.field}: {reason}")  # fmt: skip

    def wanted(self) -> dict[str, Any]:
        """What the service is asked to store: everything for a new endpoint, else what changed."""
        kinds = {"known_types", "patterns"}
        is_new = self.instance.pk is None
        names = (set(self.fields) if is_new else set(self.changed_data)) - kinds
        values = {name: getattr(self.instance, name) for name in names}
        if "static_headers" in values:
            # The service reads them to judge each; here they go on as what was typed.
            values["static_headers"] = values["static_headers"].reveal()
        if is_new or kinds & set(self.changed_data):
            values["event_types"] = self.instance.event_types
        return values


def headers_as_json(text: str) -> str:
    """Lines of "Name: value", or a JSON object as it is; raises ValidationError."""
    if text.lstrip().startswith("{"):
        return text
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        parts = _HEADER_LINE.match(line)
        if parts is None:
            raise ValidationError(f'Line {number} is not "Name: value".')
        if parts[1].lower() in {name.lower() for name in found}:
            raise ValidationError(f"Line {number} names a header for the second time.")
        found[parts[1]] = parts[2]
    return json.dumps(found, ensure_ascii=False)


def form_fieldsets(*, is_new: bool, may_all: bool) -> Any:
    """The form's parts, in the order in which people think of them."""
    whose: tuple[str, ...] = ("business_shown",)
    if is_new:
        whose = ("business", "every_business") if may_all else ("business",)
    start = ("is_active",) if is_new else ()
    shut = {"classes": ("collapse",)}
    return (
        (None, {"fields": ("name", "url", *whose, *start)}),
        ("What is sent", {"fields": ("known_types", "patterns", "body_format", "is_asymmetric")}),
        ("How the hub identifies itself", {
            **shut, "description": "Besides the signature, where the receiver wants it.",
            "fields": ("auth", "username", "password", "token_url", "client_id", "client_secret",
                       "token_scope"),
        }),
        ("Advanced", {**shut, "fields": (
            "timeout_seconds", "max_concurrency", "rate_per_second", "is_ordered",
            "static_headers", "client_certificate", "client_key",
        )}),
    )  # fmt: skip


# Fields that a stored endpoint shows without letting them be changed: what it was sent so far
# belongs to whom it was made for.
SHOWN = ("business_shown",)


def dress(name: str, field: Any) -> Any:
    """A field of the form with its label, its help and, for keys, a box of several lines."""
    if field is None:
        return None
    field.label = LABELS.get(name, field.label)
    field.help_text = HELP.get(name, field.help_text)
    if name in AREAS:
        field.widget = SecretArea()
    return field
