"""KRA's settings: control unit, addresses, keys, and what waits. Source: eTIMS reference."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from integrations.exceptions import IntegrationError, ProviderError, TransportError
from integrations.health.preflight.account import is_loopback
from integrations.health.preflight.finding import Finding, Subject, error, ok, warning
from integrations.kra.config import branch_key, has_device
from integrations.kra.warnings import device_words, held_words, silence_words
from integrations.models import KRABranch, KRACode, KRASettings, Transport, host_of
from integrations.models.kra_rules import faults_of
from integrations.providers.kra.check import (
    check_etims,
    check_gavaconnect,
    pairs_of,
    uses_etims,
)

_QUOTES = re.compile("[\"'`\\s]")
_KRA = re.compile(r"(?:^|\.)kra\.go\.ke$")
# Sections 1 and 9: sandbox hosts have "sbx" in their name.
_SANDBOX = re.compile(r"(?:^|[-.])sbx[-.]")


def check_required(subject: Subject) -> Iterator[Finding]:
    """Everything without which nothing is sent, and what the form would refuse."""
    if not subject.value("kra_pin"):
        yield error("kra_pin", "is empty.", "Enter the taxpayer's PIN.")
    if uses_etims(subject.config) and not subject.value("branch_code"):
        yield error("branch_code", "is empty.", "Enter the two digits that KRA gave the branch.")
    if not subject.config.active:
        yield warning(
            "integration", "is switched off.", "Switch it on in its Integrations row to use it."
        )
    if isinstance(subject.row, KRASettings):
        for name, reason in faults_of(subject.row).items():
            yield error(name, reason, "Correct it in the settings.")


def check_pin(subject: Subject) -> Iterator[Finding]:
    """PINs of people begin with A, those of organisations with P (section 10 [2])."""
    pin = str(subject.value("kra_pin") or "")
    if pin and pin[0] not in "AP":
        yield warning("kra_pin", "begins with neither A nor P.", "Compare it with the certificate.")
    elif pin:
        yield ok("kra_pin", f"{pin} has the form of a PIN.")


def check_hosts(subject: Subject) -> Iterator[Finding]:
    """Where calls go, and that the secrets were typed for that place."""
    live = subject.is_live
    fields = {
        "base_url": "base_url" if live else "sandbox_url",
        "gavaconnect_url": "gavaconnect_url" if live else "gavaconnect_sandbox_url",
    }
    for name, field in fields.items():
        url = str(subject.value(name) or "")
        if subject.config.hosts and host_of(url) not in subject.config.hosts:
            yield error(
                field,
                f"The secrets were entered for another host than {host_of(url)}.",
                "Type every secret again, or run `manage.py kra move-host`.",
            )
        yield _host_finding(subject, field, url)


def _host_finding(subject: Subject, field: str, url: str) -> Finding:
    host = urlsplit(url).hostname or ""
    is_vscu = subject.value("transport") == Transport.VSCU and "gava" not in field
    if host in ("localhost", "127.0.0.1", "::1") or is_vscu:
        return ok(field, f"is on this network: {host}.")
    if not _KRA.search(host):
        return warning(field, f"is {host}, which is not KRA's.", "Correct the address.")
    if bool(_SANDBOX.search(host)) == subject.is_live:
        kind = "sandbox" if subject.is_live else "production"
        return error(
            field,
            f"is KRA's {kind} host, and the environment is {subject.config.environment}.",
            "Correct the address, or the environment.",
        )
    if (
        subject.is_live
        and subject.value("transport") == Transport.OSCU_GATEWAY
        and (field == "base_url")
    ):
        return warning(
            field,
            f"is {host}; sources disagree about the gateway's production host.",
            "Compare it with the mail that KRA sent at go-live.",
        )
    return ok(field, f"calls go to {host}.")


def check_device(subject: Subject) -> Iterator[Finding]:
    """The control unit: initialised, with its key and its ids."""
    if not uses_etims(subject.config):
        yield warning(
            "device_serial",
            "is empty: no invoice can be signed.",
            "Enter the serial that KRA approved, unless only GavaConnect is used.",
        )
        return
    branch = _branch(subject)
    if not has_device(subject.config):
        told = device_words(subject.row, branch) if isinstance(subject.row, KRASettings) else ""
        yield error(
            "communication_key",
            told or "is empty.",
            "Press “Initialise device” once, or paste the key and the ids that you have.",
        )
        return
    if not subject.value("control_unit_id"):
        yield warning(
            "control_unit_id",
            "is empty, and receipts print it.",
            "Enter sdcId, such as KRACU0100000001.",
        )
    else:
        yield ok("control_unit_id", f"{subject.value('control_unit_id')} is ready.")


def check_copying(subject: Subject) -> Iterator[Finding]:
    """Spaces and quotes in secrets."""
    bad = [name for name in subject.config.tokens if _QUOTES.search(subject.secret(name))]
    for name in bad:
        yield error(name, "has a space or a quote in it.", "Copy it again without.")
    if not bad and any(subject.config.tokens.values()):
        yield ok("secrets", "have no mistake of copying.")


def check_gavaconnect_keys(subject: Subject) -> Iterator[Finding]:
    """Whether PINs, certificates and returns can be asked for."""
    pairs = [title for title, _ in pairs_of(subject.config)]
    if not pairs:
        yield warning(
            "client_id",
            "is empty: PINs, certificates and returns can't be asked for.",
            "Enter the pair of each product that you use (developer.go.ke).",
        )
    elif pairs == ["GavaConnect"] and not is_loopback(subject):
        yield warning(
            "client_id",
            "is the only pair, and KRA gives one for each product.",
            "Enter the pairs of the other products that you use.",
        )
    else:
        yield ok("client_id", f"there are keys for: {', '.join(pairs)}.")


def check_lists(subject: Subject) -> Iterator[Finding]:
    """The rates of KRA's own list are here."""
    if not uses_etims(subject.config):
        return
    rates = KRACode.objects.filter(environment=subject.config.environment, class_code="04")
    if rates.exists():
        yield ok("tax_rates", "KRA's list of rates is here.")
    elif not subject.value("tax_rates"):
        yield warning(
            "tax_rates",
            "KRA's code lists were never fetched, so the rates of the reference are used.",
            "Let a worker run, or call sync_tax_data().",
        )


