"""What the forms have in common by which people move money: fields, businesses, answers."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.admin.widgets import AdminTextInputWidget
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from integrations.access import Scope
from integrations.admin.base import HubAdmin
from integrations.admin.environments import payment_badge_of
from integrations.models import MpesaSettings, Payment

if TYPE_CHECKING:
    TextBox, CheckBox, Choice = AdminTextInputWidget, forms.CheckboxInput, forms.Select
    Area = forms.Textarea
else:
    TextBox, CheckBox = UnfoldAdminTextInputWidget, UnfoldBooleanWidget
    Choice, Area = UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

logger = logging.getLogger(__name__)
MAX_CHOICES = 200
TEMPLATE = "admin/integrations/request_payment.html"


class AccountForm(forms.Form):
    """Whose account it is, and a key: the form sent twice is one request."""

    business = forms.CharField(
        max_length=64,
        required=False,
        widget=TextBox(),
        help_text="The ERP's key of the business; empty for the installation.",
    )
    short_code = forms.ChoiceField(
        required=False, label="Account", widget=Choice, help_text="Which of its short codes."
    )
    idempotency_key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, scope: Scope, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.scope = scope
        further = further_accounts(scope)
        if further:
            field: Any = self.fields["short_code"]
            field.choices = [("", "The main account of the business"), *further]
        else:
            del self.fields["short_code"]

    def clean_business(self) -> str:
        """One of the user's own businesses; raises ValidationError."""
        business = str(self.cleaned_data["business"]).strip()
        if not self.scope.allows(business):
            name = business or "the installation"
            raise forms.ValidationError(f"You have no access to {name}.")
        return business

    def wanted(self) -> dict[str, Any]:
        """The arguments of the service."""
        values = {name: value for name, value in self.cleaned_data.items() if name != "again"}
        return {**values, "idempotency_key": str(values["idempotency_key"])}


def further_accounts(scope: Scope) -> list[tuple[str, str]]:
    """The short codes that have to be named, as choices; of the user's businesses, or shared."""
    rows = MpesaSettings.objects.filter(is_main=False)
    lent = rows.filter(business="", shared=True)
    found = (scope.narrow(rows) | lent).order_by("short_code", "business")[:MAX_CHOICES]
    told: dict[str, list[str]] = {}
    for row in found:
        owner = f"{row.business or 'installation'}, {row.get_environment_display()}"
        told.setdefault(row.short_code, []).append(owner)
    return [(code, f"{code} ({'; '.join(owners)})") for code, owners in told.items()]


def usual_business(scope: Scope) -> str:
    """The user's only business; the installation for people of several."""
    return next(iter(scope.businesses)) if len(scope.businesses) == 1 else ""


def destination_of(scope: Scope) -> tuple[str, SafeString] | None:
    """The usual business and where its money moves; None where the user has no usual one."""
    usual = usual_business(scope)
    if not scope.allows(usual):
        return None
    return usual or "The installation", payment_badge_of(usual).render()


class MoneyFormAdmin(HubAdmin):
    """What the pages with such a form do alike."""

    @staticmethod
    def _initial(scope: Scope) -> dict[str, Any]:
        return {"idempotency_key": uuid.uuid4(), "business": usual_business(scope)}

    @staticmethod
    def _explain(form: forms.Form, text: str, data: dict[str, Any]) -> None:
        field = str(data.get("field") or "")
        if field in form.fields:
            form.add_error(field, text.removeprefix(f"{field}: "))
        else:
            form.add_error(None, text)

    def _to_payment(self, _request: HttpRequest, public_id: str) -> HttpResponse:
        site = self.admin_site.name
        try:
            pk = Payment.objects.values_list("pk", flat=True).get(public_id=public_id)
        except DatabaseError:
            # It may have been sent; the message has told what is known.
            logger.exception("payment=%s not_shown", public_id)
            return redirect(reverse(f"{site}:integrations_payment_changelist"))
        return redirect(reverse(f"{site}:integrations_payment_change", args=[pk]))

    def _form_page(
        self, request: HttpRequest, form: AccountForm, *, title: str, button: str, **more: Any
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "button": button,
            "opts": self.opts,
            "form": form,
            "destination": destination_of(form.scope),
            "has_others": form.scope != form.scope.only(usual_business(form.scope)),
            "media": self.media,
            **more,
        }
        return TemplateResponse(request, TEMPLATE, context)
