"""Account balances, the latest of each account first of all, and the initiators' alarms."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations.admin.asking import ask_for, asking_context
from integrations.admin.badges import BADGE_CSS, Badge
from integrations.admin.exports import ExportAdmin
from integrations.admin.filters import BusinessFilter, ChoiceFilter, DateFilter
from integrations.admin.read_only import ReadOnlyAdmin
from integrations.models import AccountBalance, InitiatorAlarm
from integrations.payments import queries
from integrations.payments.initiator import lift


class HistoryFilter(ChoiceFilter):
    """What is known now, unless the history is asked for."""

    title = "shown"
    parameter_name = "shown"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Beside the latest."""
        return [("low", "Low now"), ("history", "With history")]

    def choices(self, changelist: Any) -> Any:
        """Django's, where "all" means the latest."""
        found = list(super().choices(changelist))
        found[0]["display"] = "The latest of each account"
        return iter(found)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows of the newest answers, or every row."""
        if self.value() == "history":
            return queryset
        latest = queryset.filter(is_latest=True)
        return latest.filter(low_since__isnull=False) if self.value() == "low" else latest


class HeldFilter(ChoiceFilter):
    """Alarms that stand."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """One choice."""
        return [("held", "Calls held back")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those whose calls are held back."""
        return queryset.filter(raised_at__isnull=False) if self.value() == "held" else queryset


def _amount(name: str) -> Any:
    @admin.display(description=name)
    def shown(_self: Any, balance: AccountBalance) -> SafeString | str:
        value = getattr(balance, name)
        if value is None:
            return "-"
        return format_html('<span class="amount">{}</span>', f"{value:,.2f}")

    return shown


@admin.register(AccountBalance)
class AccountBalanceAdmin(ExportAdmin):
    """What M-Pesa told of each account. Nothing is asked by opening it."""

    list_display = (
        "account", "short_code", "currency", "available_shown", "current_shown",
        "reserved_shown", "uncleared_shown", "as_of_shown", "low_shown", "environment_shown",
        "business",
    )  # fmt: skip
    list_filter = (HistoryFilter, "environment", DateFilter, BusinessFilter)
    search_fields = ("account", "short_code")
    search_help_text = "Part of the account's name, or of the short code"
    export_name = "balances"
    exported = (
        "as_of", "business", "environment", "short_code", "account", "currency", "available",
        "current", "reserved", "uncleared", "is_latest", "low_since", "created_at",
    )  # fmt: skip
    fields = (
        "account", "currency", "available", "current", "reserved", "uncleared", "as_of",
        "low_since", "is_latest", "short_code", "environment_shown", "business", "query",
        "created_at",
    )  # fmt: skip
    list_before_template = "admin/integrations/balance_list_tools.html"
    available_shown = _amount("available")
    current_shown = _amount("current")
    reserved_shown = _amount("reserved")
    uncleared_shown = _amount("uncleared")

    class Media:
        css = BADGE_CSS
        js: ClassVar[Any] = ("integrations/live.js",)

    def get_urls(self) -> list[URLPattern]:
        """The button's address before Django's own."""
        view = self.admin_site.admin_view(self.ask_view)
        return [
            path("ask/", view, name="integrations_accountbalance_ask"),
            *super().get_urls(),
        ]

    def has_refresh_permission(self, request: HttpRequest) -> bool:
        """Whoever may see balances and ask for them."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm("integrations.refresh_accountbalance")

    def ask_view(self, request: HttpRequest) -> HttpResponseBase:
        """Ask for the balances of the chosen account; raises PermissionDenied."""
        return ask_for(
            request,
            queries.ask_balance,
            allowed=self.has_refresh_permission(request),
            back="admin:integrations_accountbalance_changelist",
        )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """With the button for those who may ask."""
        asking = asking_context(request, may_ask=self.has_refresh_permission(request))
        return super().changelist_view(request, {**(extra_context or {}), **asking})

    @admin.display(description="as of")
    def as_of_shown(self, balance: AccountBalance) -> str:
        """When it was so, by M-Pesa's word."""
        return f"{timezone.localtime(balance.as_of):%d %b %Y, %H:%M:%S}"

    @admin.display(description="alarm", empty_value="-")
    def low_shown(self, balance: AccountBalance) -> SafeString | None:
        """Whether it is below the limit of the settings."""
        return Badge("Low", "bad").render() if balance.low_since else None


@admin.register(InitiatorAlarm)
class InitiatorAlarmAdmin(ReadOnlyAdmin):
    """Accounts whose initiator M-Pesa refused, and whether calls in its name are held back."""

    list_display = (
        "short_code", "initiator_name", "state_shown", "failures", "last_code",
        "last_failed_at", "environment_shown", "business",
    )  # fmt: skip
    list_filter = (HeldFilter, "environment", BusinessFilter)
    search_fields = ("short_code", "initiator_name")
    actions = ("lift_alarm",)
    fields = (
        "short_code", "initiator_name", "state_shown", "failures", "last_code",
        "first_failed_at", "last_failed_at", "raised_at", "cleared_at", "cleared_by",
        "environment_shown", "business",
    )  # fmt: skip

    def has_lift_permission(self, request: HttpRequest) -> bool:
        """Whoever may see alarms and lift them."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm("integrations.lift_initiatoralarm")

    @admin.action(description="Unlocked in the portal: let calls out again", permissions=["lift"])
    def lift_alarm(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Lift the chosen alarms. Audited."""
        by = f"{request.user.get_username()}, by hand"
        count = sum(lift(alarm, by=by) for alarm in queryset)
        level = messages.SUCCESS if count else messages.WARNING
        messages.add_message(request, level, f"{count} alarms were lifted.")

    @admin.display(description="state")
    def state_shown(self, alarm: InitiatorAlarm) -> SafeString:
        """Whether calls are held back."""
        if alarm.raised_at is not None:
            return Badge("Calls held back", "bad").render()
        return Badge("Refused once" if alarm.failures else "Clear", "calm").render()
