"""`manage.py webhooks`: what is stuck, a test, and deliveries made again."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from integrations.access import EVERYTHING, Scope
from integrations.exceptions import IntegrationError
from integrations.models import AttemptOutcome, DeliveryStatus, WebhookEndpoint, WebhookReplay
from integrations.webhooks import replay, status, trial
from integrations.webhooks.again import dead_letters, retry_dead


class Command(BaseCommand):
    """`status`, `test`, `replay`, `replays`, `cancel` and `retry-dead`."""

    help = "Shows what is stuck in webhooks, sends tests, and delivers again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One subcommand for each thing to do; ENDPOINT is a primary key or a name."""
        actions = parser.add_subparsers(dest="action", required=True)
        shown = actions.add_parser("status", help="what is stuck, since when, why")
        shown.add_argument("--business", help="only this one's (default: all)")
        shown.add_argument("--json", action="store_true", help="for programs")
        tested = actions.add_parser("test", help="send a test now; exit code 1 if it fails")
        tested.add_argument("endpoint")
        _add_replay(actions.add_parser("replay", help="deliver again what a filter finds"))
        actions.add_parser("replays", help="the latest replays and how far they are")
        stopped = actions.add_parser("cancel", help="stop a replay")
        stopped.add_argument("replay", help="its id, from `replays`")
        dead = actions.add_parser("retry-dead", help="begin anew with what was given up")
        dead.add_argument("--endpoint", help="only this one's (default: all)")
        dead.add_argument("--confirm", type=int, metavar="COUNT", help="the count shown without it")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do it; CommandError for what is refused."""
        action = options["action"].replace("-", "_")
        try:
            getattr(self, f"_do_{action}")(options)
        except IntegrationError as error:
            raise CommandError(f"{error.message} See {error.help_url}") from None

    def _do_status(self, options: dict[str, Any]) -> None:
        business = options["business"]
        scope = EVERYTHING if business is None else Scope(businesses=frozenset({business}))
        told = status.overview(scope)
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(told), indent=2))
            return
        waiting = _bounded(told.waiting, is_more=told.waiting_is_more)
        dead = _bounded(told.dead, is_more=told.dead_is_more)
        self.stdout.write(f"Waiting: {waiting}. Dead letters: {dead}.")
        recent, rest = told.recent, " or more" if told.recent.is_more else ""
        self.stdout.write(f"Last {status.MINUTES} minutes: {recent.delivered:,}{rest} delivered, "
                          f"{recent.failed:,}{rest} failed.")  # fmt: skip
        for row in told.rows:
            self._print(row)
        if not told.rows:
            self.stdout.write(self.style.SUCCESS("Nothing waits."))

    def _print(self, row: status.Stuck) -> None:
        is_fine = row.kind in ("moving", "idle")
        style = str if is_fine else self.style.WARNING
        since = (
            f", the oldest since {timezone.localtime(row.since):%Y-%m-%d %H:%M}"
            if row.since
            else ""
        )
        owner = f" ({row.endpoint.business})" if row.endpoint.business else ""
        self.stdout.write("")
        self.stdout.write(f"[{row.endpoint.pk}] {row.endpoint.name}{owner}: "
                          f"{row.waiting_text} waiting{since}")  # fmt: skip
        self.stdout.write(style(f"  why:  {row.why}"))
        self.stdout.write(f"  do:   {row.remedy}")

    def _do_test(self, options: dict[str, Any]) -> None:
        attempt = trial.send_test(_endpoint(options["endpoint"]), actor=None)
        self.stdout.write(trial.describe(attempt))
        if attempt.outcome != AttemptOutcome.DELIVERED:
            raise SystemExit(1)

    def _do_replay(self, options: dict[str, Any]) -> None:
        chosen = _filter(options)
        if options["confirm"] is None:
            count = replay.count_replay(chosen)
            fit = "1 delivery fits" if count == 1 else f"{count:,} deliveries fit"
            self.stdout.write(f"{fit}. Nothing was done.")
            until = timezone.localtime(chosen.until).isoformat()
            if count:
                self.stdout.write(f"To deliver again, add: --until {until} --confirm {count}")
            return
        row = replay.start_replay(
            chosen, expected_count=options["confirm"], actor=None, rate_per_second=options["rate"]
        )
        self.stdout.write(f"Replay {row.public_id}: {row.total:,} deliveries, "
                          f"at most {row.rate_per_second:g} per second.")  # fmt: skip

    def _do_replays(self, _options: dict[str, Any]) -> None:
        for row in WebhookReplay.objects.select_related("endpoint").order_by("-pk")[:20]:
            target = row.endpoint.name if row.endpoint else f"business {row.business or '-'}"
            begun = timezone.localtime(row.created_at)
            self.stdout.write(
                f"{row.public_id}  {begun:%Y-%m-%d %H:%M}  {row.get_state_display():9}  "
                f"{row.done:,} of {row.total:,}  {target}"
            )

    def _do_cancel(self, options: dict[str, Any]) -> None:
        try:
            row = WebhookReplay.objects.get(public_id=options["replay"])
        except (WebhookReplay.DoesNotExist, ValidationError):
            raise CommandError("There is no such replay.") from None
        row = replay.cancel_replay(row, actor=None)
        self.stdout.write(f"Cancelled. {row.done:,} of {row.total:,} were due already.")

    def _do_retry_dead(self, options: dict[str, Any]) -> None:
        endpoint = _endpoint(options["endpoint"]) if options["endpoint"] else None
        rows = dead_letters(endpoint)
        if options["confirm"] is None:
            count = rows.count()
            dead = "1 dead letter" if count == 1 else f"{count:,} dead letters"
            self.stdout.write(f"{dead} can be tried again. Nothing was done.")
            if count:
                self.stdout.write(f"To begin anew, add: --confirm {count}")
            return
        count = retry_dead(rows, expected_count=options["confirm"], actor=None)
        self.stdout.write(f"{count:,} dead letters are tried again, from the beginning.")


def _add_replay(parser: ArgumentParser) -> None:
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--endpoint")
    whose.add_argument("--business", help="all endpoints of this one ('' for the installation)")
    statuses = ", ".join(DeliveryStatus.values)
    parser.add_argument("--status", default="failed", help=f"{statuses}, or '' for all")
    parser.add_argument("--event-type", default="", help="a name, or a pattern such as payment.*")
    parser.add_argument("--since", type=_instant, help="published at or after, ISO 8601")
    parser.add_argument("--until", type=_instant, help="published at or before (default: now)")
    parser.add_argument("--missed", action="store_true", help="with what it never got")
    parser.add_argument("--rate", type=float, default=replay.DEFAULT_RATE, help="per second")
    parser.add_argument("--confirm", type=int, metavar="COUNT", help="the count shown without it")


def _instant(text: str) -> datetime:
    try:
        found = parse_datetime(text)
    except ValueError:  # a month 13, for instance
        found = None
    if found is None:
        raise ArgumentTypeError(f"{text!r} is no time such as 2026-01-31T08:00")
    return timezone.make_aware(found) if timezone.is_naive(found) else found


def _endpoint(text: str) -> WebhookEndpoint:
    rows = WebhookEndpoint.objects.filter(pk=int(text)) if text.isdecimal() else None
    found = list((rows or WebhookEndpoint.objects.filter(name=text))[:2])
    if len(found) != 1:
        raise CommandError(f"{'Several endpoints have' if found else 'No endpoint has'} this name.")
    return found[0]


def _filter(options: dict[str, Any]) -> replay.ReplayFilter:
    limits = {"until": options["until"]} if options["until"] else {}
    return replay.ReplayFilter(
        endpoint=_endpoint(options["endpoint"]) if options["endpoint"] else None,
        business=options["business"] or "", status=options["status"],
        event_type=options["event_type"], since=options["since"],
        includes_missed=options["missed"], **limits,
    )  # fmt: skip


def _bounded(count: int, *, is_more: bool) -> str:
    return f"more than {count:,}" if is_more else f"{count:,}"


def _as_json(told: status.Overview) -> dict[str, Any]:
    return {
        "waiting": told.waiting, "waiting_is_more": told.waiting_is_more, "dead": told.dead,
        "dead_is_more": told.dead_is_more, "endpoints": told.endpoints,
        "recent": {"minutes": status.MINUTES, "delivered": told.recent.delivered,
                   "failed": told.recent.failed, "is_more": told.recent.is_more},
        "stuck": [
            {"endpoint": row.endpoint.pk, "name": row.endpoint.name,
             "business": row.endpoint.business, "waiting": row.waiting, "is_more": row.is_more,
             "since": row.since.isoformat() if row.since else None, "kind": row.kind,
             "why": row.why, "do": row.remedy}
            for row in told.rows
        ],
    }  # fmt: skip
