"""Giving a payout file in the admin: checked and shown first, then sent or put to approval."""

from __future__ import annotations

import io
from typing import IO, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse

from integrations.access import request_scope
from integrations.admin.money_form import (
    AccountForm,
    Area,
    CheckBox,
    Choice,
    MoneyFormAdmin,
    TextBox,
)
from integrations.admin.pay_out import PERMISSION, PURPOSES, limits_in_words
from integrations.exceptions import IntegrationError, InvalidInput
from integrations.models import BatchState, PayoutBatch
from integrations.payments.batches.check import BadPayoutFile, Report
from integrations.payments.batches.open import (
    CONFIRMABLE,
    BatchRequest,
    ConfirmationNeeded,
    check_file,
    open_file,
    rules_of,
    unconfirmed,
)
from integrations.payments.statements.sheet import encoding_of

# Characters that a form may carry from one step to the next; a longer file is chosen again.
MAX_TEXT = 1_500_000
MAX_BYTES = 10 * 1024 * 1024
LABELS = {
    "repeated_phones": "The numbers that stand in it more than once are right",
    "same_file": "Pay the same file once more",
}
BUTTON = "Check the file"


class PayoutFileForm(AccountForm):
    """A file or pasted rows, and what holds for all of them."""

    file = forms.FileField(
        required=False,
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv"}),
        help_text="CSV. The first line names the columns: phone, amount, reference, and if "
        "wanted remarks and name.",
    )
    text = forms.CharField(
        required=False,
        strip=False,
        max_length=MAX_TEXT,
        label="Or paste the rows",
        widget=Area(attrs={"rows": 8, "spellcheck": "false", "autocomplete": "off"}),
        help_text="With the line that names the columns, as in a file.",
    )
    name = forms.CharField(
        max_length=100, required=False, widget=TextBox(), help_text="Such as Salaries May."
    )
    command = forms.ChoiceField(
        label="Purpose", widget=Choice, choices=[(c.value, text) for c, text in PURPOSES.items()]
    )
    remarks = forms.CharField(
        max_length=100, initial="Payout", widget=TextBox(),
        help_text="Goes to M-Pesa, for rows without remarks of their own.",
    )  # fmt: skip
    repeated_phones = forms.BooleanField(
        required=False, label=LABELS["repeated_phones"], widget=forms.HiddenInput
    )
    same_file = forms.BooleanField(
        required=False, label=LABELS["same_file"], widget=forms.HiddenInput
    )
    # The digest of the rows that were shown; another file is shown first again.
    seen = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)
    field_order = ("file", "text", "name", "command", "remarks", "business", "short_code")

    def clean(self) -> dict[str, Any]:
        """One of the two, of a bounded size; raises ValidationError."""
        cleaned = super().clean() or self.cleaned_data
        file, text = cleaned.get("file"), cleaned.get("text")
        if self.errors:
            return cleaned
        if file is None and not text:
            raise forms.ValidationError("Choose a file, or paste the rows.")
        if isinstance(file, UploadedFile) and (file.size or 0) > MAX_BYTES:
            raise forms.ValidationError({"file": f"Must have at most {MAX_BYTES:,} bytes."})
        return cleaned

    def rows(self) -> IO[bytes]:
        """What was given, as a file. A chosen file counts more than pasted text."""
        file: Any = self.cleaned_data["file"]
        return file if file is not None else io.BytesIO(self.cleaned_data["text"].encode())

    def request(self, user: Any) -> BatchRequest:
        """The wish, with what was confirmed."""
        values = self.cleaned_data
        return BatchRequest(
            self.rows(), values["name"], values["command"], values["remarks"],
            business=values["business"], short_code=values.get("short_code", ""),
            idempotency_key=str(values["idempotency_key"]), requested_by=user,
            confirm=tuple(name for name in CONFIRMABLE if values[name]),
        )  # fmt: skip

    def keep_rows(self, digest: str) -> None:
        """Carry the rows to the next step as text, since a browser forgets a chosen file."""
        given: Any = self.data
        data = given.copy()
        file = self.rows()
        file.seek(0)
        raw = file.read(MAX_TEXT + 1)
        data["seen"] = digest
        if self.cleaned_data["file"] is not None and len(raw) <= MAX_TEXT:
            data["text"] = raw.decode(encoding_of(raw), "replace").removeprefix("\ufeff")
        self.data = data

    def ask_to_confirm(self, names: list[str]) -> None:
        """Show the boxes of what was pointed out."""
        for name in names:
            self.fields[name].widget = CheckBox()


