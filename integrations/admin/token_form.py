"""The form by which an API token is issued."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminTextInputWidget,
)

from integrations.access import Scope
from integrations.models import ApiToken, TokenScope

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[ApiToken]
else:
    _ModelForm = forms.ModelForm

LIFETIME = timedelta(days=90)
EVERYTHING, ONE = "everything", "one"
REACHES = (
    (EVERYTHING, "Everything that its user may see"),
    (ONE, "One business only, named below"),
)


def user_field() -> Any:
    """A user, typed by name: a list of all of them would be long."""
    users = get_user_model()
    return forms.ModelChoiceField(
        label="User name",
        queryset=users._default_manager.all(),
        to_field_name=users.USERNAME_FIELD,
        widget=UnfoldAdminTextInputWidget,
        error_messages={"invalid_choice": "There is no user of this name."},
    )


class TokenForm(_ModelForm):
    """A new token. Nothing of it can be edited later: it is revoked, and another one is issued."""

    # Whose businesses bound the token: the issuer's.
    scope: Scope

    scopes = forms.MultipleChoiceField(
        label="What it may do",
        choices=TokenScope.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Never more than its user may do.",
    )
    reach = forms.ChoiceField(
        label="Where", choices=REACHES, initial=EVERYTHING, widget=UnfoldAdminRadioSelectWidget
    )
    business = forms.CharField(
        label="Business",
        required=False,
        max_length=64,
        widget=UnfoldAdminTextInputWidget,
        help_text="The host ERP's key; empty for the installation itself.",
    )

    class Meta:
        model = ApiToken
        fields: tuple[str, ...] = ("name", "scopes", "reach", "business", "expires_at")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "expires_at" in self.fields:
            self.fields["expires_at"].initial = timezone.now() + LIFETIME

    def clean_expires_at(self) -> Any:
        """An end in the future."""
        expires_at = self.cleaned_data["expires_at"]
        if expires_at <= timezone.now():
            raise ValidationError("Must lie in the future.")
        return expires_at

    def clean(self) -> dict[str, Any] | None:
        """A business only where one is meant, and only one that the issuer may see."""
        cleaned = super().clean()
        business = self.cleaned_data.get("business", "")
        if self.cleaned_data.get("reach") != ONE:
            if business:
                self.add_error("business", 'Choose "One business only" for this.')
            self.cleaned_data["business"] = None
        elif not self.scope.allows(business):
            self.add_error("business", "You don't see this business.")
        return cleaned


class TokenForAnyoneForm(TokenForm):
    """The same, for any user."""

    user = user_field()

    class Meta(TokenForm.Meta):
        fields = ("name", "user", "scopes", "reach", "business", "expires_at")
