"""The page of the durable-work queues: what waits, for how long, and what was given up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Min, Q
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils.timesince import timesince

from integrations import work
from integrations.access import request_scope
from integrations.admin.confirm import confirmation
from integrations.admin.read_only import ReadOnlyAdmin
from integrations.admin.rotation import PAGE as ROTATION_PAGE
from integrations.exceptions import ConfigurationError
from integrations.models import AuditEntry, KeyRotation, WorkQueue
from integrations.work import Queue, WorkState
from integrations.work.clock import database_now

PAGE = "admin:integrations_queues"


@dataclass(frozen=True)
class Standing:
    """One queue right now. `age` is for how long its oldest due row has been due, in words.

    `retry_url` is where its dead rows are tried again, "" where the user may not.
    """

    name: str
    due: int
    queued: int
    leased: int
    dead: int
    age: str
    url: str
    retry_url: str = ""


def standing_of(queue: Queue[Any], now: datetime) -> Standing:
    """Two queries: what has a time has a small index, and so has what is dead."""
    rows = queue.model._default_manager.all()
    told = rows.filter(next_attempt_at__isnull=False).aggregate(
        due=Count("pk", filter=Q(next_attempt_at__lte=now)),
        queued=Count("pk", filter=Q(work_state=WorkState.DUE)),
        leased=Count("pk", filter=Q(work_state=WorkState.LEASED)),
        oldest=Min("next_attempt_at"),
    )
    is_late = told["oldest"] is not None and told["oldest"] <= now
    return Standing(
        name=queue.name,
        due=told["due"],
        queued=told["queued"],
        leased=told["leased"],
        dead=rows.filter(work_state=WorkState.DEAD).count(),
        age=timesince(told["oldest"], now, depth=1) if is_late else "",
        url=_list_of(queue),
    )


def _list_of(queue: Queue[Any]) -> str:
    """The page with the queue's rows, "" where the admin has none (a host's own queue)."""
    opts = queue.model._meta
    try:
        return reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
    except NoReverseMatch:
        return ""


@admin.register(WorkQueue)
class QueuesAdmin(ReadOnlyAdmin):
    """All queues on one page, for people who see every business: rows are counted together."""

    def get_urls(self) -> list[URLPattern]:
        """The page, and the retry of one queue's dead rows; there are no rows to open."""
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self.page_view), name="integrations_queues"),
            path("", wrap(self.page_view), name="integrations_workqueue_changelist"),
            path("<str:name>/retry/", wrap(self.retry_view), name="integrations_queues_retry"),
        ]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Django's, for people who see every business."""
        return super().has_view_permission(request, obj) and request_scope(request).is_all

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whoever may see the page."""
        return self.has_view_permission(request)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Whoever may see the page and try dead work again."""
        may_see = self.has_view_permission(request)
        return may_see and request.user.has_perm("integrations.retry_work")

    def page_view(self, request: HttpRequest) -> HttpResponseBase:
        """Every queue; raises PermissionDenied."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = database_now()
        standings = [
            replace(standing_of(queue, now), retry_url=self._retry_url(request, queue))
            for queue in work.queues()
        ]
        context = {
            **self.admin_site.each_context(request),
            "title": "Work queues",
            "queues": standings,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/integrations/queues.html", context)

    def _retry_url(self, request: HttpRequest, queue: Queue[Any]) -> str:
        if not self.has_retry_permission(request):
            return ""
        if _is_rotation(queue):
            return reverse(ROTATION_PAGE) if request.user.is_superuser else ""
        return reverse(f"{PAGE}_retry", args=[queue.name])

    def retry_view(self, request: HttpRequest, name: str) -> HttpResponseBase:
        """Ask, and then make every dead row of a queue due now. Audited.

        Raises PermissionDenied, and Http404 for a queue that there is not.
        """
        if not self.has_retry_permission(request):
            raise PermissionDenied
        try:
            queue = work.get_queue(name)
        except ConfigurationError:
            raise Http404("There is no such queue.") from None
        if _is_rotation(queue):
            if not request.user.is_superuser:
                raise PermissionDenied
            return HttpResponseRedirect(reverse(ROTATION_PAGE))
        rows = queue.model._default_manager.filter(work_state=WorkState.DEAD)
        if request.method == "POST" and request.POST.get("confirmed"):
            _retry(request, queue, rows)
            return HttpResponseRedirect(reverse(PAGE))
        count = rows.count()
        if not count:
            messages.info(request, f"Nothing is dead in the queue {name}.")
            return HttpResponseRedirect(reverse(PAGE))
        return confirmation(
            self, request, title=f"Try dead work again: {name}", back=reverse(PAGE),
            lines=[
                f"{_rows(count)} of the queue {name} were given up.",
                "They become due now and are tried from the beginning.",
                "Mend the cause first. A retry may settle a payment or call a listener again.",
            ],
            button=f"Try {_rows(count)} again",
        )  # fmt: skip


def _is_rotation(queue: Queue[Any]) -> bool:
    """A key rotation goes on by its own page: it knows which may, and who may let it."""
    return issubclass(queue.model, KeyRotation)


def _retry(request: HttpRequest, queue: Queue[Any], rows: Any) -> None:
    with transaction.atomic():
        count = work.retry_dead(rows)
        AuditEntry.objects.record("work.retried", detail=f"{count} dead rows of {queue.name}")
        work.ring(queue.name)
    level = messages.SUCCESS if count else messages.WARNING
    messages.add_message(request, level, f"{_rows(count)} of {queue.name} are tried again.")


def _rows(count: int) -> str:
    return f"{count:,} dead row{'' if count == 1 else 's'}"
