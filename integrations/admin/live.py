"""What lets an open page of the ledger follow its rows: a short text that changes with them."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Max
from django.forms import Media
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path, reverse

from integrations.admin.base import HubAdmin
from integrations.models import Payment
from integrations.payments.states import FINAL

# The list looks at its newest rows only, so that a long ledger costs as little as a short one.
NEWEST = 50


class LivePaymentAdmin(HubAdmin):
    """Adds the address that the page's script asks, for the list and for one payment."""

    @property
    def media(self) -> Media:
        """With the page's script."""
        return super().media + Media(js=["integrations/live.js"])

    def get_urls(self) -> list[URLPattern]:
        """The two addresses before Django's own."""
        view = self.admin_site.admin_view(self.live_view)
        return [
            path("live/", view, name="integrations_payment_live"),
            path("<int:pk>/live/", view, name="integrations_payment_live_one"),
            *super().get_urls(),
        ]

    def live_view(self, request: HttpRequest, pk: int | None = None) -> JsonResponse:
        """`{"state", "ended"}`; raises PermissionDenied, and Http404 for others' payments."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = self.get_queryset(request)
        if pk is None:
            return _answer(list_state(rows), is_ended=False)
        payment = rows.filter(pk=pk).first()
        if payment is None:
            raise Http404("There is no such payment.")
        return _answer(row_state(payment), is_ended=payment.state in FINAL)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """With the address to ask, and what the page shows now."""
        extra = {
            **(extra_context or {}),
            "live_url": reverse(f"{self.admin_site.name}:integrations_payment_live"),
            "live_state": list_state(self.get_queryset(request)),
        }
        return super().changelist_view(request, extra)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False,
        change: bool = False, form_url: str = "", obj: Any = None,
    ) -> HttpResponse:  # fmt: skip
        """The same for one payment."""
        if obj is not None:
            name = f"{self.admin_site.name}:integrations_payment_live_one"
            context["live_url"] = reverse(name, args=[obj.pk])
            context["live_state"] = row_state(obj)
        return super().render_change_form(request, context, add, change, form_url, obj)


def row_state(payment: Payment) -> str:
    """Changes whenever the payment does, its history included: notes touch no other column."""
    last = payment.events.aggregate(last=Max("pk"))["last"]
    return f"{payment.state}-{payment.attention[:1]}-{last}"


def list_state(rows: Any) -> str:
    """Changes with the newest payments and with the state of any of them."""
    newest = rows.order_by("-pk").values_list("pk", "state")[:NEWEST]
    return ",".join(f"{pk}{state[:3]}" for pk, state in newest)


def _answer(state: str, *, is_ended: bool) -> JsonResponse:
    answer = JsonResponse({"state": state, "ended": is_ended})
    answer["Cache-Control"] = "no-store"
    return answer
