"""Asking a payer to pay from the admin: a form, one push, and the payment's own page."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone

from integrations.access import request_scope
from integrations.admin.money_form import AccountForm, CheckBox, MoneyFormAdmin, TextBox
from integrations.exceptions import InvalidInput
from integrations.models import Payment
from integrations.models import PaymentState as S
from integrations.payments.mpesa_payment import MpesaPaymentService
from integrations.phone import kenyan_msisdn

AGAIN = "Prompt the payer once more all the same"
# A form that is opened anew is a new request: people do that after an answer that was lost.
LOOKS_ALIKE = timedelta(minutes=10)
OPEN = (S.CREATED, S.SENDING, S.PENDING, S.UNKNOWN, S.REQUIRES_ACTION, S.AUTHORIZED)
PERMISSION = "integrations.push_payment"
PAGE = {"title": "Request a payment", "button": "Send the prompt"}


class PushForm(AccountForm):
    """What a push needs. The service judges the values; the form only asks for them."""

    phone = forms.CharField(
        max_length=32,
        widget=TextBox(attrs={"inputmode": "tel", "autocomplete": "off"}),
        help_text="The payer's M-Pesa number, such as 0712345678.",
    )
    amount = forms.CharField(
        max_length=16,
        label="Amount in KES",
        widget=TextBox(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        help_text="Whole shillings.",
    )
    account_reference = forms.CharField(
        max_length=64, widget=TextBox(), help_text="What is paid, such as INV001."
    )
    description = forms.CharField(max_length=200, initial="Payment", widget=TextBox())
    # Asked for where a payment that looks like this one is still open.
    again = forms.BooleanField(required=False, label=AGAIN, widget=forms.HiddenInput)
    field_order = ("phone", "amount", "account_reference", "description", "business", "short_code")

    def clean(self) -> dict[str, Any]:
        """Hold back what looks like a payment that is still open, until it is confirmed."""
        cleaned = super().clean() or self.cleaned_data
        twin = None if self.errors or cleaned["again"] else open_twin(cleaned)
        if twin is not None:
            self.fields["again"].widget = CheckBox()
            told = f"{timezone.localtime(twin.created_at):%H:%M}"
            raise forms.ValidationError(
                f"The same payer was asked for the same amount and reference at {told}, and that "
                f"payment ({twin.public_id}) is still open. Look at it first."
            )
        return cleaned


def open_twin(wanted: dict[str, Any]) -> Payment | None:
    """An open payment of the last minutes that asks the same payer for the same thing."""
    try:
        phone, amount = kenyan_msisdn(wanted["phone"]), Decimal(wanted["amount"])
    except (InvalidInput, InvalidOperation):
        return None  # the service says what is wrong with it
    return (
        Payment.objects.filter(
            business=wanted["business"], phone=phone, state__in=OPEN,
            account_reference=wanted["account_reference"],
            created_at__gte=timezone.now() - LOOKS_ALIKE,
        )
        .exclude(idempotency_key=str(wanted["idempotency_key"]))
        .filter(amount=amount)
        .first()
    )  # fmt: skip


class PushPaymentAdmin(MoneyFormAdmin):
    """Adds "Request a payment" to the ledger, for those who may start payments."""

    def get_urls(self) -> list[URLPattern]:
        """The form's URL before Django's own."""
        view = self.admin_site.admin_view(self.request_view)
        return [path("request/", view, name="integrations_payment_request"), *super().get_urls()]

    def has_push_permission(self, request: HttpRequest) -> bool:
        """Whoever may start payments and see them."""
        return self.has_view_permission(request) and request.user.has_perm(PERMISSION)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """With the link to the form for those who may."""
        extra = {**(extra_context or {}), "may_push": self.has_push_permission(request)}
        return super().changelist_view(request, extra)

    def request_view(self, request: HttpRequest) -> HttpResponse:
        """The form; once it is sent well, the payment's page."""
        if not self.has_push_permission(request):
            raise PermissionDenied
        scope = request_scope(request)
        if request.method != "POST":
            form = PushForm(scope, initial=self._initial(scope))
            return self._form_page(request, form, **PAGE)
        form = PushForm(scope, request.POST)
        if form.is_valid():
            success, text, data = MpesaPaymentService.initiate_stk_push(**form.wanted())
            if data and data["payment_id"]:
                self._tell_push(
                    request, success, text or "", is_repeated=bool(data.get("repeated"))
                )
                return self._to_payment(request, data["payment_id"])
            self._explain(form, text or "", data or {})
        return self._form_page(request, form, **PAGE)

    @staticmethod
    def _tell_push(request: HttpRequest, success: bool, text: str, *, is_repeated: bool) -> None:
        if is_repeated:
            messages.info(request, "This was requested already, and here it is. Nothing was sent.")
        elif success:
            messages.success(request, "The prompt is on the payer's phone. This page follows it.")
        else:
            messages.warning(request, text)
