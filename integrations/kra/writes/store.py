"""Storing a report with the caller's transaction; a worker sends it in its turn."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from integrations.exceptions import IntegrationError, InvalidInput
from integrations.kra.digests import digest_of
from integrations.kra.writes.states import OPEN, QUEUE, next_look
from integrations.models import KRABranch, KRAInvoice, KRAWrite, WriteKind, WriteState
from integrations.work import ring

KEY_LENGTH = 90
# The keys under which movements of documents and decisions are stored (`sales`, `arrivals`).
_OURS = re.compile(r"(sale|purchase|import):[0-9a-f-]{36}", re.IGNORECASE)
_TRIES = 5


def check_key(key: object) -> str:
    """The caller's key of a report, or a new one where it gave none; raises InvalidInput."""
    if key is None:
        return uuid.uuid4().hex
    if not isinstance(key, str) or not key.strip() or len(key) > KEY_LENGTH:
        raise InvalidInput("key", f"must be text of 1 to {KEY_LENGTH} characters.")
    if not key.isprintable():
        raise InvalidInput("key", "must be printable.")
    if _OURS.fullmatch(key.strip()):
        raise InvalidInput("key", "is one that the report of a document or a decision has.")
    return key.strip()


def queue_write(
    branch: KRABranch,
    kind: WriteKind,
    key: str,
    document: Mapping[str, Any],
    *,
    business: str = "",
    by: Any = None,
    invoice: KRAInvoice | None = None,
    after: KRAWrite | None = None,
    wish: Mapping[str, Any] | None = None,
    subject: str = "",
) -> tuple[KRAWrite, bool]:
    """Store a report: (the row, whether it is to be sent anew).

    The same key and document again is no second report; with `wish`, that is compared instead (it
    is what the caller handed over, where the document also holds what we added). After a rejection
    the same key may carry another document, and is sent again. Raises InvalidInput
    ("idempotency_mismatch") for a key that another document has.
    """
    digest = digest_of(document if wish is None else wish)
    values = {
        "business": business or branch.business,
        "environment": branch.environment,
        "document": dict(document),
        "digest": digest,
        "requested_by": by if getattr(by, "is_authenticated", False) else None,
        "invoice": invoice,
        "after": after,
    }
    try:
        with transaction.atomic():
            write = KRAWrite.objects.create(
                branch=branch, kind=kind, key=key, subject=subject, **values
            )
    except IntegrityError:
        return _existing(branch, kind, key, values)
    ring(QUEUE)
    return write, True


def _existing(
    branch: KRABranch, kind: WriteKind, key: str, values: dict[str, Any]
) -> tuple[KRAWrite, bool]:
    found = KRAWrite.objects.filter(branch=branch, kind=kind, key=key).first()
    if found is None:
        raise IntegrationError("The report could not be stored.", code="not_stored")
    if found.business != values["business"]:
        # Of those that share a control unit none is told of, or repeats, another one's report.
        raise InvalidInput(
            "key", "was already used by another business.", code="idempotency_mismatch"
        )
    if found.state == WriteState.REJECTED and requeue(found, values):
        return found, True
    if found.digest != values["digest"]:
        raise InvalidInput(
            "key", "was already used for another report.", code="idempotency_mismatch"
        )
    return found, False


def requeue(write: KRAWrite, values: Mapping[str, Any] | None = None) -> bool:
    """Send a rejected report again, in its old place; False where it is not rejected any more.

    With `values` it was handed in again; without, a person who saw why it was rejected sends it.
    """
    changes = {
        **({**values, "result_code": ""} if values else {}),
        "state": WriteState.QUEUED,
        "number": None,
        "body": None,
        "message": "",
        "attention": "",
        "completed_at": None,
        # It begins anew: nothing of it is in doubt, and its tries are counted from here.
        "attempts": 0,
        "times_sent": 0,
        "renumbered": 0,
        **next_look(0.0),
    }
    rows = KRAWrite.objects.filter(pk=write.pk, state=WriteState.REJECTED)
    is_ours = bool(rows.update(**changes))
    write.refresh_from_db()
    if is_ours:
        ring(QUEUE)
    return is_ours


def queue_subject(
    branch: KRABranch,
    kind: WriteKind,
    subject: str,
    document: Mapping[str, Any],
    **more: Any,
) -> tuple[KRAWrite, bool]:
    """Store what KRA is to hold of a subject, whose later reports replace the earlier.

    The same content again, while no other came between, is no second report. The row's key is
    the subject with a running number of its own.
    """
    digest = digest_of(document)
    for _ in range(_TRIES):
        latest = latest_of(branch, kind, subject)
        if latest is not None and latest.digest == digest:
            if latest.state == WriteState.REJECTED and requeue(latest):
                return latest, True
            return latest, False
        count = int(latest.key.rpartition("#")[2]) + 1 if latest else 1
        try:
            key = f"{subject}#{count}"
            return queue_write(branch, kind, key, document, subject=subject, **more)
        except InvalidInput:
            # Somebody stored the next one at this moment; look again.
            continue
    raise IntegrationError("The report could not be stored; try again.", code="not_stored")


def latest_of(branch: KRABranch, kind: WriteKind, subject: str) -> KRAWrite | None:
    """The newest report about a subject, in whatever state."""
    rows = KRAWrite.objects.filter(branch=branch, kind=kind, subject=subject).exclude(subject="")
    return rows.order_by("-id").first()


def pending_items(branch: KRABranch, codes: Iterable[str]) -> list[str]:
    """Those of the item codes of which KRA was not told yet, though it is going to be.

    An invoice with such an item would be refused: who sends may wait for it.
    """
    wanted = list(codes)
    rows = KRAWrite.objects.filter(
        branch__environment=branch.environment,
        branch__tin=branch.tin,
        kind=WriteKind.ITEM,
        state__in=OPEN,
        document__item_code__in=wanted,
        document__is_new=True,
    )
    return sorted(set(rows.values_list("document__item_code", flat=True)))


def finished() -> dict[str, Any]:
    """Column values of a report that has come to its end."""
    return {"completed_at": Now(), **next_look(None)}
