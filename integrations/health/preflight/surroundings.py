"""What M-Pesa calls back, and whether anybody works on what it says.

Source: Daraja reference, sections 8 and 20.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from integrations.callback_address import is_public
from integrations.conf import hub_settings
from integrations.exceptions import ConfigurationError
from integrations.health.preflight.account import is_loopback
from integrations.health.preflight.finding import Finding, Subject, error, ok, warning
from integrations.models import C2BRegistration, PeriodicLease
from integrations.models.c2b import RegistrationState
from integrations.models.mpesa import CALLBACK_SOURCES
from integrations.payments.stk import callback_url
from integrations.work import queues
from integrations.work.clock import database_now

# Public tunnels and request bins, which M-Pesa often blocks (section 8).
_TUNNELS = (
    "ngrok.io", "ngrok.app", "ngrok.dev", "ngrok-free.app", "ngrok-free.dev", "loca.lt",
    "localtunnel.me", "trycloudflare.com", "serveo.net", "localhost.run", "lhr.life", "pagekite.me",
    "tunnelmole.net", "pinggy.link", "bore.pub", "webhook.site", "requestbin.com", "requestbin.net",
    "pipedream.net", "beeceptor.com", "hookdeck.com", "hookb.in", "requestcatcher.com",
    "devtunnels.ms", "ts.net",
)  # fmt: skip
OVERDUE = timedelta(seconds=60)
SILENT = timedelta(minutes=10)


def check_callback_url(subject: Subject) -> Iterator[Finding]:
    """The rules of section 8, on the address as a payment would give it."""
    name = "callback_base_url" if subject.value("callback_base_url") else "PUBLIC_BASE_URL"
    try:
        url = callback_url(subject.config, "0" * 32)
    except ConfigurationError as failure:
        yield error(name, failure.message, "Enter the public https address of this installation.")
        return
    base = str(subject.value("callback_base_url") or hub_settings.public_base_url)
    parts = urlsplit(url)
    found = list(_host_findings(subject, name, parts.hostname or ""))
    if parts.scheme != "https" and not is_loopback(subject):
        found.append(
            warning(name, "begins with http://, which only the sandbox takes.", "Use https.")
        )
    if re.search(r"[A-Z]", urlsplit(base).path):
        found.append(
            warning(name, "has upper-case letters in its path.", "Write it in lower case.")
        )
    yield from found or [ok(name, f"callbacks come to {parts.scheme}://{parts.netloc}.")]


def _host_findings(subject: Subject, name: str, host: str) -> Iterator[Finding]:
    if is_loopback(subject):
        return
    if any(host == tunnel or host.endswith("." + tunnel) for tunnel in _TUNNELS):
        kind = error if subject.is_live else warning
        yield kind(
            name,
            f"{host} is a public tunnel or request bin, which M-Pesa often blocks.",
            "Use a host of your own.",
        )
    elif not is_public(host):
        yield error(name, f"M-Pesa can't reach {host}.", "Use a host that the internet reaches.")


def check_sources(subject: Subject) -> Iterator[Finding]:
    """The documented addresses are on the list."""
    text = str(subject.value("callback_sources") or "").strip()
    if not text:
        yield warning(
            "callback_sources",
            "is empty, so callbacks are taken from anywhere.",
            "Enter Safaricom's addresses, as they are by default.",
        )
        return
    if is_loopback(subject):
        return
    networks = []
    for part in re.split(r"[,\s]+", text):
        try:
            networks.append(ipaddress.ip_network(part, strict=False))
        except ValueError:
            yield error("callback_sources", f"{part[:40]!r} is no address.", "Correct it.")
    missing = [
        address
        for address in CALLBACK_SOURCES.split()
        if not any(ipaddress.ip_address(address) in network for network in networks)
    ]
    if missing:
        yield warning(
            "callback_sources",
            f"misses documented addresses of M-Pesa: {', '.join(missing)}.",
            "Add them: callbacks from there are quarantined.",
        )
    elif networks:
        yield ok("callback_sources", "holds every documented address.")


def check_c2b(subject: Subject) -> Iterator[Finding]:
    """Whether payments that nobody was prompted for are told to us."""
    rows = C2BRegistration.objects.filter(
        business=subject.row.business if subject.row else subject.config.business,
        environment=subject.config.environment,
        short_code=subject.short_code,
        retired_at=None,
        state=RegistrationState.REGISTERED,
    )
    newest = rows.order_by("-id").first()
    if newest is None:
        yield warning(
            "c2b",
            "No addresses are registered: of payments without a prompt nobody tells us.",
            "Register them, if customers pay to the short code by themselves.",
        )
    elif newest.response_type != subject.value("c2b_response_type"):
        yield warning(
            "c2b_response_type",
            f"M-Pesa was told {newest.response_type!r}, and the settings say otherwise.",
            "Register again; in production the old addresses must be deleted on the portal first.",
        )
    else:
        yield ok("c2b", "Addresses are registered.")


def check_pull(subject: Subject) -> Iterator[Finding]:
    """Pull needs the nominated phone."""
    if subject.value("pull_enabled") and not subject.value("pull_phone"):
        yield error("pull_phone", "is empty.", "Enter the phone number nominated for pull.")


def check_worker(_subject: Subject) -> Iterator[Finding]:
    """Somebody works: no queue has rows long overdue, and the periodic jobs run."""
    now = database_now()
    start = "Start `manage.py worker`, or Celery worker and beat."
    stuck, late = _overdue(now - SILENT), _overdue(now - OVERDUE)
    jobs = PeriodicLease.objects
    if stuck:
        yield error("worker", f"Nobody works on what is due: {', '.join(stuck)}.", start)
    elif not jobs.exists():
        yield error("worker", "None has ever run here.", start)
    elif jobs.filter(next_run_at__lt=now - SILENT).exists():
        yield error("worker", "The periodic jobs don't run.", start)
    elif late:
        yield warning(
            "worker",
            f"Work is more than a minute late: {', '.join(late)}.",
            "If that lasts, start more workers.",
        )
    else:
        yield ok("worker", "Nothing is overdue.")


def _overdue(moment: datetime) -> list[str]:
    """The queues with a row that was due before then and that nobody has in hand."""
    return [
        queue.name
        for queue in queues()
        if queue.model._base_manager.filter(next_attempt_at__lt=moment).exists()
    ]
