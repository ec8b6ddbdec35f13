"""What lets an open page of a tax document follow it: a short text that changes with the row."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Max
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path, reverse

from integrations.admin.base import HubAdmin
from integrations.kra.outbox.states import AT_REST
from integrations.models import KRAInvoice

NAME = "integrations_krainvoice_live"


class LiveDocumentAdmin(HubAdmin):
    """Adds the address that the page's script asks."""

    def get_urls(self) -> list[URLPattern]:
        """The address before Django's own."""
        view = self.admin_site.admin_view(self.live_view)
        return [path("<int:pk>/live/", view, name=NAME), *super().get_urls()]

    def live_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        """`{"state", "ended"}`; raises PermissionDenied, and Http404 for others' documents."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        invoice = self.get_queryset(request).filter(pk=pk).first()
        if invoice is None:
            raise Http404("There is no such document.")
        return JsonResponse({"state": row_state(invoice), "ended": invoice.state in AT_REST})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False,
        change: bool = False, form_url: str = "", obj: Any = None,
    ) -> HttpResponse:  # fmt: skip
        """With the address to ask, and what the page shows now."""
        if obj is not None:
            context["live_url"] = reverse(f"admin:{NAME}", args=[obj.pk])
            context["live_state"] = row_state(obj)
        return super().render_change_form(request, context, add, change, form_url, obj)


def row_state(invoice: KRAInvoice) -> str:
    """Changes whenever the document does, its history included."""
    last = invoice.events.aggregate(last=Max("pk"))["last"]
    return f"{invoice.state}-{invoice.attention[:1]}-{last}"
