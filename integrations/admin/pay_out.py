"""Money out from the admin: paying a phone, and giving the money of a payment back."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from integrations.access import Scope, request_scope
from integrations.admin.approval_context import NOT_PAID
from integrations.admin.money_form import (
    AccountForm,
    CheckBox,
    Choice,
    MoneyFormAdmin,
    TextBox,
    usual_business,
)
from integrations.config import get_snapshot
from integrations.exceptions import IntegrationError, InvalidInput
from integrations.models import Direction, Payment, PaymentState, Product
from integrations.money import parse_money
from integrations.payments import reversals
from integrations.payments.mpesa_payment import MpesaPaymentService
from integrations.phone import kenyan_msisdn
from integrations.providers.mpesa.payloads import PayoutCommand

AGAIN = "Pay all the same"
LOOKS_ALIKE = timedelta(hours=24)
PERMISSION = "integrations.payout_payment"
REVERSE = "integrations.reverse_payment"
PURPOSES = {
    PayoutCommand.BUSINESS: "Business payment",
    PayoutCommand.SALARY: "Salary",
    PayoutCommand.PROMOTION: "Promotion",
}


class PayOutForm(AccountForm):
    """What a payout needs. The service judges the values; the form only asks for them."""

    phone = forms.CharField(
        max_length=32,
        widget=TextBox(attrs={"inputmode": "tel", "autocomplete": "off"}),
        help_text="The receiver's M-Pesa number, such as 0712345678.",
    )
    amount = forms.CharField(
        max_length=16,
        label="Amount in KES",
        widget=TextBox(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        help_text="Whole shillings.",
    )
    reference = forms.CharField(
        max_length=64, widget=TextBox(), help_text="What it is for, such as INV001. Stays with us."
    )
    command = forms.ChoiceField(
        label="Purpose", widget=Choice, choices=[(c.value, text) for c, text in PURPOSES.items()]
    )
    remarks = forms.CharField(
        max_length=100, initial="Payout", widget=TextBox(), help_text="Goes to M-Pesa."
    )
    # Asked for where a payout that looks like this one went out, or is about to.
    again = forms.BooleanField(required=False, label=AGAIN, widget=forms.HiddenInput)
    field_order = ("phone", "amount", "reference", "command", "remarks", "business", "short_code")

    def clean(self) -> dict[str, Any]:
        """Hold back what looks like a payout of the last day, until it is confirmed."""
        cleaned = super().clean() or self.cleaned_data
        twin = None if self.errors or cleaned["again"] else payout_twin(cleaned)
        if twin is not None:
            self.fields["again"].widget = CheckBox()
            told = f"{timezone.localtime(twin.created_at):%d %b, %H:%M}"
            raise forms.ValidationError(
                f"The same number got the same amount, {told} ({twin.account_reference}; "
                f"{twin.get_state_display().lower()}; {twin.public_id}). Look at it first."
            )
        return cleaned


def payout_twin(wanted: dict[str, Any]) -> Payment | None:
    """A payout of the last day of the same amount to the same number that was not called off."""
    try:
        phone, amount = kenyan_msisdn(wanted["phone"]), parse_money(wanted["amount"]).amount
    except InvalidInput:
        return None  # the service says what is wrong with it
    rows = Payment.objects.filter(
        business=wanted["business"], direction=Direction.OUT, product=Product.B2C, phone=phone,
        amount=amount, created_at__gte=timezone.now() - LOOKS_ALIKE,
    ).exclude(state__in=NOT_PAID)  # fmt: skip
    return rows.exclude(idempotency_key=str(wanted["idempotency_key"])).first()


def limits_in_words(scope: Scope) -> list[str]:
    """The limits of the user's usual business; none where it has no usable settings."""
    try:
        values = get_snapshot("mpesa", usual_business(scope)).values
    except IntegrationError:
        return []
    lines = [
        f"One payout: KES {values['payout_minimum']:,} to {values['payout_maximum']:,}.",
        _approval_line(values["approve_above"]),
    ]
    for name, words in (
        ("payout_daily_limit", "All payouts of a day"), ("payee_daily_limit", "One number in a day")
    ):  # fmt: skip
        if values[name] is not None:
            lines.append(f"{words}: at most KES {values[name]:,}.")
    return lines


def _approval_line(limit: Any) -> str:
    if limit is None:
        return "No second person has to approve: it is sent at once."
    if not int(limit):
        return "A second person has to approve; nothing is sent before."
    return f"Above KES {limit:,} a second person has to approve; nothing is sent before."


