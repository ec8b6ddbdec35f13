"""C2B addresses: giving M-Pesa the two of a short code, and playing a payer in the sandbox."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from integrations.callback_address import check_callback_base, check_callback_words
from integrations.conf import hub_settings
from integrations.config import Snapshot
from integrations.exceptions import (
    IntegrationError,
    InvalidInput,
    OutcomeUnknown,
    ProviderError,
    TransportError,
    Unsupported,
)
from integrations.models import AuditEntry, C2BRegistration, Environment, RegistrationState
from integrations.money import parse_money
from integrations.payments.accounts import account_config, account_text
from integrations.payments.opening import digest_of
from integrations.payments.statements.account import owner_of
from integrations.phone import kenyan_msisdn
from integrations.providers.mpesa.client import DarajaClient

PROVIDER = "mpesa"
CONFIRMATION_ROUTE, VALIDATION_ROUTE = "c2b-confirmation", "c2b-validation"
ALREADY = (
    "M-Pesa already has addresses for this short code, and in production it takes them only once. "
    "Delete them on the Daraja portal (My Apps, the app, C2B URLs), or ask Safaricom "
    "(apisupport@safaricom.co.ke) to delete the registered C2B URLs of short code {}, then "
    "register again. Addresses that were registered here earlier go on working."
)
LOST = (
    "M-Pesa's answer was lost, so it may have these addresses or not. They are answered either "
    "way. Make a small payment to see, or register again."
)
BORROWED = "uses the installation's account: its addresses are registered for that one."
TAKEN = "M-Pesa took the addresses."
ASKED_TO_PAY = "The sandbox plays a customer who pays; the confirmation follows."
SANDBOX_ONLY = "Payments can be simulated in the sandbox only; in production a payer has to pay."


@dataclass(frozen=True, slots=True)
class Registered:
    """A registration and its two addresses: secrets, to be shown once and kept nowhere."""

    registration: C2BRegistration
    confirmation_url: str = field(repr=False)
    validation_url: str = field(repr=False)


def register(*, business: str = "", short_code: str = "") -> Registered:
    """Give M-Pesa new addresses for a short code: stored first, then sent.

    What became of it is the registration's state and message. Earlier addresses stay valid until
    they are retired. A business that borrows the installation's account can't register it: all
    of its payers' money would be told of there. Raises InvalidInput, ConfigurationError, and
    RuntimeError inside an open transaction: a registration that is rolled back would leave M-Pesa
    with dead addresses.
    """
    config = account_config(business, account_text(short_code))
    config.require_usable()
    if business and owner_of(config) != business:
        raise InvalidInput("business", BORROWED, code="borrowed_account")
    base = _base_url(config)
    confirmation, validation = secrets.token_hex(16), secrets.token_hex(16)
    urls = [
        base + reverse("integrations:callback", args=[route, token])
        for route, token in ((CONFIRMATION_ROUTE, confirmation), (VALIDATION_ROUTE, validation))
    ]
    for url in urls:
        check_callback_words(url)
    with transaction.atomic(durable=True):
        registration = C2BRegistration.objects.create(
            business=config.business,
            environment=config.environment,
            short_code=str(config.values["short_code"]),
            version=str(config.values["c2b_version"]),
            response_type=str(config.values["c2b_response_type"]),
            confirmation_digest=digest_of(confirmation),
            validation_digest=digest_of(validation),
            base_url=base[:300],
        )
        _record("c2b.registering", registration)
    _send(config, registration, *urls)
    return Registered(registration, *urls)


def _base_url(config: Snapshot) -> str:
    base = str(config.values["callback_base_url"] or hub_settings.public_base_url)
    return check_callback_base(base, config.environment)


def _send(config: Snapshot, registration: C2BRegistration, confirmed: str, validated: str) -> None:
    state, message = RegistrationState.REFUSED, ""
    try:
        DarajaClient(config).register_c2b(confirmation_url=confirmed, validation_url=validated)
        state, message = RegistrationState.REGISTERED, TAKEN
    except ProviderError as error:
        message = _words(error, registration.short_code)
    except TransportError as error:
        if error.sent:
            state, message = RegistrationState.UNKNOWN, LOST
        else:
            message = f"{error.message} Nothing was sent."
    except OutcomeUnknown as error:
        if is_already_registered(error.message):
            message = ALREADY.format(registration.short_code)
        else:
            state, message = RegistrationState.UNKNOWN, LOST
    except IntegrationError as error:
        message = error.message
    registration.state, registration.message = state, message[:300]
    registration.answered_at = timezone.now()
    registration.save(update_fields=["state", "message", "answered_at"])
    _record(f"c2b.{state}", registration)


def _words(error: ProviderError, short_code: str) -> str:
    if error.code == "already_registered" or is_already_registered(error.message):
        return ALREADY.format(short_code)
    return error.message


def is_already_registered(text: str) -> bool:
    """Whether M-Pesa says that it has addresses already (Daraja reference, section 8)."""
    return "already registered" in text.lower()


def retire(registration: C2BRegistration) -> bool:
    """Answer these addresses no longer; False where that was so already. Audited.

    M-Pesa is told nothing: whoever retires addresses that it uses loses confirmations.
    """
    with transaction.atomic():
        rows = C2BRegistration.objects.filter(pk=registration.pk, retired_at=None)
        is_done = bool(rows.update(retired_at=timezone.now()))
        if is_done:
            _record("c2b.retired", registration)
    registration.refresh_from_db()
    return is_done


def simulate(
    *, phone: object, amount: object, bill_ref: object = "", business: str = "",
    short_code: str = "", command: str = "CustomerPayBillOnline",
) -> str:  # fmt: skip
    """Have the sandbox play a payer; what it did, in words. The confirmation comes as in reality.

    Raises Unsupported in production, InvalidInput, and what the client raises.
    """
    config = account_config(business, account_text(short_code))
    if config.environment != Environment.SANDBOX:
        raise Unsupported(SANDBOX_ONLY, code="sandbox_only")
    config.require_usable()
    text = str(bill_ref or "").strip()
    if len(text) > 20 or not text.isprintable():
        raise InvalidInput("bill_ref", "must be at most 20 printable characters.")
    DarajaClient(config).simulate_c2b(
        phone=kenyan_msisdn(phone),
        amount=parse_money(amount).whole_units(),
        bill_ref=text,
        command=command,
    )
    return ASKED_TO_PAY


def _record(action: str, registration: C2BRegistration, **values: Any) -> None:
    AuditEntry.objects.record(action, target=registration, business=registration.business, **values)
