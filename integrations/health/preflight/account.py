"""Short code, till, environment and limits: what contradicts itself or belongs elsewhere.

Source: Daraja reference, sections 1 and 4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from integrations.conf import hub_settings
from integrations.health.preflight.finding import Finding, Subject, error, ok, warning
from integrations.models import TransactionType, host_of

# Published by Safaricom for everybody (section 1): worth nothing in production.
SANDBOX_STK_CODE = "174379"
_SANDBOX_CODE = re.compile(r"174379|600\d{3}|572572")
_LIVE_HOST, _SANDBOX_HOST = "api.safaricom.co.ke:443", "sandbox.safaricom.co.ke:443"
WALLET_MOST = 250_000
WALLET_DAY = 500_000


def is_loopback(subject: Subject) -> bool:
    """Whether the provider is the bundled emulator."""
    host = urlsplit(str(subject.value("base_url") or "")).hostname or ""
    return host in ("localhost", "127.0.0.1", "::1")


def check_required(subject: Subject) -> Iterator[Finding]:
    """Everything without which nothing is sent."""
    for name in ("consumer_key", "consumer_secret", "passkey", "short_code"):
        is_set = subject.config.tokens.get(name) or subject.config.values.get(name)
        if not is_set:
            yield error(name, "is empty.", "Enter it: without it nothing can be sent.")
    if not subject.config.active:
        yield warning(
            "integration", "is switched off.", "Switch it on in its Integrations row to use it."
        )


def check_short_code(subject: Subject) -> Iterator[Finding]:
    """Digits, and those of the right environment."""
    code = subject.short_code
    if not code:
        return
    if not re.fullmatch(r"[0-9]{5,7}", code):
        yield error(
            "short_code", "is not a number of 5 to 7 digits.", "Enter the digits alone, no spaces."
        )
        return
    is_sandbox = bool(_SANDBOX_CODE.fullmatch(code))
    if subject.is_live and is_sandbox:
        yield error(
            "short_code",
            f"{code} belongs to Safaricom's sandbox, and the environment is production.",
            "Enter your own short code from the go-live mail.",
        )
    elif not subject.is_live and not is_sandbox and not is_loopback(subject):
        yield warning(
            "short_code",
            f"{code} is not one of the sandbox's (174379 or 600xxx).",
            "Set the environment to production, or enter a short code of the sandbox.",
        )
    else:
        yield ok("short_code", f"{code} fits the environment.")


def check_till(subject: Subject) -> Iterator[Finding]:
    """A till needs two numbers that differ; a PayBill needs one."""
    till = str(subject.value("till_number") or "")
    if subject.value("transaction_type") != TransactionType.TILL:
        if till:
            yield warning(
                "till_number",
                "is set, and the transaction type is PayBill, which does not use it.",
                "Choose buy goods as transaction type, or clear the till number.",
            )
        return
    if not till:
        yield error("till_number", "is empty.", "Enter the till that receives the money.")
    elif till == subject.short_code:
        yield error(
            "short_code",
            "is the same as the till number, which M-Pesa refuses as receiver.",
            "Enter the store or head-office number used at go-live as short code.",
        )
    elif not till.isdigit():
        yield error("till_number", "is not a number.", "Enter its digits alone.")
    else:
        yield ok("till_number", "differs from the short code, as it must.")


def check_hosts(subject: Subject) -> Iterator[Finding]:
    """Where calls go, and that the secrets were typed for that place."""
    url = str(subject.value("base_url") or "")
    host = host_of(url)
    name = "base_url" if subject.is_live else "sandbox_url"
    if subject.config.hosts and frozenset({host}) != subject.config.hosts:
        yield error(
            name,
            f"The secrets were entered for another host than {host}.",
            "Type every secret again, which confirms the host.",
        )
    if is_loopback(subject):
        yield ok(name, "is the emulator on this machine.")
    elif subject.is_live and host != _LIVE_HOST:
        kind = error if host.endswith("safaricom.co.ke:443") else warning
        yield kind(name, f"is {host}, and M-Pesa's is api.safaricom.co.ke.", "Correct the address.")
    elif not subject.is_live and host == _LIVE_HOST:
        yield error(
            name,
            "is M-Pesa's production host, and the environment is sandbox: real money would move.",
            "Correct the address, or choose production.",
        )
    elif not subject.is_live and host != _SANDBOX_HOST:
        yield warning(
            name, f"is {host}, and M-Pesa's is sandbox.safaricom.co.ke.", "Correct the address."
        )
    else:
        yield ok(name, f"calls go to {host}.")


def check_limits(subject: Subject) -> Iterator[Finding]:
    """Limits that contradict each other or pass what a wallet may hold."""
    found = [*_orders(subject), *_wallet(subject), *_approvals(subject)]
    yield from found or [ok("limits", "don't contradict each other.")]


def _orders(subject: Subject) -> Iterator[Finding]:
    pairs = (
        ("minimum_amount", "maximum_amount", error),
        ("payout_minimum", "payout_maximum", error),
        ("maximum_amount", "payer_daily_limit", warning),
        ("payout_maximum", "payout_daily_limit", warning),
        ("payout_maximum", "payee_daily_limit", warning),
    )
    for lower, upper, kind in pairs:
        low, high = subject.value(lower), subject.value(upper)
        if low is not None and high is not None and low > high:
            yield kind(
                upper, f"KES {high:,} is below {lower} (KES {low:,}).", "Correct one of them."
            )


def _wallet(subject: Subject) -> Iterator[Finding]:
    for name in ("maximum_amount", "payout_maximum"):
        if (subject.value(name) or 0) > WALLET_MOST:
            yield warning(
                name,
                f"is above KES {WALLET_MOST:,}, the most that M-Pesa carries at once.",
                "Lower it, unless Safaricom agreed to more.",
            )
    for name in ("payer_daily_limit", "payee_daily_limit"):
        if (subject.value(name) or 0) > WALLET_DAY:
            yield warning(
                name,
                f"is above KES {WALLET_DAY:,}, the most that a wallet moves in a day.",
                "Lower it, unless Safaricom agreed to more.",
            )


def _approvals(subject: Subject) -> Iterator[Finding]:
    above, most = subject.value("approve_above"), subject.value("payout_maximum")
    if not subject.value("initiator_name"):
        return
    if above is None:
        yield warning(
            "approve_above",
            "is empty, so one person alone can pay out.",
            "Enter an amount above which a second person has to agree.",
        )
    elif most is not None and above >= most:
        yield warning(
            "approve_above",
            f"KES {above:,} is not below payout_maximum, so no payout ever needs a second person.",
            "Lower it, or clear it if that is what you want.",
        )


def check_pace(subject: Subject) -> Iterator[Finding]:
    """Whose word counts about the rate of calls."""
    named = hub_settings.rate_limits.get(subject.config.slug)
    if named is not None:
        yield warning(
            "requests_per_second",
            f"INTEGRATIONS_RATE_LIMITS says {named[0]:g} per second, and goes first.",
            "Take M-Pesa out of that setting, to have this field decide.",
        )