class ReverseForm(AccountForm):
    """How much of a payment goes back, and why."""

    amount = forms.CharField(
        max_length=16,
        label="Amount in KES",
        widget=TextBox(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        help_text="Whole shillings; all that is left, or a part of it.",
    )
    remarks = forms.CharField(
        max_length=100, widget=TextBox(), help_text="Why; goes to M-Pesa. 2 to 100 characters."
    )
    field_order = ("amount", "remarks")

    def __init__(self, scope: Scope, *args: Any, **kwargs: Any) -> None:
        super().__init__(scope, *args, **kwargs)
        # The payment says whose it is.
        for name in ("business", "short_code"):
            self.fields.pop(name, None)


def left_of(payment: Payment) -> Decimal:
    """What can still be given back; 0 where it can't be reversed at all."""
    if reversals.why_not(payment):
        return Decimal(0)
    return payment.amount - reversals.taken_of(payment)


class PayOutAdmin(MoneyFormAdmin):
    """Adds "Pay out" to the ledger and "Reverse" to a payment's page, for those who may."""

    def get_urls(self) -> list[URLPattern]:
        """The forms' URLs before Django's own."""
        wrap, name = self.admin_site.admin_view, "integrations_payment"
        return [
            path("pay-out/", wrap(self.pay_out_view), name=f"{name}_pay_out"),
            path("<int:pk>/reverse/", wrap(self.reverse_view), name=f"{name}_reverse"),
            *super().get_urls(),
        ]

    def has_pay_out_permission(self, request: HttpRequest) -> bool:
        """Whoever may pay out and see payments."""
        return self.has_view_permission(request) and request.user.has_perm(PERMISSION)

    def has_reverse_permission(self, request: HttpRequest) -> bool:
        """Whoever may reverse and see payments."""
        return self.has_view_permission(request) and request.user.has_perm(REVERSE)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """With the link to the form for those who may."""
        extra = {**(extra_context or {}), "may_pay_out": self.has_pay_out_permission(request)}
        return super().changelist_view(request, extra)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False,
        change: bool = False, form_url: str = "", obj: Any = None,
    ) -> HttpResponse:  # fmt: skip
        """With the button for those who may, where something is left."""
        if obj is not None:
            may = self.has_reverse_permission(request)
            context["reversible"] = left_of(obj) if may else Decimal(0)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def pay_out_view(self, request: HttpRequest) -> HttpResponse:
        """The form; once it is sent well, the payment's page. Raises PermissionDenied."""
        if not self.has_pay_out_permission(request):
            raise PermissionDenied
        scope = request_scope(request)
        page: dict[str, Any] = {
            "title": "Pay out", "button": "Pay out", "lines": limits_in_words(scope),
        }  # fmt: skip
        if request.method != "POST":
            form = PayOutForm(scope, initial=self._initial(scope))
            return self._form_page(request, form, **page)
        form = PayOutForm(scope, request.POST)
        if form.is_valid():
            answer = MpesaPaymentService.pay_out(**form.wanted(), requested_by=request.user)
            shown = self._after(request, form, answer)
            if shown is not None:
                return shown
        return self._form_page(request, form, **page)

    def reverse_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The form for one payment; then the reversal's page.

        Raises PermissionDenied, and Http404 for what is outside of the user's businesses.
        """
        if not self.has_reverse_permission(request):
            raise PermissionDenied
        payment = self.get_queryset(request).filter(pk=pk).first()
        if payment is None:
            raise Http404("There is no such payment.")
        left, scope = left_of(payment), request_scope(request)
        if left <= 0 and request.method != "POST":
            reason = reversals.why_not(payment) or "nothing of it is left."
            messages.warning(request, f"It can't be reversed: {reason}")
            return HttpResponseRedirect(reverse("admin:integrations_payment_change", args=[pk]))
        form = ReverseForm(
            scope, request.POST if request.method == "POST" else None,
            initial={**self._initial(scope), "amount": f"{left:.0f}"},
        )  # fmt: skip
        if request.method == "POST" and form.is_valid():
            answer = MpesaPaymentService.reverse(
                payment, form.cleaned_data["amount"], remarks=form.cleaned_data["remarks"],
                idempotency_key=form.wanted()["idempotency_key"], business=payment.business,
                requested_by=request.user,
            )  # fmt: skip
            shown = self._after(request, form, answer)
            if shown is not None:
                return shown
        return self._form_page(
            request, form, title=f"Reverse {payment.receipt or payment.public_id}",
            button="Give the money back", destination=None, has_others=False,
            lines=_reversal_lines(payment, left),
        )  # fmt: skip

    def _after(
        self, request: HttpRequest, form: AccountForm, answer: tuple[bool, Any, Any]
    ) -> HttpResponse | None:
        """The page of what was stored; None where nothing was, and the form says why."""
        success, text, data = answer[0], str(answer[1] or ""), answer[2] or {}
        if not data.get("payment_id"):
            self._explain(form, text, data)
            return None
        if data.get("repeated"):
            messages.info(request, "This was asked for already, and here it is. Nothing was sent.")
        elif data["state"] == PaymentState.AWAITING_APPROVAL:
            messages.info(request, text)
        elif success:
            messages.success(request, "M-Pesa took it. This page follows it.")
        else:
            messages.warning(request, text)
        return self._to_payment(request, data["payment_id"])


def _reversal_lines(payment: Payment, left: Decimal) -> list[str]:
    when = f"{timezone.localtime(payment.paid_at or payment.created_at):%d %b %Y, %H:%M}"
    payer = payment.phone or payment.party_name or payment.party
    reference = payment.account_reference or "no reference"
    lines = [
        f"Came in: {payment.currency} {payment.amount:,.2f}, {when}, {payer}, for {reference}.",
        f"Left to give back: {payment.currency} {left:,.2f}.",
    ]
    try:
        limit = get_snapshot("mpesa", payment.business, payment.short_code).values["approve_above"]
    except IntegrationError:
        return lines
    return [*lines, _approval_line(limit)]