class PayoutFileAdmin(MoneyFormAdmin):
    """Adds "Give a payout file" to the list of them, for those who may pay out."""

    def get_urls(self) -> list[URLPattern]:
        """The form's URL before Django's own."""
        view = self.admin_site.admin_view(self.file_view)
        return [path("give/", view, name="integrations_payoutbatch_give"), *super().get_urls()]

    def has_give_permission(self, request: HttpRequest) -> bool:
        """Whoever may pay out and see payout files."""
        return self.has_view_permission(request) and request.user.has_perm(PERMISSION)

    def file_view(self, request: HttpRequest) -> HttpResponse:
        """The form; then what is in the file; then the file's page. Raises PermissionDenied."""
        if not self.has_give_permission(request):
            raise PermissionDenied
        scope = request_scope(request)
        if request.method != "POST":
            return self._page(request, PayoutFileForm(scope, initial=self._initial(scope)))
        form = PayoutFileForm(scope, request.POST, request.FILES)
        if not form.is_valid():
            return self._page(request, form)
        try:
            return self._take(request, form)
        except BadPayoutFile as error:
            form.add_error(None, f"The file {error.reason.split(';')[0]}; nothing was stored.")
            return self._page(request, form, report=error.report)
        except InvalidInput as error:
            known = error.field in form.fields and error.field != "file"
            words = error.reason if known else f"{error.field}: {error.reason}"
            form.add_error(error.field if known else None, words)
        except IntegrationError as error:
            form.add_error(None, error.message)
        return self._page(request, form)

    def _take(self, request: HttpRequest, form: PayoutFileForm) -> HttpResponse:
        wish = form.request(request.user)
        report = check_file(wish)
        if report.fault_count:
            raise BadPayoutFile(report)
        if form.cleaned_data["seen"] != report.digest:
            form.keep_rows(report.digest)
            try:
                _require_confirmed(wish, report)
            except ConfirmationNeeded as needed:
                form.ask_to_confirm([name for name, _ in needed.findings])
                return self._page(request, form, report=report, findings=needed.findings)
            return self._page(request, form, report=report)
        try:
            batch, is_new = open_file(wish)
        except ConfirmationNeeded as needed:
            form.keep_rows(report.digest)
            form.ask_to_confirm([name for name, _ in needed.findings])
            return self._page(request, form, report=report, findings=needed.findings)
        _tell(request, batch, is_new=is_new)
        return redirect(reverse("admin:integrations_payoutbatch_change", args=[batch.pk]))

    def _page(
        self, request: HttpRequest, form: PayoutFileForm, *, report: Report | None = None,
        findings: list[tuple[str, str]] | None = None,
    ) -> HttpResponse:  # fmt: skip
        is_good = report is not None and not report.fault_count
        button = BUTTON
        if is_good and report is not None:
            button = f"Pay out {report.count:,} rows, KES {report.total:,}"
        return self._form_page(
            request, form, title="Give a payout file", button=button, report=report,
            findings=findings or [], lines=limits_in_words(form.scope), is_good=is_good,
        )  # fmt: skip


def _require_confirmed(wish: BatchRequest, report: Report) -> None:
    """Raises ConfirmationNeeded for what is pointed out and was not confirmed."""
    findings = unconfirmed(rules_of(wish).config, report, wish.confirm)
    if findings:
        raise ConfirmationNeeded(findings, report)


def _tell(request: HttpRequest, batch: PayoutBatch, *, is_new: bool) -> None:
    if not is_new:
        messages.info(request, "This file was given already, and here it is. Nothing was sent.")
    elif batch.state == BatchState.AWAITING_APPROVAL:
        messages.info(request, batch.message)
    else:
        messages.success(request, "Its rows go out now. This page follows them.")
