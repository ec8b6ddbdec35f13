"""Items, and KRA's lists as they were last read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations.access import Scope
from integrations.admin.badges import Badge
from integrations.admin.filters import BusinessFilter
from integrations.admin.read_only import ReadOnlyAdmin
from integrations.exceptions import IntegrationError
from integrations.kra.config import branch_of, tax_config
from integrations.kra.lists import FEEDS, sync_lists
from integrations.kra.writes.items import register_item, set_excluded
from integrations.models import (
    KRABranch,
    KRACode,
    KRACursor,
    KRAItem,
    KRAItemClass,
    KRARecord,
)

MOST_REGISTERED = 200
# Each waits for KRA, which is slow, while the browser waits too.
MOST_SYNCED = 16


@admin.register(KRAItem)
class KRAItemAdmin(ReadOnlyAdmin):
    """The catalogue. Items come by the API, from Python, or from KRA's list."""

    list_display = (
        "item_code", "name", "reference", "price_shown", "tax_type", "stock", "standing_shown",
        "environment_shown", "business",
    )  # fmt: skip
    list_left_out = ("data",)
    list_filter = ("environment", "is_registered", "is_excluded", BusinessFilter)
    search_fields = ("item_code", "reference", "name")
    search_help_text = "Part of the code, the reference or the name"
    actions = ("register_at_kra", "exclude_items", "include_items")
    fieldsets = (
        (None, {"fields": ("item_code", "name", "reference", "standing_shown", "stock")}),
        ("As KRA has it", {"fields": (
            "class_code", "type_code", "origin", "packaging_unit", "quantity_unit", "tax_type",
            "price", "barcode", "standard_name", "batch", "safety_quantity", "group_prices",
            "additional_info", "is_insured", "is_used",
        )}),
        ("For the record", {"fields": (
            "tin", "environment_shown", "business", "created_at", "updated_at",
        )}),
    )  # fmt: skip

    def has_report_permission(self, request: HttpRequest) -> bool:
        """Whoever may see items and report to KRA."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm("integrations.report_krawrite")

    @admin.action(description="Register at KRA", permissions=["report"])
    def register_at_kra(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Queue a report of each chosen item as it stands; one that KRA has so is left alone."""
        count = 0
        for item in queryset[:MOST_REGISTERED]:
            try:
                branch = _branch_of(item)
                register_item(branch, item, business=item.business, by=request.user)
                count += 1
            except IntegrationError as error:
                messages.error(request, f"{item.item_code}: {error.message}")
        if count:
            messages.success(request, f"{count} items are registered, or on their way to KRA.")

    @admin.action(description="Exclude from eTIMS", permissions=["report"])
    def exclude_items(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """KRA is not told of their sales any more."""
        self._exclude(request, queryset, excluded=True)

    @admin.action(description="Take into eTIMS again", permissions=["report"])
    def include_items(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """KRA is told of their sales."""
        self._exclude(request, queryset, excluded=False)

    def _exclude(self, request: HttpRequest, queryset: QuerySet[Any], *, excluded: bool) -> None:
        chosen = list(queryset.exclude(is_excluded=excluded))
        for item in chosen:
            set_excluded(item, excluded=excluded)
        word = "excluded" if excluded else "taken in again"
        messages.success(request, f"{len(chosen)} items are {word}.")

    @admin.display(description="price")
    def price_shown(self, item: KRAItem) -> SafeString:
        """VAT included."""
        return format_html('<span class="amount">{}</span>', f"{item.price:,.2f}")

    @admin.display(description="standing")
    def standing_shown(self, item: KRAItem) -> SafeString:
        """Whether KRA has it."""
        if item.is_excluded:
            return Badge("Excluded", "calm").render()
        known = item.is_registered
        return Badge("At KRA" if known else "Not at KRA", "good" if known else "warn").render()


def _branch_of(item: KRAItem) -> KRABranch:
    """The control unit by which an item is reported; raises IntegrationError."""
    config = tax_config(item.business)
    branch = branch_of(config)
    if (branch.environment, branch.tin) != (item.environment, item.tin):
        raise IntegrationError("Its PIN is not that of the settings.", code="other_branch")
    return branch


class _EverybodysAdmin(ReadOnlyAdmin):
    """Lists that KRA tells everybody: they belong to no business."""

    def narrow_rows(self, rows: QuerySet[Any], scope: Scope) -> QuerySet[Any]:
        """All of them: nothing of a taxpayer is in them."""
        return rows


@admin.register(KRACode)
class KRACodeAdmin(_EverybodysAdmin):
    """KRA's code lists."""

    list_display = (
        "class_code", "class_name", "code", "name", "extra_shown", "is_used", "environment_shown",
    )  # fmt: skip
    list_filter = ("environment", "is_used")
    search_fields = ("=class_code", "=code", "name")
    search_help_text = "A class, a code, or part of a name"
    fields = (
        "class_code", "class_name", "code", "name", "description", "extra_shown", "is_used",
        "environment_shown", "updated_at",
    )  # fmt: skip

    @admin.display(description="more")
    def extra_shown(self, row: KRACode) -> str:
        """KRA's own fields; of tax types the first is the rate."""
        return ", ".join(str(text) for text in row.extra if text) or "-"


@admin.register(KRAItemClass)
class KRAItemClassAdmin(_EverybodysAdmin):
    """KRA's item classes."""

    list_display = ("code", "name", "level", "tax_type", "is_used", "environment_shown")
    list_filter = ("environment", "is_used")
    search_fields = ("code", "name")
    search_help_text = "Part of the code or the name"
    fields = (
        "code", "name", "level", "tax_type", "is_major", "is_used", "environment_shown",
        "updated_at",
    )  # fmt: skip


@admin.register(KRARecord)
class KRARecordAdmin(ReadOnlyAdmin):
    """Notices, branches, taxpayers, customers, users, insurances, moves between branches."""

    list_display = ("kind", "key", "name", "updated_at", "tin", "environment_shown", "business")
    list_left_out = ("data",)
    list_filter = ("kind", "environment", BusinessFilter)
    search_fields = ("key", "name")
    search_help_text = "Part of the key or the name"
    fields = (
        "kind", "key", "name", "data", "tin", "bhf_id", "environment_shown", "business",
        "created_at", "updated_at",
    )  # fmt: skip


@admin.register(KRACursor)
class KRACursorAdmin(ReadOnlyAdmin):
    """How far each of KRA's lists was read; they are read once a day by themselves."""

    list_display = (
        "list_name", "tin", "bhf_id", "standing_shown", "synced_at", "count", "message",
        "environment_shown", "business",
    )  # fmt: skip
    list_filter = ("environment", "list_name", BusinessFilter)
    search_fields = ("tin",)
    actions = ("sync_now",)
    fields = (
        "list_name", "tin", "bhf_id", "last_request", "synced_at", "tried_at", "count", "message",
        "environment_shown", "business",
    )  # fmt: skip

    def has_sync_permission(self, request: HttpRequest) -> bool:
        """Whoever may see the lists and read them anew."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm("integrations.sync_kracursor")

    @admin.action(description="Sync now", permissions=["sync"])
    def sync_now(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Read the chosen lists; what failed is said list by list."""
        chosen = list(queryset.order_by("tin", "bhf_id")[:MOST_SYNCED])
        places = dict.fromkeys((row.business, row.bhf_id) for row in chosen)
        for business, bhf_id in places:
            names = [
                row.list_name
                for row in chosen
                if (row.business, row.bhf_id) == (business, bhf_id) and row.list_name in FEEDS
            ]
            try:
                report = sync_lists(tax_config(business, bhf_id), names)
            except IntegrationError as error:
                messages.error(request, error.message)
                continue
            if report.failed:
                messages.error(request, report.message)
            else:
                count = sum(one.count for one in report.results)
                messages.success(request, f"Branch {bhf_id}: {count} new rows.")

    @admin.display(description="standing")
    def standing_shown(self, row: KRACursor) -> SafeString:
        """Whether the last try went well."""
        if row.synced_at is None:
            return Badge("Never read", "warn").render()
        is_good = row.tried_at is None or row.tried_at <= row.synced_at
        age = timezone.now() - row.synced_at
        if not is_good:
            return Badge("Failing", "bad").render()
        return Badge("Read", "good" if age.days < 2 else "warn").render()
