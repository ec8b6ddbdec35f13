"""Reading one page of one list, and moving its cursor with the rows that are stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from integrations.config import Snapshot
from integrations.exceptions import IntegrationError, Unsupported
from integrations.kra.lists.feeds import Feed
from integrations.kra.lists.trusted import refuse_untrusted
from integrations.models import KRABranch, KRACursor
from integrations.providers.kra.client import EtimsClient, EtimsRefused
from integrations.providers.kra.payloads.values import digits_of

MOMENT = 14
# "Bad lastReqDt" (section 8): the list is read from the beginning.
BAD_CURSOR = "E31"
NOT_CARRIED = "This way to KRA has no such list."


@dataclass(frozen=True, slots=True)
class ListResult:
    """What became of one list: `count` rows came; `unreadable` of them could not be kept.

    `is_done` says that the list is as KRA has it; `is_offered` whether this transport has it.
    """

    name: str
    is_done: bool
    count: int = 0
    unreadable: int = 0
    code: str = ""
    message: str = ""
    is_offered: bool = True

    def as_dict(self) -> dict[str, Any]:
        """For answers and pages."""
        return {
            "done": self.is_done,
            "count": self.count,
            "unreadable": self.unreadable,
            "code": self.code,
            "message": self.message,
        }


def read_feed(config: Snapshot, branch: KRABranch, feed: Feed) -> ListResult:
    """Read what is new of a list, and keep it. A failure changes nothing but the cursor's words.

    Raises nothing of the provider's. Two at once read the same page, and keep the same rows.
    """
    cursor = _cursor(branch, feed)
    since = cursor.last_request or config.text("first_list_date")
    try:
        refuse_untrusted(config, feed)
        reply = EtimsClient(config).call(feed.operation, {"lastReqDt": since})
        with transaction.atomic():
            count, bad = _keep(branch, feed, reply.data, told=reply.result_at)
    except Unsupported as error:
        _note(cursor, NOT_CARRIED)
        return ListResult(
            feed.name, is_done=False, code=error.code, message=NOT_CARRIED, is_offered=False
        )
    except IntegrationError as error:
        _note_failure(cursor, error)
        return ListResult(feed.name, is_done=False, code=error.code, message=error.message)
    return ListResult(feed.name, is_done=True, count=count, unreadable=bad, message=_left_out(bad))


def _keep(branch: KRABranch, feed: Feed, data: object, *, told: str) -> tuple[int, int]:
    """Rows and cursor in one transaction; a cursor never goes back."""
    cursor = KRACursor.objects.select_for_update().get(pk=_cursor(branch, feed).pk)
    count, bad = feed.store(branch, data)
    now = timezone.now()
    cursor.last_request = max(digits_of(told, MOMENT) or "", cursor.last_request)
    cursor.synced_at, cursor.tried_at = now, now
    cursor.count, cursor.message = count, _left_out(bad)
    cursor.save(update_fields=["last_request", "synced_at", "tried_at", "count", "message"])
    KRABranch.objects.filter(pk=branch.pk).update(last_contact_at=now)
    return count, bad


def _cursor(branch: KRABranch, feed: Feed) -> KRACursor:
    cursor, _ = KRACursor.objects.get_or_create(
        environment=branch.environment,
        tin=branch.tin,
        bhf_id=branch.bhf_id,
        list_name=feed.name,
        defaults={"business": branch.business},
    )
    return cursor


def _left_out(bad: int) -> str:
    return f"{bad} row(s) had no usable key and were left out." if bad else ""


def _note(cursor: KRACursor, message: str) -> None:
    KRACursor.objects.filter(pk=cursor.pk).update(tried_at=timezone.now(), message=message[:300])


def _note_failure(cursor: KRACursor, error: IntegrationError) -> None:
    _note(cursor, error.message)
    if isinstance(error, EtimsRefused) and error.code == BAD_CURSOR:
        KRACursor.objects.filter(pk=cursor.pk, last_request=cursor.last_request).update(
            last_request=""
        )
