"""What the theme asks for: navigation, environment, style sheet. Named in UNFOLD (settings)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.safestring import SafeString

from integrations import registry
from integrations.access import request_scope
from integrations.admin.badges import environment_badge
from integrations.admin.environments import moves_real_money
from integrations.models import Environment


class Place(NamedTuple):
    """A page of the sidebar: the list of the model with this label, or a page beside that list."""

    label: str
    icon: str
    title: str
    url_name: str = ""


# In the order of the sidebar. A model without a page (one that a host replaces) is left out.
GROUPS: tuple[tuple[str, tuple[Place, ...]], ...] = (
    ("Money", (
        Place("integrations.worklist", "checklist", "Work list"),
        Place("integrations.payment", "payments", "Payments"),
        Place("integrations.statementrun", "fact_check", "Statements"),
        Place("integrations.statementitem", "rule", "Statement items"),
        Place("integrations.statementline", "receipt", "Statement lines"),
        Place("integrations.pullaccount", "cloud_download", "Pulled accounts"),
        Place("integrations.payoutbatch", "upload_file", "Payout files"),
        Place("integrations.approval", "approval", "Approvals"),
        Place("integrations.expectedpayment", "event_upcoming", "Expected payments"),
        Place("integrations.allotment", "join_inner", "Receipts to match"),
        Place("integrations.c2bregistration", "cell_tower", "C2B addresses"),
        Place("integrations.accountbalance", "account_balance_wallet", "Balances"),
        Place("integrations.mpesaquery", "help", "Questions to M-Pesa"),
        Place("integrations.initiatoralarm", "key_off", "Initiator alarms"),
    )),
    ("Tax", (
        Place("integrations.krainvoice", "receipt_long", "KRA invoices"),
        Place("integrations.krabranch", "point_of_sale", "KRA branches"),
        Place("integrations.krawrite", "assignment_turned_in", "KRA reports"),
        Place("integrations.kraitem", "inventory_2", "KRA items"),
        Place("integrations.krapurchase", "shopping_cart", "KRA purchases"),
        Place("integrations.kraimport", "local_shipping", "KRA imports"),
        Place("integrations.kracursor", "sync", "KRA lists"),
        Place("integrations.kracode", "data_array", "KRA codes"),
        Place("integrations.kraitemclass", "category", "KRA item classes"),
        Place("integrations.krarecord", "campaign", "KRA notices and records"),
        Place("integrations.kracompliancecheck", "verified_user", "KRA compliance"),
        Place("integrations.kracertificaterequest", "workspace_premium", "KRA certificates"),
        Place("integrations.krafiling", "assignment_turned_in", "KRA filings"),
    )),
    ("Webhooks", (
        Place("integrations.webhookendpoint", "monitor_heart", "What is stuck",
              "admin:integrations_webhookendpoint_stuck"),
        Place("integrations.webhookendpoint", "webhook", "Endpoints"),
        Place("integrations.webhookevent", "outbox", "Deliveries"),
        Place("integrations.webhookreplay", "replay", "Replays"),
        Place("integrations.webhookendpoint", "menu_book", "Event catalogue",
              "admin:integrations_webhookendpoint_catalogue"),
    )),
    ("Traffic", (
        Place("integrations.providercall", "call_made", "Provider calls"),
        Place("integrations.inboundcallback", "call_received", "Callbacks"),
        Place("integrations.domainevent", "bolt", "Events"),
        Place("integrations.workqueue", "stacks", "Queues"),
    )),
    ("Security", (
        Place("integrations.auditentry", "policy", "Audit trail"),
        Place("integrations.apitoken", "vpn_key", "API tokens"),
        Place("integrations.businessgrant", "badge", "Business grants"),
        Place("integrations.appsettings", "lock", "Encryption key"),
        Place("integrations.keyrotation", "autorenew", "Key rotation"),
        Place("auth.user", "person", "Users"),
        Place("auth.group", "group", "Groups"),
    )),
)  # fmt: skip
ICONS = {"PAYMENT": "account_balance_wallet", "TAX": "receipt_long", "BANK": "account_balance"}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar: only what the user may open, in groups that follow the work."""
    start = {"title": "Start", "icon": "dashboard", "link": reverse("admin:index")}
    groups = [{"items": [start]}, _group(request, "Integrations", _settings_places())]
    groups[1:1] = [_group(request, *GROUPS[0])]
    groups += [_group(request, title, places) for title, places in GROUPS[1:]]
    _mark_here(request, [item for group in groups for item in group["items"]])
    return [group for group in groups if group["items"]]


def _mark_here(request: HttpRequest, items: list[dict[str, Any]]) -> None:
    """Of two places of which one lies below the other, the page is at the nearer one."""
    links = [item["link"] for item in items if request.path.startswith(item["link"])]
    here = max(links, key=len, default="")
    start = reverse("admin:index")
    for item in items:
        # Everything lies below the start page.
        item["active"] = item["link"] == here and (here != start or request.path == start)


def _settings_places() -> Iterator[Place]:
    """A place for every declared integration, and the list of those in use."""
    for item in registry.integrations():
        label = registry.settings_model(item.slug)._meta.label_lower
        yield Place(label, ICONS.get(item.category, "extension"), item.label)
    yield Place("integrations.integrations", "toggle_on", "In use")


def _group(request: HttpRequest, title: str, places: Any) -> dict[str, Any]:
    items = [_item(request, place) for place in places]
    return {"title": title, "separator": True, "items": [item for item in items if item]}


def _item(request: HttpRequest, place: Place) -> dict[str, Any] | None:
    page = model_page(place.label)
    if page is None or not page.has_view_or_change_permission(request):
        return None
    link = reverse(place.url_name) if place.url_name else list_url(page.model)
    return {"title": place.title, "icon": place.icon, "link": link}


def model_page(label: str) -> admin.ModelAdmin[Any] | None:
    """The admin page of a model by its lower-case label, where one is registered."""
    pages = {model._meta.label_lower: page for model, page in admin.site._registry.items()}
    return pages.get(label.lower())


def list_url(model: type[Model]) -> str:
    """Where the list of the model is."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def has_live_settings(request: HttpRequest) -> bool:
    """Whether money of the user's businesses is real, whichever row or variable decides.

    Asked once per request.
    """
    known: bool | None = getattr(request, "_integrations_live", None)
    if known is None:
        known = moves_real_money(request_scope(request))
        request._integrations_live = known  # type: ignore[attr-defined]
    return known


def environment(request: HttpRequest) -> list[str | SafeString] | None:
    """The label at the top of every page: PRODUCTION, loud, or Sandbox."""
    if not getattr(request.user, "is_authenticated", False):
        return None
    is_live = has_live_settings(request)
    badge = environment_badge(Environment.PRODUCTION if is_live else Environment.SANDBOX)
    return [badge.render(), "danger" if is_live else "info"]


def title_prefix(request: HttpRequest) -> str:
    """Begins the title of the browser's tab where real money moves."""
    known = getattr(request.user, "is_authenticated", False)
    return "[PRODUCTION]" if known and has_live_settings(request) else ""


def style_sheet(_request: HttpRequest) -> str:
    """Our style sheet, for pages that are not ours."""
    return static("integrations/admin.css")


def script(_request: HttpRequest) -> str:
    """Makes the theme's mouse-only controls usable by keyboard and screen reader."""
    return static("integrations/controls.js")
