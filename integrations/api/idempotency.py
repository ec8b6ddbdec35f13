"""The Idempotency-Key header: a request that is sent again is answered again, not done again."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from drf_spectacular.utils import OpenApiParameter
from rest_framework.permissions import SAFE_METHODS
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.exceptions import InvalidInput
from integrations.models import ApiAnswer, ApiToken

HEADER = "Idempotency-Key"
KEPT_FOR = timedelta(hours=24)
MAX_LENGTH = 128
NO_CONTENT = 204
HEADER_PARAMETER = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    description="Text of the caller's choice, up to 128 printable characters. The same request "
    "under the same key is done once; another request under it is refused with 409.",
)


def read_key(request: Request) -> str | None:
    """The header's text, None without one; raises InvalidInput."""
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not key.strip() or len(key) > MAX_LENGTH or not (key.isascii() and key.isprintable()):
        raise InvalidInput(HEADER, f"must be 1 to {MAX_LENGTH} printable ASCII characters.")
    return key


def refuse_key(request: Request) -> None:
    """Raises InvalidInput where a write carries a key that would not be honoured."""
    if request.method not in SAFE_METHODS and HEADER in request.headers:
        raise InvalidInput(
            HEADER,
            "has no effect here, so send this request without it: doing it twice does no harm.",
            code="idempotency_not_supported",
        )


def answer_once(request: Request, act: Callable[[], Response]) -> Response:
    """Run `act` in a transaction, or give the answer that the same caller's key had before.

    Only what succeeded is kept, for KEPT_FOR: a refused request may be corrected and sent again
    under its key. Of two at once the second waits for the first. Raises InvalidInput with code
    idempotency_mismatch where the key came with another request.
    """
    key = read_key(request)
    with transaction.atomic():
        if key is None:
            return act()
        kept = _claim(request, key)
        if kept.status:
            body = None if kept.status == NO_CONTENT else kept.body
            return Response(body, status=kept.status, headers={"Idempotency-Replayed": "true"})
        answer = act()
        kept.status = answer.status_code
        if answer.status_code != NO_CONTENT:
            kept.body = json.loads(JSONRenderer().render(answer.data))
        kept.save(update_fields=["status", "body"])
        return answer


def _claim(request: Request, key: str) -> ApiAnswer:
    """The caller's row of this key: a new one, whose status is 0, or the one that was answered."""
    mine = {"caller": caller_of(request), "key": key}
    digest = _digest(request)
    now = timezone.now()
    ApiAnswer.objects.filter(**mine, expires_at__lte=now).delete()
    try:
        # Whoever has the key in an open transaction is waited for here.
        with transaction.atomic():
            return ApiAnswer.objects.create(
                **mine, request_digest=digest, expires_at=now + KEPT_FOR
            )
    except IntegrityError:
        found = ApiAnswer.objects.get(**mine)
    if found.request_digest != digest:
        raise InvalidInput(
            HEADER, "was already used for another request.", code="idempotency_mismatch"
        )
    return found


def caller_of(request: Request) -> str:
    """Whose keys these are: each token's and each user's are their own."""
    if isinstance(request.auth, ApiToken):
        return f"token:{request.auth.pk}"
    return f"user:{request.user.pk}"


def _digest(request: Request) -> str:
    asked: Any = [request.method, request.path, request.data]
    text = json.dumps(asked, sort_keys=True)
    return salted_hmac("integrations.api_answer", text, algorithm="sha256").hexdigest()
