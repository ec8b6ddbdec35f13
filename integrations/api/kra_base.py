"""What the views of KRA share: rights, and the rows of the caller's businesses."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Count, Min, OuterRef, Prefetch, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from integrations.access import request_scope
from integrations.api.hub_view import HubView
from integrations.api.payment_filters import PaymentPages
from integrations.api.rights import Right
from integrations.api.throttles import CostlyThrottle
from integrations.kra.outbox.states import WAITING
from integrations.models import (
    Environment,
    InvoiceKind,
    InvoiceState,
    KRABranch,
    KRAInvoice,
    KRAInvoiceEvent,
    TokenScope,
)

TAGS = ["kra"]
NO_INVOICE, NO_BRANCH = "There is no such KRA invoice.", "There is no such KRA branch."
READ = Right(TokenScope.TAX_READ, "integrations.view_krainvoice")
SUBMIT = Right(TokenScope.TAX_WRITE, "integrations.submit_krainvoice")
RESEND = Right(TokenScope.TAX_WRITE, "integrations.resend_krainvoice")
SETTLE = Right(TokenScope.TAX_WRITE, "integrations.settle_krainvoice")
READ_BRANCHES = Right(TokenScope.TAX_READ, "integrations.view_krabranch")
RELEASE = Right(TokenScope.TAX_WRITE, "integrations.release_krabranch")
INVOICE_ID = OpenApiParameter(
    "invoice_id", UUID, OpenApiParameter.PATH, description="The document's id."
)
BRANCH_ID = OpenApiParameter("branch_id", int, OpenApiParameter.PATH)


class KRAView(HubView):
    """Rows of the caller's businesses; others don't exist here."""

    def get_throttles(self) -> list[BaseThrottle]:
        """Reading costs nobody else anything."""
        found = super().get_throttles()
        if self.request.method == "POST":
            return found
        return [each for each in found if not isinstance(each, CostlyThrottle)]

    def get_queryset(self) -> QuerySet[Any]:
        """The documents."""
        if getattr(self, "swagger_fake_view", False):
            return KRAInvoice.objects.none()
        rows = KRAInvoice.objects.select_related("branch", "original")
        return request_scope(self.request).narrow(rows)

    def find_invoice(self, invoice_id: str) -> KRAInvoice:
        """The caller's document with its history; raises Http404 for any other text."""
        try:
            wanted = UUID(invoice_id)
        except ValueError:
            raise Http404(NO_INVOICE) from None
        history = Prefetch("events", KRAInvoiceEvent.objects.order_by("id"))
        rows = self.get_queryset().prefetch_related(history)
        found: KRAInvoice | None = rows.filter(public_id=wanted).first()
        if found is None:
            raise Http404(NO_INVOICE)
        return found

    def branches(self) -> QuerySet[KRABranch]:
        """The control units, with what waits for them."""
        if getattr(self, "swagger_fake_view", False):
            return KRABranch.objects.none()
        # Few wait, however many there are: found by the index of states.
        waiting = KRAInvoice.objects.filter(
            branch=OuterRef("pk"), state__in=[str(state) for state in WAITING]
        ).order_by()
        counted = waiting.values("branch").annotate(count=Count("pk")).values("count")
        oldest = waiting.values("branch").annotate(first=Min("created_at")).values("first")
        rows = KRABranch.objects.annotate(
            waiting=Coalesce(Subquery(counted), 0), oldest_waiting_at=Subquery(oldest)
        )
        return request_scope(self.request).narrow(rows).order_by("pk")

    def find_branch(self, branch_id: str) -> KRABranch:
        """The caller's control unit; raises Http404 for any other text."""
        is_number = branch_id.isascii() and branch_id.isdigit() and len(branch_id) <= 18
        row = self.branches().filter(pk=int(branch_id)).first() if is_number else None
        if row is None:
            raise Http404(NO_BRANCH)
        return row


class InvoiceFilter(filters.FilterSet):  # type: ignore[misc]
    """Every filter narrows; together they must all fit."""

    state = filters.MultipleChoiceFilter(
        choices=InvoiceState.choices, help_text="May be given several times."
    )
    kind = filters.ChoiceFilter(choices=InvoiceKind.choices)
    environment = filters.ChoiceFilter(choices=Environment.choices)
    business = filters.CharFilter(method="by_business", help_text="Empty: the installation.")
    pin = filters.CharFilter(field_name="branch__tin", max_length=20, help_text="The seller's.")
    branch = filters.CharFilter(
        field_name="branch__bhf_id", max_length=10, help_text="KRA's two digits."
    )
    trader_number = filters.CharFilter(max_length=50, help_text="The ERP's own number.")
    number = filters.NumberFilter(
        method="by_number", help_text="KRA's number.", min_value=1, max_value=2**53
    )
    original = filters.UUIDFilter(
        field_name="original__public_id", help_text="Credit notes of the invoice with this id."
    )
    created_after = filters.IsoDateTimeFilter(
        field_name="created_at", lookup_expr="gte", help_text="This instant included."
    )
    created_before = filters.IsoDateTimeFilter(
        field_name="created_at", lookup_expr="lt", help_text="This instant excluded."
    )
    needs_attention = filters.BooleanFilter(method="by_attention")

    class Meta:
        model = KRAInvoice
        fields: ClassVar[list[str]] = []

    def filter_queryset(self, queryset: QuerySet[KRAInvoice]) -> QuerySet[KRAInvoice]:
        """As the library's, where an empty `business` is a business too."""
        rows: QuerySet[KRAInvoice] = super().filter_queryset(queryset)
        return rows.filter(business="") if self.data.get("business") == "" else rows

    def by_business(
        self, rows: QuerySet[KRAInvoice], _name: str, value: str
    ) -> QuerySet[KRAInvoice]:
        """A stranger's business has no documents here."""
        return rows.filter(business=value)

    def by_number(self, rows: QuerySet[KRAInvoice], _name: str, value: Any) -> QuerySet[KRAInvoice]:
        """Whole numbers only: others have no document."""
        return rows.filter(number=int(value)) if value == int(value) else rows.none()

    def by_attention(
        self, rows: QuerySet[KRAInvoice], _name: str, value: bool
    ) -> QuerySet[KRAInvoice]:
        """Whether a person has to look."""
        return rows.exclude(attention="") if value else rows.filter(attention="")


def filter_names() -> list[str]:
    """The query parameters that the list knows."""
    paging = [PaymentPages.cursor_query_param, str(PaymentPages.page_size_query_param)]
    return [*InvoiceFilter.base_filters, *paging]


def is_head(request: Request) -> bool:
    """Whether only the head of an answer is asked for: nothing may be counted then."""
    return request.method == "HEAD"
