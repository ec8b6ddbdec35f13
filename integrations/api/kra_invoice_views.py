"""KRA documents over HTTP: hand them in, read them, print their receipts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api import kra_serializers as bodies
from integrations.api import kra_shapes as shapes
from integrations.api.hub_view import BODY_REFUSALS, REFUSALS, refuse_unknown
from integrations.api.idempotency import HEADER_PARAMETER, answer_once
from integrations.api.kra_base import (
    INVOICE_ID,
    READ,
    SUBMIT,
    TAGS,
    InvoiceFilter,
    InvoiceView,
    PagedView,
    is_head,
)
from integrations.api.rights import choose_business, require_business
from integrations.api.serializers import ErrorSerializer
from integrations.api.throttles import TaxThrottle
from integrations.exceptions import InvalidInput
from integrations.kra import receipts
from integrations.kra.documents.dates import date_today
from integrations.kra.outbox.states import WAITING
from integrations.kra.outbox.submit import submit
from integrations.kra.outbox.waiting import wait_for_signature
from integrations.models import InvoiceState, KRAInvoice
from integrations.providers.kra.client.wire import read_text

LONGEST_WAIT = 30
_NOT_FOUND = {404: ErrorSerializer}
_TAKEN: dict[Any, Any] = {
    201: shapes.SubmittedSerializer,
    200: shapes.SubmittedSerializer,
    409: ErrorSerializer,
    503: ErrorSerializer,
    **BODY_REFUSALS,
}
WAIT = OpenApiParameter(
    "wait",
    int,
    description=f"Seconds to wait for KRA's signature, 0 to {LONGEST_WAIT}; 0 if left out. "
    "Whether or not it came, the document is stored and sent in its turn.",
)
_SIMPLE = {
    "invoice_number": "INV-2026-000123",
    "issue_date": "2026-11-23",
    "customer": {"name": "Mwangi & Sons", "kra_pin": "P051987654Z"},
    "items": [
        {"description": "Sugar 1 kg", "quantity": "2", "unit_price": "1000.00",
         "tax_rate": "16", "total": "2320.00"}
    ],
    "totals": {"subtotal": "2000.00", "tax_amount": "320.00", "total": "2320.00"},
}  # fmt: skip
_FULL = {
    "invoice_number": "INV-2026-000124",
    "issue_date": "2026-11-23T10:15:00+03:00",
    "prices_include_tax": True,
    "payment_type": "06",
    "branch": "00",
    "items": [
        {"description": "Sugar 1 kg", "item_code": "KE2NTNO0000001", "quantity": "2",
         "unit_price": "1160.00", "tax_type": "B", "discount_rate": "10"}
    ],
}  # fmt: skip
_PART = {
    "invoice_number": "CN-2026-000007",
    "reason": "06",
    "items": [{"original_line": 1, "quantity": "1"}],
}


class InvoiceListView(InvoiceView, PagedView):
    """The book, newest first, and new documents."""

    rights = {"GET": READ, "POST": SUBMIT}
    keyed = frozenset({"POST"})
    costly = (TaxThrottle,)
    left_out = ("document", "body", "original__document", "original__body", "branch__details")
    filterset_class = InvoiceFilter
    serializer_class = shapes.KRAInvoiceSerializer

    @extend_schema(
        operation_id="kra_invoice_list",
        summary="List KRA invoices and credit notes",
        responses={200: shapes.KRAInvoiceSerializer(many=True), **REFUSALS, **_NOT_FOUND},
        tags=TAGS,
    )
    def get(self, request: Request) -> Response:
        """One page of the documents that fit every filter."""
        return self.paged(request)

    @extend_schema(
        operation_id="kra_invoice_submit",
        summary="Hand in an invoice or a credit note for KRA",
        description="201 means that it is stored and will be sent in its turn, never that it is "
        "signed: read it, or take the webhook `invoice.signed`. 200 means that it was handed in "
        "before with the same content, which sends nothing. 409 means that its number was used "
        "for other content; one that KRA rejected may be handed in again, corrected. Errors name "
        "line and field, as `items[2].quantity` for the third line, and nothing is stored then.",
        request=bodies.InvoiceSerializer,
        parameters=[WAIT, HEADER_PARAMETER],
        responses=_TAKEN,
        filters=False,
        examples=[
            OpenApiExample("The documented simple form", value=_SIMPLE, request_only=True),
            OpenApiExample("With item code and discount", value=_FULL, request_only=True),
        ],
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Store it; the worker sends it."""
        seconds = wait_of(request)
        given = bodies.names_only(bodies.InvoiceSerializer(), request.data)
        business = choose_business(request, _named(given.pop("business", None), "business"))
        branch = _named(given.pop("branch", None), "branch") or ""
        return hand_in(
            self, request, lambda: submit(given, business=business, branch=branch, by=request.user),
            seconds,
        )  # fmt: skip