def check_branch(subject: Subject) -> Iterator[Finding]:
    """Whether the branch is held, and how long a VSCU has been without KRA."""
    branch = _branch(subject)
    if branch is None:
        return
    held = held_words(branch)
    if held:
        yield error("branch", held, "Correct the reason, then let the branch go on.")
    if isinstance(subject.row, KRASettings):
        silent = silence_words(subject.row, branch)
        if silent:
            yield error("offline_hours", silent, "Bring the VSCU's connection to KRA back.")
    if not held and branch.last_contact_at:
        yield ok("branch", f"KRA has taken invoices up to number {branch.last_invoice_number}.")


def ask_online(
    subject: Subject,
    *,
    wait_seconds: float,  # noqa: ARG001 - KRA answers at once
    sleep: Callable[[float], None] = time.sleep,  # noqa: ARG001
) -> Iterator[Finding]:
    """The control unit and the keys, by calls that change nothing."""
    if not subject.has_secrets or not subject.config.configured:
        yield warning("online", "Nothing was asked.", "Correct the errors above first.")
        return
    parts = []
    if has_device(subject.config):
        parts.append(("communication_key", "base_url", check_etims))
    if list(pairs_of(subject.config)):
        parts.append(("client_id", "gavaconnect_url", check_gavaconnect))
    for field, address, check in parts:
        try:
            yield ok(field, check(subject.config))
        except TransportError as failure:
            yield error(address, failure.message, "Check the network and the address.")
        except ProviderError as failure:
            kind = error if failure.permanent else warning
            yield kind(field, failure.message, "Correct the settings.")
        except IntegrationError as failure:
            yield error(field, failure.message, "Correct the settings.")


def _branch(subject: Subject) -> KRABranch | None:
    return KRABranch.objects.filter(key=branch_key(subject.config)).first()
