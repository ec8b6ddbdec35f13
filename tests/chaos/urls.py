"""The product's URLs, and a page of a host ERP that asks for payments and pays out."""

from __future__ import annotations

import json

from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from bengoerp.urls import urlpatterns as product
from integrations.payments.mpesa_payment import MpesaPaymentService

PUSHES = {
    "now": MpesaPaymentService.initiate_stk_push,
    "queued": MpesaPaymentService.enqueue_stk_push,
    "payout_now": MpesaPaymentService.pay_out,
    "payout_queued": MpesaPaymentService.enqueue_payout,
}


@csrf_exempt
@require_POST
def pay(request: HttpRequest, how: str) -> JsonResponse:
    """Push as any ERP would, and hand the answer on."""
    return JsonResponse(PUSHES[how](**json.loads(request.body)), safe=False)


urlpatterns = [*product, path("pay/<str:how>", pay)]
