"""Opening a payment, of every product: its row, its callback path, its idempotency key."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.urls import reverse

from integrations.callback_address import check_callback_base, check_callback_words
from integrations.conf import hub_settings
from integrations.config import Snapshot, get_snapshot
from integrations.exceptions import ConfigurationError, IntegrationError, InvalidInput
from integrations.models import AuditEntry, Payment, PaymentState, has_actor
from integrations.payments import ledger
from integrations.payments.accounts import account_of
from integrations.work import lease_expressions

PROVIDER = "mpesa"


@dataclass(frozen=True, slots=True)
class Wish:
    """A payment that is wanted, as its product has checked it.

    `same` are the columns that a repeated idempotency key must agree in, with their names for
    people; `text` begins its history; `audit` is what the trail calls it. `also` is done in the
    transaction of the row, so that what it raises leaves no row.
    """

    values: dict[str, Any]
    same: Sequence[tuple[str, str]]
    text: str
    audit: str
    also: Callable[[Payment], None] | None = None


def new_token() -> str:
    """The secret of a callback path."""
    return secrets.token_hex(16)


def digest_of(token: str) -> str:
    """What is stored of a callback path's secret."""
    return hashlib.sha256(token.encode()).hexdigest()


def check_key(key: str | None) -> str | None:
    """The idempotency key; raises InvalidInput for what no database could tell apart."""
    if key is None:
        return None
    if not isinstance(key, str) or not key.strip() or len(key) > 128 or not key.isprintable():
        raise InvalidInput("idempotency_key", "must be text of 1 to 128 printable characters.")
    return key


def open_row(wish: Wish, *, sending: bool) -> tuple[Payment, str, bool]:
    """Store the payment: (payment, callback token, whether it is new).

    With `sending` the row is born claimed by the caller, in a transaction of its own that is
    really committed; otherwise it joins the caller's transaction and a worker sends it.
    Raises InvalidInput for a key that belongs to another request, what `wish.also` raises, and
    RuntimeError where `sending` is asked for inside an open transaction.
    """
    token = new_token()
    values = dict(wish.values)
    if sending:
        values.update(
            state=PaymentState.SENDING,
            sent_at=Now(),
            callback_digest=digest_of(token),
            **lease_expressions(hub_settings.lease_seconds),
        )
    try:
        with transaction.atomic(durable=sending):
            payment = Payment.objects.create(**values)
            ledger.note(payment, "created", wish.text, to_state=payment.state)
            ledger.count_move(payment, "", payment.state)
            _note_starter(payment, wish.audit)
            if wish.also is not None:
                wish.also(payment)
    except IntegrityError:
        return _existing(wish), "", False
    if sending:
        payment.sent_at = payment.created_at  # both the insert's instant
    return payment, token, True


def _note_starter(payment: Payment, action: str) -> None:
    """Who started it, with the payment itself: afterwards could fail, with the request out."""
    if has_actor():
        AuditEntry.objects.record(action, target=payment, business=payment.business)


def _existing(wish: Wish) -> Payment:
    """The payment that already has this idempotency key; refuses a different request."""
    values = wish.values
    key = values["idempotency_key"]
    found = Payment.objects.filter(
        business=values["business"], environment=values["environment"], idempotency_key=key
    ).first()
    if key is None or found is None:
        raise IntegrationError("The payment could not be stored.", code="not_stored")
    changed = [name for column, name in wish.same if getattr(found, column) != values[column]]
    if changed:
        raise InvalidInput(
            "idempotency_key",
            f"was already used for a payment with another {changed[0]}.",
            code="idempotency_mismatch",
            payment_id=str(found.public_id),
        )
    return found


def config_of(payment: Payment) -> Snapshot:
    """The settings by which a stored payment is asked about: those of its short code.

    Where no row has it any more, the main ones. Raises ConfigurationError where they now speak for
    the other environment.
    """
    config = account_of(payment.provider, payment.business, payment.short_code)
    if config.environment != payment.environment:
        raise ConfigurationError(
            f"The payment belongs to the {payment.environment} environment, and the settings "
            f"are now those of {config.environment}.",
            code="environment_changed",
        )
    return config


def sending_config_of(payment: Payment) -> Snapshot:
    """The settings by which a stored payment is sent: those of its short code and no others.

    Raises ConfigurationError where they are gone, switched off, or of the other environment.
    """
    get_snapshot(payment.provider, payment.business, payment.short_code)
    config = config_of(payment)
    config.require_usable()
    return config


def callback_url(config: Snapshot, token: str, *, route: str) -> str:
    """A payment's callback address; raises ConfigurationError where M-Pesa would refuse it."""
    base = str(config.values["callback_base_url"] or hub_settings.public_base_url)
    path = reverse("integrations:callback", args=[route, token])
    url = check_callback_base(base, config.environment) + path
    check_callback_words(url)
    return url
