"""Buttons that ask M-Pesa a question for one of the accounts that their user may see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import (
    HttpRequest,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.urls import reverse

from integrations.access import Scope, request_scope
from integrations.config.environment import environment_row
from integrations.exceptions import IntegrationError
from integrations.models import MpesaQuery, MpesaSettings, QueryState

# A select box of more accounts than these helps nobody; beyond it, the API asks.
MOST_OFFERED = 200
QUESTION_PAGE = "admin:integrations_mpesaquery_change"


def accounts_of(scope: Scope) -> list[tuple[str, str]]:
    """(value, words) of the accounts that somebody may ask about."""
    rows = scope.narrow(MpesaSettings.objects.exclude(short_code="")).order_by("business", "pk")
    found = list(rows.values_list("short_code", "business")[:MOST_OFFERED])
    has_own = MpesaSettings.objects.filter(business="").exists()
    if scope.allows("") and not has_own and (row := environment_row("mpesa")) is not None:
        found.insert(0, (str(getattr(row, "short_code", "")), ""))
    return [(f"{code}:{business}", f"{business or 'Installation'}: {code}")
            for code, business in found]  # fmt: skip


def ask_for(
    request: HttpRequest, ask: Callable[..., MpesaQuery], *, allowed: bool, back: str
) -> HttpResponseBase:
    """Ask at once for the posted account, and lead to the question's page.

    `ask` gets business, short_code, requested_by and now. Raises PermissionDenied.
    """
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    short_code, _, business = request.POST.get("account", "").partition(":")
    if not allowed or not request_scope(request).allows(business):
        raise PermissionDenied
    try:
        query = ask(business=business, short_code=short_code, requested_by=request.user, now=True)
    except IntegrationError as error:
        messages.error(request, error.message)
        return HttpResponseRedirect(reverse(back))
    tell(request, query)
    return HttpResponseRedirect(reverse(QUESTION_PAGE, args=[query.pk]))


def tell(request: HttpRequest, query: MpesaQuery) -> None:
    """What became of a question, in words."""
    if query.state == QueryState.SENT and not query.message:
        messages.success(request, "M-Pesa took the question. This page shows the answer.")
    elif query.state == QueryState.REFUSED:
        messages.error(request, query.message)
    else:
        messages.warning(request, query.message or "The question waits to be sent.")


def asking_context(request: HttpRequest, *, may_ask: bool) -> dict[str, Any]:
    """What the buttons' templates need."""
    return {
        "may_ask": may_ask,
        "accounts": accounts_of(request_scope(request)) if may_ask else [],
    }