class InvoiceDetailView(InvoiceView):
    """One document."""

    rights = {"GET": READ}
    serializer_class = shapes.KRAInvoiceDetailSerializer

    @extend_schema(
        operation_id="kra_invoice_read",
        summary="Read a KRA document, its receipt's facts and its history",
        parameters=[INVOICE_ID],
        responses={200: shapes.KRAInvoiceDetailSerializer, **REFUSALS, **_NOT_FOUND},
        tags=TAGS,
    )
    def get(self, request: Request, invoice_id: str) -> Response:
        """As it stands now; KRA is not asked."""
        refuse_unknown(request)
        return Response(self.get_serializer(self.find_invoice(invoice_id)).data)


class InvoiceCreditView(InvoiceView):
    """Credits an invoice."""

    rights = {"POST": SUBMIT}
    keyed = frozenset({"POST"})
    costly = (TaxThrottle,)
    serializer_class = shapes.KRAInvoiceSerializer

    @extend_schema(
        operation_id="kra_invoice_credit",
        summary="Credit an invoice, all of it or a part",
        description="Without `items` everything that is left is credited. A line names its line "
        "of the original in `original_line`, else it is found by its item. Answers as handing in "
        "an invoice; more than is left is refused.",
        request=bodies.CreditSerializer,
        parameters=[INVOICE_ID, WAIT, HEADER_PARAMETER],
        responses={**_TAKEN, **_NOT_FOUND},
        examples=[OpenApiExample("One of two packets", value=_PART, request_only=True)],
        tags=TAGS,
    )
    def post(self, request: Request, invoice_id: str) -> Response:
        """Store the credit note; the worker sends it after its original."""
        seconds = wait_of(request)
        given = bodies.names_only(bodies.CreditSerializer(), request.data)
        original = self.find_invoice(invoice_id)
        # The day alone: the same body again, without a key, is the same credit note.
        given.setdefault("issue_date", date_today())
        given["original_invoice_number"] = original.trader_number
        given.setdefault("customer", {"name": original.customer_name,
                                      "kra_pin": original.customer_pin})  # fmt: skip
        return hand_in(
            self,
            request,
            lambda: submit(
                given, business=original.business, branch=original.branch.bhf_id, by=request.user
            ),
            seconds,
        )


class AnyType(DefaultContentNegotiation):
    """`format` is a parameter of the view, and what it answers is not for the renderers."""

    def select_renderer(
        self, _request: Request, renderers: Any, _format_suffix: str | None = None
    ) -> tuple[Any, str]:
        """JSON, for everything but the receipts themselves."""
        return renderers[0], renderers[0].media_type


class InvoiceReceiptView(InvoiceView):
    """Prints receipts."""

    rights = {"GET": READ}
    serializer_class = shapes.KRAInvoiceSerializer
    content_negotiation_class = AnyType
    formats = ("json", "html", "pdf", "png")

    @extend_schema(
        operation_id="kra_invoice_receipt",
        summary="Print a receipt",
        description="`html` and `pdf` hand the receipt out: the first one of a signed document is "
        "the original, every further one is marked as a copy; before the signature it is marked "
        "as provisional. Who may not hand documents in gets copies alone. `json` is everything "
        "that is printed, `png` is the QR code; neither counts as printing. 409 "
        "(`not_signed`): there is no QR code yet.",
        parameters=[
            INVOICE_ID,
            OpenApiParameter("format", str, enum=formats, description="`json` if left out."),
            OpenApiParameter("copy", bool, description="True: a marked copy. False: the original, "
                             "or 409 (`already_printed`)."),
            OpenApiParameter("size", str, enum=sorted(receipts.SIZES), description="Of a PDF."),
        ],
        responses={
            (200, "application/json"): OpenApiTypes.OBJECT,
            (200, "text/html"): OpenApiTypes.STR,
            (200, "application/pdf"): OpenApiTypes.BINARY,
            (200, "image/png"): OpenApiTypes.BINARY,
            409: ErrorSerializer,
            **{code: OpenApiResponse(ErrorSerializer) for code in (*REFUSALS, 404)},
        },
        tags=TAGS,
    )  # fmt: skip
    def get(self, request: Request, invoice_id: str) -> Any:
        """The receipt in the wanted form."""
        refuse_unknown(request, "format", "copy", "size")
        form = _choice(request, "format", self.formats, "json")
        size = _choice(request, "size", tuple(receipts.SIZES), "a4")
        copy = _flag(request, "copy")
        # There is one original: nobody takes it who may only look.
        if (why := SUBMIT.refusal(request)) and not copy:
            if copy is False:
                raise PermissionDenied(why)
            copy = form != "json"
        invoice = self.find_invoice(invoice_id)
        if is_head(request):
            copy, form = None, "json"
        if form == "json":
            return Response(receipts.receipt_of(invoice, copy=bool(copy)).as_dict())
        return _printed(invoice, form, copy, size)


