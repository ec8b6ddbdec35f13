"""The addresses of KRA: settings, documents, control units."""

from __future__ import annotations

from django.urls import URLPattern, path

from integrations.api import kra_action_views as actions
from integrations.api import kra_branch_views as branches
from integrations.api import kra_invoice_views as invoices
from integrations.api import kra_settings_views as settings
from integrations.api.settings_urls import settings_urls

_INVOICE, _BRANCH = "kra/invoices/<str:invoice_id>/", "kra/branches/<str:branch_id>/"


def kra_urls() -> list[URLPattern]:
    """All of them, for `integrations.urls`; fixed words before what stands for any id."""
    return [
        path(
            "kra-settings/validate_pin/",
            settings.ValidatePinView.as_view(),
            name="kra-settings-validate-pin",
        ),
        *settings_urls("kra"),
        path(
            "kra-settings/<str:pk>/initialise/",
            settings.InitialiseView.as_view(),
            name="kra-settings-initialise",
        ),
        path("kra/invoices/", invoices.InvoiceListView.as_view(), name="kra-invoice-list"),
        path(
            "kra/invoices/verify/", actions.InvoiceVerifyView.as_view(), name="kra-invoice-verify"
        ),
        path(_INVOICE, invoices.InvoiceDetailView.as_view(), name="kra-invoice-detail"),
        path(f"{_INVOICE}credit/", invoices.InvoiceCreditView.as_view(), name="kra-invoice-credit"),
        path(
            f"{_INVOICE}receipt/",
            invoices.InvoiceReceiptView.as_view(),
            name="kra-invoice-receipt",
        ),
        path(f"{_INVOICE}resend/", actions.InvoiceResendView.as_view(), name="kra-invoice-resend"),
        path(f"{_INVOICE}settle/", actions.InvoiceSettleView.as_view(), name="kra-invoice-settle"),
        path("kra/branches/", branches.BranchListView.as_view(), name="kra-branch-list"),
        path(_BRANCH, branches.BranchDetailView.as_view(), name="kra-branch-detail"),
        path(f"{_BRANCH}release/", branches.BranchReleaseView.as_view(), name="kra-branch-release"),
    ]
