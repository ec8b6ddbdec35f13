"""Service calls with an idempotency key: made again, they are answered again and not done again.

For calls that leave no payment: payments carry their key themselves, without an end.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.db import Error as DatabaseError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from integrations.exceptions import InvalidInput, help_url
from integrations.models import ApiAnswer
from integrations.payments.answers import Answer
from integrations.payments.opening import check_key

KEPT_FOR = timedelta(hours=24)
# Of a stored answer; a row without one belongs to a call that has not ended, or never will.
DONE = 200
AWAY = "The database does not answer; nothing was done. Try again in a moment."
BEGUN = (
    "A call with this idempotency key was begun and has not ended: its outcome is not known. "
    "Look before you call under another key."
)


def once(
    method: str,
    key: str | None,
    business: str,
    wanted: Mapping[str, Any],
    act: Callable[[], Answer],
) -> Answer:
    """What `act` answers, or what it answered before under this key of this business.

    `wanted` are the call's arguments: another call under the same key is refused
    (`idempotency_mismatch`). A refused call leaves the key free, so it can be mended and made
    again; any other answer is kept for KEPT_FOR, with `data["repeated"]` when it is given again.
    """
    if key is None:
        return act()
    try:
        kept, is_new = _claim(method, check_key(key) or "", business, wanted)
    except InvalidInput as error:
        return _refused(error.message, code=error.code, field=error.field)
    except DatabaseError:
        return _refused(AWAY, code="not_stored")
    if not is_new:
        return _again(kept)
    return _keep(kept, act)


def _claim(
    method: str, key: str, business: str, wanted: Mapping[str, Any]
) -> tuple[ApiAnswer, bool]:
    digest = hashlib.sha256(json.dumps([business, key]).encode()).hexdigest()
    mine = {"caller": f"service:{method}"[:40], "key": digest}
    request = json.dumps(wanted, sort_keys=True, default=str)
    request_digest = salted_hmac(
        "integrations.service_answer", request, algorithm="sha256"
    ).hexdigest()
    now = timezone.now()
    ApiAnswer.objects.filter(**mine, expires_at__lte=now).delete()
    try:
        with transaction.atomic():
            return ApiAnswer.objects.create(
                **mine, request_digest=request_digest, expires_at=now + KEPT_FOR
            ), True
    except IntegrityError:
        found = ApiAnswer.objects.get(**mine)
    if found.request_digest != request_digest:
        raise InvalidInput(
            "idempotency_key", "was already used for another call.", code="idempotency_mismatch"
        )
    return found, False


def _again(kept: ApiAnswer) -> Answer:
    if kept.status != DONE:
        data = {"state": "unknown", "code": "outcome_unknown", "repeated": True}
        return False, BEGUN, {**data, "help": help_url("outcome_unknown")}
    told = kept.body
    return told["success"], told["message"], {**told["data"], "repeated": True}


def _keep(kept: ApiAnswer, act: Callable[[], Answer]) -> Answer:
    success, message, data = act()
    if data is None or not (success or data.get("state") == "unknown"):
        kept.delete()
    else:
        kept.status, kept.body = DONE, {"success": success, "message": message, "data": data}
        kept.save(update_fields=["status", "body"])
    return success, message, data


def _refused(text: str, **more: str) -> Answer:
    return False, text, {"state": "refused", **more, "help": help_url(more["code"])}
