"""What people may do with tax documents: verify and resend, credit, settle, print, export."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.urls import URLPattern, path, reverse

from integrations.admin.exports import ExportAdmin
from integrations.admin.kra_credit_form import CreditForm, may_credit
from integrations.admin.kra_form_page import form_page
from integrations.admin.kra_settle_form import SettleInvoiceForm
from integrations.admin.kra_settling import SettleAdmin
from integrations.exceptions import IntegrationError
from integrations.kra import receipts
from integrations.kra.outbox.settle import Resent, settle, verify_and_resend
from integrations.kra.outbox.submit import submit
from integrations.models import AuditEntry, InvoiceState, KRAInvoice

MAX_RESENT, MAX_TOLD = 500, 20
NAME = "integrations_krainvoice"
PAGE = f"admin:{NAME}_change"
CREDIT_LINES = (
    "Prices, taxes, currency and customer are the invoice's.",
    "A signed invoice can't be cancelled: a credit note is how money goes back.",
    "Leave every quantity as it is to credit all that is left.",
)
# What is not settled, or may go better now than it did.
RESENDABLE = (
    InvoiceState.QUEUED, InvoiceState.IN_DOUBT, InvoiceState.REGISTERED, InvoiceState.REJECTED,
)  # fmt: skip
EXPORTED = (
    "created_at", "public_id", "trader_number", "kind", "state", "number", "total", "tax",
    "taxable", "currency", "exchange_rate", "customer_name", "customer_pin", "issued_at",
    "original__trader_number", "reason", "control_unit_id", "receipt_number",
    "total_receipt_number", "internal_data", "signature", "signed_at", "branch__tin",
    "branch__bhf_id", "environment", "business", "transport", "profile", "result_code",
    "result_text", "message", "attention", "times_sent", "times_printed", "sent_at",
    "completed_at",
)  # fmt: skip


class KRAInvoiceActionsAdmin(SettleAdmin, ExportAdmin):
    """The buttons of a document's page and of the list. Every change is a POST, and audited."""

    exported = EXPORTED
    settle_done = "Done. What you found is in the history."
    export_name = "KRA invoices"
    actions = ("verify",)
    change_form_outer_before_template = "admin/integrations/kra_invoice_actions.html"
    list_before_template = "admin/integrations/kra_invoice_tools.html"

    def get_urls(self) -> list[URLPattern]:
        """The buttons' addresses before Django's own."""
        wrap = self.admin_site.admin_view
        views = {
            "resend": self.resend_view, "credit": self.credit_view,
            "receipt": self.receipt_view, "pdf": self.pdf_view, "qr": self.qr_view,
        }  # fmt: skip
        return [
            *(
                path(f"<int:pk>/{name}/", wrap(view), name=f"{NAME}_{name}")
                for name, view in views.items()
            ),
            *super().get_urls(),
        ]

    def has_resend_permission(self, request: HttpRequest) -> bool:
        """Whoever may see documents, and verify and resend them."""
        return self._may(request, "resend_krainvoice")

    def has_submit_permission(self, request: HttpRequest) -> bool:
        """Whoever may see documents and hand them in."""
        return self._may(request, "submit_krainvoice")

    def _may(self, request: HttpRequest, codename: str) -> bool:
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm(f"integrations.{codename}")

    @admin.action(description="Verify with KRA, and resend", permissions=["resend"])
    def verify(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Have the chosen documents looked at now; nothing is sent twice."""
        found = list(queryset.values_list("pk", flat=True)[: MAX_RESENT + 1])
        if len(found) > MAX_RESENT:
            messages.error(request, f"Choose at most {MAX_RESENT} documents.")
            return
        self._verify(request, KRAInvoice.objects.filter(pk__in=found))

    def resend_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """The button of a document's page; raises PermissionDenied."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        invoice = self._document(request, pk, is_allowed=self.has_resend_permission(request))
        self._verify(request, KRAInvoice.objects.filter(pk=invoice.pk))
        return HttpResponseRedirect(reverse(PAGE, args=[pk]))

    def _verify(self, request: HttpRequest, rows: QuerySet[KRAInvoice]) -> None:
        done = verify_and_resend(rows.select_related("branch", "original"), by=request.user)
        for reason in done.refused[:MAX_TOLD]:
            messages.error(request, reason)
        level = messages.SUCCESS if done.asked or done.queued else messages.WARNING
        messages.add_message(request, level, tell_resent(done))

    def credit_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """The form of a credit note, for all that is left or a part of it."""
        invoice = self._document(request, pk, is_allowed=self.has_submit_permission(request))
        if why := may_credit(invoice):
            messages.warning(request, why)
            return HttpResponseRedirect(reverse(PAGE, args=[pk]))
        form = CreditForm(invoice, request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid():
            try:
                note = submit(
                    form.wanted(), business=invoice.business, branch=invoice.branch.bhf_id,
                    by=request.user,
                )  # fmt: skip
            except IntegrationError as error:
                form.explain(error)
            else:
                messages.success(request, f"{note.trader_number} is handed in; KRA signs it next.")
                return HttpResponseRedirect(reverse(PAGE, args=[note.pk]))
        return form_page(
            self, request, form, title=f"Credit {invoice.trader_number}",
            button="Hand in the credit note", back=reverse(PAGE, args=[pk]), lines=CREDIT_LINES,
        )  # fmt: skip

    def is_open(self, row: KRAInvoice) -> bool:
        """Whether a person may tell what KRA has."""
        return row.state in (InvoiceState.IN_DOUBT, InvoiceState.REGISTERED)

    def settle_form(self, row: KRAInvoice, data: Any) -> SettleInvoiceForm:
        """With what KRA's receipt says."""
        return SettleInvoiceForm(data)

    def settle_title(self, row: KRAInvoice) -> str:
        """The page's heading."""
        return f"Settle {row.trader_number}"

    def settle_lines(self, row: KRAInvoice) -> list[str]:
        """What follows."""
        return [
            "Look on KRA's portal first: by what you say here the branch goes on.",
            f"Its number is {row.number}. If KRA has it, type what its receipt there says.",
            "If KRA does not have it, the number goes to whichever document is next.",
        ]

    def settle_row(self, row: KRAInvoice, form: Any, by: Any) -> None:
        """Take the person's word."""
        settle(row, by=by, **form.wanted())

    def receipt_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """The receipt to look at: marked as a copy, and not counted."""
        invoice = self._document(request, pk)
        receipt = receipts.receipt_of(invoice, copy=True)
        # Django's admin views are never stored, this one neither.
        return HttpResponse(receipts.html_of(receipt))

    def pdf_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Hand the receipt out as a file: the original once, by who may hand in; else a copy."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        invoice = self._document(request, pk)
        size = request.POST.get("size", "")
        size = size if size in receipts.SIZES else receipts.SIZES[0]
        copy = None if self.has_submit_permission(request) else True
        data = receipts.render_pdf(invoice, copy=copy, size=size)
        AuditEntry.objects.record(
            "krainvoice.printed", target=invoice, business=invoice.business, detail=size
        )
        response = HttpResponse(data, content_type="application/pdf")
        name = f"receipt-{invoice.public_id}.pdf"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response

    def qr_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """The QR code as a picture; Http404 until the document is signed."""
        text = receipts.qr_text(self._document(request, pk))
        if not text:
            raise Http404("It is not signed.")
        return HttpResponse(receipts.qr_png(text), content_type="image/png")

    def _document(self, request: HttpRequest, pk: int, *, is_allowed: bool = True) -> KRAInvoice:
        """Raises PermissionDenied, and Http404 for what is outside of the user's businesses."""
        if not is_allowed or not self.has_view_permission(request):
            raise PermissionDenied
        rows = self.get_queryset(request).select_related("branch", "original")
        invoice: KRAInvoice | None = rows.filter(pk=pk).first()
        if invoice is None:
            raise Http404("There is no such document.")
        return invoice

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False,
        change: bool = False, form_url: str = "", obj: Any = None,
    ) -> HttpResponse:  # fmt: skip
        """With the buttons for those who may."""
        if obj is not None:
            context |= {
                "may_resend": self.has_resend_permission(request) and obj.state in RESENDABLE,
                "may_credit": self.has_submit_permission(request) and not may_credit(obj),
                "gets_original": self.has_submit_permission(request) and not obj.times_printed,
                "sizes": (("a4", "A4"), ("roll", "Roll of 80 mm")),
            }
        return super().render_change_form(request, context, add, change, form_url, obj)


def tell_resent(done: Resent) -> str:
    """What became of the chosen documents, in a sentence."""
    told = [
        f"{count} {words}"
        for count, words in (
            (done.asked, "looked at next"),
            (done.queued, "sent again"),
            (done.left, "left as they are"),
            (len(done.refused), "can't go again"),
        )
        if count
    ]
    return f"{', '.join(told) or 'Nothing was chosen'}. Nothing that KRA has is sent twice."
