"""The addresses of checks, certificates and filings at KRA."""

from __future__ import annotations

from django.urls import URLPattern, path

from integrations.api import kra_certificate_views as certificates
from integrations.api import kra_check_views as checks
from integrations.api import kra_filing_views as filings


def gava_urls() -> list[URLPattern]:
    """All of them, for `integrations.urls`; before those of webhooks, whose ids they are not."""
    return [
        path("kra/pin-check/", checks.PinCheckView.as_view(), name="kra-pin-check"),
        path("kra/checks/", checks.CheckListView.as_view(), name="kra-checks"),
        path(
            "kra/checks/certificate/",
            checks.CertificateCheckView.as_view(),
            name="kra-check-certificate",
        ),
        path("kra/checks/<str:check>/", checks.LookUpView.as_view(), name="kra-look-up"),
        path(
            "kra/certificates/", certificates.CertificateListView.as_view(), name="kra-certificates"
        ),
        path(
            "kra/certificates/<str:request_id>/settle/",
            certificates.CertificateSettleView.as_view(),
            name="kra-certificate-settle",
        ),
        path("kra/filings/", filings.FilingListView.as_view(), name="kra-filings"),
        path("kra/filings/<str:filing_id>/", filings.FilingDetailView.as_view(), name="kra-filing"),
        path(
            "kra/filings/<str:filing_id>/settle/",
            filings.FilingSettleView.as_view(),
            name="kra-filing-settle",
        ),
        # Where the original has them.
        path(
            "webhook-events/certificate/",
            certificates.OriginalCertificateView.as_view(),
            name="original-certificate",
        ),
        path(
            "webhook-events/compliance/",
            certificates.OriginalComplianceView.as_view(),
            name="original-compliance",
        ),
        path(
            "webhook-events/sync/",
            certificates.OriginalSyncView.as_view(),
            name="original-sync",
        ),
    ]