def hand_in(
    view: InvoiceView, request: Request, store: Callable[[], KRAInvoice], seconds: float
) -> Response:
    """Store a document once for an Idempotency-Key, then wait for its signature."""
    # Not checked yet: as any database can compare it.
    data = request.data if isinstance(request.data, dict) else {}
    number = read_text(data.get("invoice_number"), 50)

    def act() -> Response:
        rows = view.get_queryset().filter(trader_number=number)
        before = dict(rows.values_list("pk", "state"))
        invoice = store()
        is_new = before.get(invoice.pk, InvoiceState.REJECTED) == InvoiceState.REJECTED
        is_taken = is_new and invoice.state != InvoiceState.REJECTED
        return Response(
            _describe(view, invoice),
            status=status.HTTP_201_CREATED if is_taken else status.HTTP_200_OK,
        )

    answer = answer_once(request, act)
    told = answer.data["invoice"]
    # A repeated answer is of then; the caller may have lost the business since.
    require_business(request, str(told["business"]))
    if seconds and str(told["state"]) in WAITING:
        invoice = view.find_invoice(str(told["invoice_id"]))
        answer.data.update(_describe(view, wait_for_signature(invoice, seconds)))
    return answer


def _describe(view: InvoiceView, invoice: KRAInvoice) -> dict[str, Any]:
    shown = view.get_queryset().get(pk=invoice.pk)
    return {
        "success": True,
        "message": shown.message or str(shown.get_state_display()),
        "warnings": list(shown.document.get("warnings", [])),
        "invoice": view.get_serializer(shown).data,
    }


def wait_of(request: Request) -> float:
    """The parameter `wait`; raises ValidationError."""
    refuse_unknown(request, "wait")
    text = request.query_params.get("wait", "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= LONGEST_WAIT):
        raise ValidationError({"wait": [f"Must be 0 to {LONGEST_WAIT} seconds."]}, code="invalid")
    return float(text)


def _printed(invoice: KRAInvoice, form: str, copy: bool | None, size: str) -> HttpResponse:
    if form == "html":
        page = receipts.render_html(invoice, copy=copy)
        return HttpResponse(page, content_type="text/html; charset=utf-8")
    if form == "pdf":
        made = receipts.render_pdf(invoice, copy=copy, size=size)
        named = f'inline; filename="receipt-{invoice.public_id}.pdf"'
        return HttpResponse(
            made, content_type="application/pdf", headers={"Content-Disposition": named}
        )
    text = receipts.qr_text(invoice)
    if not text:
        raise InvalidInput(
            "format", "the document is not signed yet; it has no QR code.", code="not_signed"
        )
    return HttpResponse(receipts.qr_png(text), content_type="image/png")


def _choice(request: Request, name: str, allowed: tuple[str, ...], default: str) -> str:
    text = request.query_params.get(name, default)
    if text not in allowed:
        told = f"Must be one of {', '.join(allowed)}."
        raise ValidationError({name: [told]}, code="invalid_choice")
    return text


def _flag(request: Request, name: str) -> bool | None:
    text = request.query_params.get(name)
    found = {None: None, "true": True, "false": False}
    if text not in found:
        raise ValidationError({name: ["Must be true or false."]}, code="invalid")
    return found[text]


def _named(value: Any, field: str) -> str | None:
    """A short text of the body; raises ValidationError."""
    longest = {"business": 64, "branch": 10}[field]
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        told = f"Must be text of at most {longest} printable characters."
        raise ValidationError({field: [told]}, code="invalid")
    return value
