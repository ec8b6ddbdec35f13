"""Suppliers' invoices and imported items: what they say, and deciding about them."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations.admin.badges import Badge
from integrations.admin.filters import BusinessFilter
from integrations.admin.kra_filters import BranchFilter
from integrations.admin.kra_form_page import form_page
from integrations.admin.kra_reports import write_badge
from integrations.admin.money_form import TextBox
from integrations.admin.read_only import ReadOnlyAdmin
from integrations.exceptions import IntegrationError
from integrations.kra.config import tax_config
from integrations.kra.writes import decisions
from integrations.models import KRAImport, KRAPurchase, PurchaseState

TONES: dict[str, str] = {
    PurchaseState.NEW: "warn",
    PurchaseState.ACCEPTED: "good",
    PurchaseState.REJECTED: "calm",
}
_LINE = "item_"


class DecisionForm(forms.Form):
    """A remark, and which item of ours each line is."""

    def __init__(self, lines: list[tuple[str, str, str]], data: Any = None) -> None:
        super().__init__(data)
        for place, label, initial in lines:
            self.fields[f"{_LINE}{place}"] = forms.CharField(
                label=label, max_length=100, initial=initial, widget=TextBox(),
                help_text="Code or reference of our item.",
            )  # fmt: skip
        self.fields["remark"] = forms.CharField(
            label="Remark", max_length=400, required=False, widget=TextBox()
        )

    def items(self) -> dict[str, str]:
        """Our item by the number of the line."""
        return {
            name.removeprefix(_LINE): value
            for name, value in self.cleaned_data.items()
            if name.startswith(_LINE)
        }


class _DecisionAdmin(ReadOnlyAdmin):
    list_filter = ("state", BranchFilter, BusinessFilter)
    # Shown in each line, and on a row's page.
    related: ClassVar[tuple[str, ...]] = ("branch", "write")
    list_left_out: ClassVar[tuple[str, ...]] = (
        "data", "branch__details", "write__document", "write__body",
    )  # fmt: skip
    change_form_outer_before_template = "admin/integrations/kra_decision.html"
    permission: ClassVar[str]

    def get_urls(self) -> list[URLPattern]:
        """The buttons' addresses before Django's own."""
        name = f"integrations_{self.opts.model_name}"
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/accept/", wrap(self.accept_view), name=f"{name}_accept"),
            path("<int:pk>/reject/", wrap(self.reject_view), name=f"{name}_reject"),
            *super().get_urls(),
        ]

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Whoever may see them and decide."""
        return self.has_view_permission(request) and request.user.has_perm(self.permission)

    def accept_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """The form that accepts."""
        return self._decide(request, pk, "accept")

    def reject_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """The form that rejects."""
        return self._decide(request, pk, "reject")

    def _decide(self, request: HttpRequest, pk: int, act: str) -> HttpResponseBase:
        if not self.has_decide_permission(request):
            raise PermissionDenied
        row = self.get_queryset(request).filter(pk=pk).first()
        if row is None:
            raise Http404("There is no such row.")
        back = reverse(f"admin:integrations_{self.opts.model_name}_change", args=[pk])
        lines = self.lines_of(row) if act == "accept" else []
        form = DecisionForm(lines, request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid():
            try:
                config = tax_config(row.business, row.branch.bhf_id)
                self.carry_out(config, row, form, act, request.user)
            except IntegrationError as error:
                form.add_error(None, error.message)
            else:
                messages.success(request, f"{row}: decided; KRA is told next.")
                return HttpResponseRedirect(back)
        return form_page(
            self, request, form, title=f"{act.capitalize()} {row}", button=act.capitalize(),
            back=back,
        )  # fmt: skip

    def lines_of(self, row: Any) -> list[tuple[str, str, str]]:
        """(number, words, what is likely) of each line that needs an item of ours."""
        raise NotImplementedError

    def carry_out(self, config: Any, row: Any, form: DecisionForm, act: str, by: Any) -> None:
        """Decide; raises IntegrationError."""
        raise NotImplementedError

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False,
        change: bool = False, form_url: str = "", obj: Any = None,
    ) -> HttpResponse:  # fmt: skip
        """With the buttons, for those who may, while it is undecided."""
        if obj is not None:
            name = f"admin:integrations_{self.opts.model_name}"
            may = obj.state == PurchaseState.NEW and self.has_decide_permission(request)
            context |= {
                "state_badge": _badge(obj.state),
                "write_badge": write_badge(obj.write.state) if obj.write else None,
                "may_decide": may,
                "accept_url": reverse(f"{name}_accept", args=[obj.pk]),
                "reject_url": reverse(f"{name}_reject", args=[obj.pk]),
            }
        return super().render_change_form(request, context, add, change, form_url, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With branch, report and item, in the one query."""
        return super().get_queryset(request).select_related(*self.related)

    @admin.display(description="state")
    def state_shown(self, row: Any) -> SafeString:
        """As a badge."""
        return _badge(row.state).render()

    @admin.display(description="report to KRA", empty_value="-")
    def report_shown(self, row: Any) -> SafeString | None:
        """How the report of the decision stands."""
        return write_badge(row.write.state).render() if row.write else None


@admin.register(KRAPurchase)
class KRAPurchaseAdmin(_DecisionAdmin):
    """Suppliers' invoices from KRA's feed."""

    permission = "integrations.decide_krapurchase"
    list_display = (
        "sold_on", "supplier_name", "supplier_pin", "supplier_number", "total_shown",
        "state_shown", "report_shown", "decided_by", "branch", "business",
    )  # fmt: skip
    search_fields = ("=supplier_pin", "=supplier_number")
    search_help_text = "The supplier's PIN, or the number of the invoice"
    fieldsets = (
        (None, {"fields": (
            "supplier_name", "supplier_pin", "supplier_branch", "supplier_number", "receipt_type",
            "sold_on", "total_shown", "tax",
        )}),
        ("Decision", {"fields": ("state_shown", "report_shown", "decided_by", "decided_at")}),
        ("For the record", {"fields": ("data", "branch", "business", "created_at")}),
    )  # fmt: skip

    @admin.display(description="total")
    def total_shown(self, row: KRAPurchase) -> SafeString:
        """In KES."""
        return format_html('<span class="amount">{}</span>', f"{row.total:,.2f}")

    def lines_of(self, row: KRAPurchase) -> list[tuple[str, str, str]]:
        """Each line of the supplier's invoice."""
        return [
            (
                str(place),
                f"{line.get('itemNm') or 'Line'} ({line.get('qty')})"[:120],
                str(line.get("itemCd") or ""),
            )
            for place, line in enumerate(row.data.get("itemList") or [], start=1)
        ]

    def carry_out(self, config: Any, row: Any, form: DecisionForm, act: str, by: Any) -> None:
        """Accept or reject."""
        remark = form.cleaned_data["remark"]
        if act == "accept":
            decisions.accept_purchase(config, row.pk, items=form.items(), remark=remark, by=by)
        else:
            decisions.reject_purchase(config, row.pk, remark=remark, by=by)


@admin.register(KRAImport)
class KRAImportAdmin(_DecisionAdmin):
    """Imported items from KRA's feed."""

    permission = "integrations.decide_kraimport"
    related = ("branch", "write", "item")
    list_left_out = (*_DecisionAdmin.list_left_out, "item__data")
    list_display = (
        "declared_on", "task_code", "item_sequence", "name", "hs_code", "item", "state_shown",
        "report_shown", "decided_by", "branch", "business",
    )  # fmt: skip
    search_fields = ("=task_code",)
    search_help_text = "The whole code of the task"
    fieldsets = (
        (None, {"fields": ("task_code", "declared_on", "item_sequence", "hs_code", "name",
                           "status", "item")}),
        ("Decision", {"fields": ("state_shown", "report_shown", "decided_by", "decided_at")}),
        ("For the record", {"fields": ("data", "branch", "business", "created_at")}),
    )  # fmt: skip

    def lines_of(self, row: KRAImport) -> list[tuple[str, str, str]]:
        """The one item."""
        return [("1", row.name[:120] or "Imported item", "")]

    def carry_out(self, config: Any, row: Any, form: DecisionForm, act: str, by: Any) -> None:
        """Match it, or say that it is not ours."""
        remark = form.cleaned_data["remark"]
        if act == "accept":
            decisions.accept_import(config, row.pk, form.items()["1"], remark=remark, by=by)
        else:
            decisions.reject_import(config, row.pk, remark=remark, by=by)


def _badge(state: str) -> Badge:
    return Badge(str(PurchaseState(state).label), TONES.get(state, "calm"))
