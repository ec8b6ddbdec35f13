"""Statements in the admin: upload one, see what it tells, decide what only people can."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import INPUT_CLASSES

from integrations import work
from integrations.access import Scope, request_scope
from integrations.admin.asking import accounts_of
from integrations.admin.badges import Badge
from integrations.admin.exports import ExportAdmin
from integrations.admin.filters import BusinessFilter, DateFilter, WorkStateFilter
from integrations.admin.money_form import Choice
from integrations.admin.retry import RetryDeadAdmin
from integrations.exceptions import IntegrationError
from integrations.models import ItemFinding, PullAccount, RunState, StatementRun
from integrations.payments.pull import QUEUE as PULLS
from integrations.payments.statements.reader import BadStatement
from integrations.payments.statements.start import import_file

RUN_TONES = {RunState.DONE: "good", RunState.FAILED: "bad"}
ITEMS = "admin:integrations_statementitem_changelist"
# Bad lines that the page lists.
FAULTS_SHOWN = 50


class UploadForm(forms.Form):
    """A statement and the account that it is of."""

    account = forms.ChoiceField(widget=Choice, help_text="Whose statement it is.")
    file = forms.FileField(
        help_text="The CSV export of the organisation portal, as it came.",
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv", "class": " ".join(INPUT_CLASSES)}),
    )

    def __init__(self, scope: Scope, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["account"].choices = accounts_of(scope)  # type: ignore[attr-defined]


@admin.register(StatementRun)
class StatementRunAdmin(ExportAdmin, RetryDeadAdmin):
    """Every comparison, with its counts; each count leads to its items."""

    list_display = (
        "period_shown", "short_code", "state_shown", "source", "lines", "matched_shown",
        "missing_here_shown", "missing_there_shown", "amount_differs_shown", "settled",
        "environment_shown", "business",
    )  # fmt: skip
    list_filter = ("state", "source", "environment", DateFilter, BusinessFilter, WorkStateFilter)
    search_fields = ("short_code",)
    search_help_text = "The short code, or the id of the statement"
    id_field = "public_id"
    export_name = "statements"
    exported = (
        "created_at", "public_id", "business", "environment", "short_code", "account", "source",
        "period_from", "period_to", "state", "lines", "new_lines", "settled", "totals",
        "is_complete", "file_name", "file_digest", "started_by", "finished_at", "error",
    )  # fmt: skip
    list_before_template = "admin/integrations/statement_list_tools.html"
    change_form_outer_before_template = "admin/integrations/statement_totals.html"
    fieldsets = (
        (None, {"fields": (
            "state_shown", "short_code", "account", "environment_shown", "business", "source",
            "covers", "lines", "new_lines", "settled", "error",
        )}),
        ("Period", {"fields": ("period_from", "period_to", "is_complete")}),
        ("File", {"fields": ("file_name", "file_digest", "started_by", "public_id")}),
        ("When", {"fields": (
            "created_at", "finished_at", "work_state", "next_attempt_at", "attempts", "work_error",
        )}),
    )  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        """The upload before Django's own."""
        view = self.admin_site.admin_view(self.upload_view)
        return [path("upload/", view, name="integrations_statement_upload"), *super().get_urls()]

    def has_import_permission(self, request: HttpRequest) -> bool:
        """Whoever may see statements and have them settle payments."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm("integrations.import_statement")

    def upload_view(self, request: HttpRequest) -> HttpResponseBase:
        """The form; once a file is good, its run's page. Raises PermissionDenied."""
        if not self.has_import_permission(request):
            raise PermissionDenied
        scope = request_scope(request)
        if request.method != "POST":
            return self._form_page(request, UploadForm(scope))
        form = UploadForm(scope, request.POST, request.FILES)
        faults: list[str] = []
        if form.is_valid():
            short_code, _, business = form.cleaned_data["account"].partition(":")
            file = form.cleaned_data["file"]
            try:
                started = import_file(
                    file.file, name=file.name, business=business, short_code=short_code,
                    by=str(request.user),
                )  # fmt: skip
            except BadStatement as error:
                faults = [str(fault) for fault in error.faults[:FAULTS_SHOWN]]
                form.add_error("file", error.reason)
            except IntegrationError as error:
                form.add_error(None, error.message)
            else:
                _tell(request, started.is_new)
                page = "admin:integrations_statementrun_change"
                return HttpResponseRedirect(reverse(page, args=[started.run.pk]))
        return self._form_page(request, form, faults)

    def _form_page(
        self, request: HttpRequest, form: UploadForm, faults: list[str] | None = None
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Import a statement",
            "opts": self.opts,
            "form": form,
            "faults": faults or [],
            "media": self.media,
        }
        return TemplateResponse(request, "admin/integrations/statement_upload.html", context)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """With the link to the upload for those who may."""
        extra = {**(extra_context or {}), "may_import": self.has_import_permission(request)}
        return super().changelist_view(request, extra)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False,
        change: bool = False, form_url: str = "", obj: Any = None,
    ) -> HttpResponse:  # fmt: skip
        """With the counts, each a link to its items."""
        if obj is not None:
            context["totals"] = [_total(obj, finding) for finding in ItemFinding]
            context["charges"] = obj.totals.get("charges")
            context["open_url"] = _items_url(obj, is_open__exact=1)
        return super().render_change_form(request, context, add, change, form_url, obj)

    @admin.display(description="period")
    def period_shown(self, run: StatementRun) -> SafeString:
        """One day, or from and to."""
        begin, end = timezone.localtime(run.period_from), timezone.localtime(run.period_to)
        text = f"{begin:%d %b %Y, %H:%M} to {end:%d %b %Y, %H:%M}"
        return format_html('<span class="amount">{}</span>', text)

    @admin.display(description="state")
    def state_shown(self, run: StatementRun) -> SafeString:
        """The state as a badge."""
        return Badge(run.get_state_display(), RUN_TONES.get(RunState(run.state), "busy")).render()

    @admin.display(description="covers")
    def covers(self, run: StatementRun) -> str:
        """What its absence of a line can say."""
        if run.source == "pull":
            return "Incoming money only: M-Pesa's pull lists no other."
        if run.account:
            return f"One account of the short code only: {run.account}."
        return "Everything of the period." if run.is_complete else "The lines of the file."

    @admin.display(description="matched")
    def matched_shown(self, run: StatementRun) -> SafeString:
        """How many match."""
        return _link(run, ItemFinding.MATCHED)

    @admin.display(description="missing here")
    def missing_here_shown(self, run: StatementRun) -> SafeString:
        """How many only the statement has."""
        return _link(run, ItemFinding.MISSING_HERE)

    @admin.display(description="missing there")
    def missing_there_shown(self, run: StatementRun) -> SafeString:
        """How many only the ledger has."""
        return _link(run, ItemFinding.MISSING_THERE)

    @admin.display(description="amount differs")
    def amount_differs_shown(self, run: StatementRun) -> SafeString:
        """How many have two amounts."""
        return _link(run, ItemFinding.AMOUNT_DIFFERS)


