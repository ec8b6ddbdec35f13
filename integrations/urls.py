"""URLs of the hub; a host project includes them wherever it likes.

path("api/v1/integrations/", include("integrations.urls"))
"""

from __future__ import annotations

from django.urls import path

from integrations.api import (
    approval_views,
    batch_views,
    c2b_views,
    expectation_views,
    payment_views,
    payout_views,
    query_views,
    statement_views,
    views,
)
from integrations.api.kra_gava_urls import gava_urls
from integrations.api.kra_list_urls import kra_list_urls
from integrations.api.kra_urls import kra_urls
from integrations.api.settings_urls import settings_urls
from integrations.api.webhook_urls import webhook_urls
from integrations.callbacks.views import callback

app_name = "integrations"

urlpatterns = [
    path("health/", views.HealthView.as_view(), name="integration-health"),
    path(
        "health/<str:slug>/", views.IntegrationHealthView.as_view(), name="integration-health-one"
    ),
    path("cache/clear/", views.ClearCacheView.as_view(), name="integration-cache-clear"),
    path("summary/", views.SummaryView.as_view(), name="integration-summary"),
    *settings_urls("mpesa"),
    *kra_urls(),
    *kra_list_urls(),
    path("payments/", payment_views.PaymentListView.as_view(), name="payment-list"),
    path("payments/stk-push/", payment_views.StkPushView.as_view(), name="payment-stk-push"),
    path("payments/payouts/", payout_views.PayoutView.as_view(), name="payout-create"),
    path(
        "payments/<str:public_id>/reversals/",
        payout_views.ReversalView.as_view(),
        name="payment-reversals",
    ),
    path(
        "payments/<str:public_id>/",
        payment_views.PaymentDetailView.as_view(),
        name="payment-detail",
    ),
    path(
        "payments/<str:public_id>/status/",
        payment_views.PaymentStatusView.as_view(),
        name="payment-status",
    ),
    path("payout-batches/", batch_views.BatchListView.as_view(), name="payout-batch-list"),
    path(
        "payout-batches/<str:batch_id>/",
        batch_views.BatchDetailView.as_view(),
        name="payout-batch-detail",
    ),
    path(
        "payout-batches/<str:batch_id>/pause/",
        batch_views.BatchPauseView.as_view(),
        name="payout-batch-pause",
    ),
    path(
        "payout-batches/<str:batch_id>/resume/",
        batch_views.BatchResumeView.as_view(),
        name="payout-batch-resume",
    ),
    path(
        "payout-batches/<str:batch_id>/cancel/",
        batch_views.BatchCancelView.as_view(),
        name="payout-batch-cancel",
    ),
    path(
        "payout-batches/<str:batch_id>/retry/",
        batch_views.BatchRetryView.as_view(),
        name="payout-batch-retry",
    ),
    path("approvals/", approval_views.ApprovalListView.as_view(), name="approval-list"),
    path(
        "approvals/<str:approval_id>/",
        approval_views.ApprovalDetailView.as_view(),
        name="approval-detail",
    ),
    path(
        "approvals/<str:approval_id>/approve/",
        approval_views.ApproveView.as_view(),
        name="approval-approve",
    ),
    path(
        "approvals/<str:approval_id>/reject/",
        approval_views.RejectView.as_view(),
        name="approval-reject",
    ),
    path(
        "approvals/<str:approval_id>/withdraw/",
        approval_views.WithdrawView.as_view(),
        name="approval-withdraw",
    ),
    path(
        "payments/<str:public_id>/match/",
        expectation_views.MatchView.as_view(),
        name="payment-match",
    ),
    path("receipts/", expectation_views.ReceiptListView.as_view(), name="receipt-list"),
    path(
        "expected-payments/",
        expectation_views.ExpectationListView.as_view(),
        name="expected-payment-list",
    ),
    path(
        "expected-payments/<str:expectation_id>/",
        expectation_views.ExpectationDetailView.as_view(),
        name="expected-payment-detail",
    ),
    path(
        "expected-payments/<str:expectation_id>/cancel/",
        expectation_views.ExpectationCancelView.as_view(),
        name="expected-payment-cancel",
    ),
    path("c2b/register/", c2b_views.C2BRegisterView.as_view(), name="c2b-register"),
    path("c2b/simulate/", c2b_views.C2BSimulateView.as_view(), name="c2b-simulate"),
    path("balances/", query_views.BalanceListView.as_view(), name="balance-list"),
    path("balances/refresh/", query_views.BalanceRefreshView.as_view(), name="balance-refresh"),
    path(
        "balances/refresh/<str:query_id>/",
        query_views.BalanceAnswerView.as_view(),
        name="balance-refresh-answer",
    ),
    path("transaction-status/", query_views.StatusAskView.as_view(), name="transaction-status"),
    path(
        "transaction-status/<str:query_id>/",
        query_views.StatusAnswerView.as_view(),
        name="transaction-status-answer",
    ),
    path("statements/", statement_views.StatementListView.as_view(), name="statement-list"),
    path(
        "statements/<str:statement_id>/",
        statement_views.StatementDetailView.as_view(),
        name="statement-detail",
    ),
    path(
        "statements/<str:statement_id>/items/",
        statement_views.StatementItemsView.as_view(),
        name="statement-items",
    ),
    *gava_urls(),
    *webhook_urls(),
    # Short on purpose: M-Pesa forbids its own name, among other words, in callback addresses.
    path("cb/<slug:route>/<str:token>/", callback, name="callback"),
    # A redirect to the address with the slash would lose the callback.
    path("cb/<slug:route>/<str:token>", callback),
]