def _tell(request: HttpRequest, is_new: bool) -> None:
    if is_new:
        messages.success(request, "The statement is stored and is being compared.")
    else:
        messages.info(request, "This file was imported already, and here it is.")


def _items_url(run: StatementRun, **lookups: Any) -> str:
    return f"{reverse(ITEMS)}?{urlencode({'run__id__exact': run.pk, **lookups})}"


def _total(run: StatementRun, finding: ItemFinding) -> dict[str, Any]:
    found = run.totals.get(finding.value, {"count": 0, "sum": "0.00"})
    url = _items_url(run, finding__exact=finding.value)
    return {"label": finding.label, "count": found["count"], "sum": found["sum"], "url": url}


def _link(run: StatementRun, finding: ItemFinding) -> SafeString:
    total = _total(run, finding)
    return format_html('<a class="text-link" href="{}">{}</a>', total["url"], f"{total['count']:,}")


@admin.register(PullAccount)
class PullAccountAdmin(RetryDeadAdmin):
    """How far each account's transactions are fetched."""

    list_display = (
        "short_code", "environment_shown", "business", "fetched_from", "fetched_to", "last_lines",
        "error_shown", "registered_at",
    )  # fmt: skip
    list_filter = ("environment", BusinessFilter, WorkStateFilter)
    search_fields = ("short_code",)
    fields = (
        "short_code", "environment_shown", "business", "registered_at", "fetched_from",
        "fetched_to", "window_from", "window_to", "offset", "last_lines", "error", "work_state",
        "next_attempt_at", "attempts", "work_error",
    )  # fmt: skip

    actions: Any = ("retry_dead", "fetch_now")

    def has_fetch_permission(self, request: HttpRequest) -> bool:
        """Whoever may have statements settle payments: a fetch does the same."""
        return request.user.has_perm("integrations.import_statement")

    @admin.action(description="Fetch now", permissions=["fetch"])
    def fetch_now(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Make the chosen accounts due; a worker fetches them."""
        count = work.schedule(queryset)
        work.ring(PULLS)
        self.message_user(request, f"{count} accounts are fetched by a worker now.")

    @admin.display(description="state")
    def error_shown(self, account: PullAccount) -> SafeString:
        """Good, or what went wrong last time."""
        if account.error:
            return Badge("Failing", "bad").render()
        return Badge("Fetched" if account.fetched_to else "Not yet", "good").render()
