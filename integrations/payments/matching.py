"""Which expectation a receipt is for: the host's rule, the reference, or the payer's phone."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Case, Q, When
from django.utils import timezone
from django.utils.module_loading import import_string

from integrations.conf import hub_settings
from integrations.logs import log_event
from integrations.models import (
    AllotmentHow,
    ExpectationState,
    ExpectedPayment,
    Payment,
)
from integrations.payments.references import may_be_same, reference_key, reference_parts
from integrations.providers.mpesa.callbacks import msisdn_matches

logger = logging.getLogger(__name__)
# More candidates than this are no help to anybody, and no phone of so many is "the only one".
MOST_CANDIDATES = 1000
# How many of them the host's rule is shown.
SHOWN_TO_HOOK = 50
# Seconds after which the host's rule is called slow in the log: callbacks wait for it.
SLOW = 1.0
OPEN = (ExpectationState.OPEN, ExpectationState.PARTLY_PAID)


@dataclass(frozen=True, slots=True)
class IncomingPayment:
    """A receipt as the host's rule sees it. `reference` is as the payer typed it: hostile text."""

    payment_id: str
    business: str
    environment: str
    product: str
    amount: Decimal
    currency: str
    reference: str
    receipt: str
    phone: str
    party: str
    party_name: str
    paid_at: datetime | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An expectation that the receipt may be for."""

    expectation_id: str
    reference: str
    amount: Decimal
    outstanding: Decimal
    state: str
    phone: str


class Match(NamedTuple):
    """The expectation, and by what it was found."""

    expectation: ExpectedPayment
    how: AllotmentHow


def find_match(payment: Payment) -> Match | None:
    """The expectation that this payment is for, None where that is not certain.

    First the host's rule (INTEGRATIONS_PAYMENT_MATCHER), then the reference, then the phone with
    exactly the amount. One query where nothing is expected.
    """
    key = reference_key(payment.account_reference)
    candidates = _candidates(payment, key)
    named = _ask_host(payment, candidates)
    if named is not None:
        return Match(named, AllotmentHow.HOOK)
    by_reference = _best(
        [each for each in candidates if key and each.reference_key == key], payment
    )
    if by_reference is not None:
        return Match(by_reference, AllotmentHow.REFERENCE)
    by_phone = [each for each in candidates if _is_of_phone(each, payment)]
    if len(by_phone) == 1 and len(candidates) <= MOST_CANDIDATES:
        return Match(by_phone[0], AllotmentHow.PHONE)
    return None


def _candidates(payment: Payment, key: str) -> list[ExpectedPayment]:
    """By reference in any state but cancelled, by amount where a phone is known; not expired.

    Those of the reference come first: many may be expected to pay the same amount.
    """
    by_phone = Q(amount=payment.amount, state=ExpectationState.OPEN) & ~Q(phone="")
    rows = ExpectedPayment.objects.filter(
        Q(reference_key=key) | by_phone if key else by_phone,
        Q(expires_at=None) | Q(expires_at__gt=timezone.now()),
        business=payment.business,
        environment=payment.environment,
        currency=payment.currency,
    ).exclude(state=ExpectationState.CANCELLED)
    by_reference = Case(When(reference_key=key, then=0), default=1)
    return list(rows.order_by(by_reference, "pk")[: MOST_CANDIDATES + 1])


def _best(same: Sequence[ExpectedPayment], payment: Payment) -> ExpectedPayment | None:
    """Of several with one reference: the one that lacks just this amount, else the oldest open
    one; with none open, the latest: it is overpaid, and people see that.

    Where spaces and dashes make several references of them, one that is written like the
    payer's is meant; without one, none is certain.
    """
    typed = reference_parts(payment.account_reference)
    same = [each for each in same if reference_parts(each.reference) == typed] or [
        each for each in same if may_be_same(payment.account_reference, each.reference)
    ]
    still_open = [each for each in same if each.state in OPEN]
    if len({reference_parts(each.reference) for each in still_open or same}) > 1:
        return None
    exact = [each for each in still_open if each.outstanding == payment.amount]
    for found in (exact, still_open, list(reversed(same))):
        if found:
            return found[0]
    return None


def _is_of_phone(expectation: ExpectedPayment, payment: Payment) -> bool:
    if expectation.state != ExpectationState.OPEN or expectation.amount != payment.amount:
        return False
    told = payment.phone or payment.party
    return bool(told and expectation.phone and msisdn_matches(told, expectation.phone))


def _ask_host(payment: Payment, candidates: Sequence[ExpectedPayment]) -> ExpectedPayment | None:
    """The expectation that the host's rule names; None without a rule, or where it names none.

    What it raises is logged and counts as no answer: money must not wait for a broken rule.
    """
    path = hub_settings.payment_matcher
    if not path:
        return None
    started = time.monotonic()
    try:
        rule: Callable[..., Any] = import_string(path)
        # Its queries may fail, and that must not end the transaction that settles the payment.
        with transaction.atomic():
            named = rule(_shown(payment), tuple(map(_offered, candidates[:SHOWN_TO_HOOK])))
            found = None if named is None else _named(payment, named)
    except Exception as error:  # noqa: BLE001 - it is the host's code
        log_event(
            logger, logging.ERROR, "payment_matcher_failed",
            payment=payment.public_id, error=type(error).__name__,
        )  # fmt: skip
        return None
    if time.monotonic() - started > SLOW:
        log_event(logger, logging.WARNING, "payment_matcher_slow", payment=payment.public_id)
    return found


def _named(payment: Payment, named: Any) -> ExpectedPayment:
    """Raises ValueError or ExpectedPayment.DoesNotExist for what it may not name."""
    return ExpectedPayment.objects.exclude(state=ExpectationState.CANCELLED).get(
        public_id=UUID(str(named)),
        business=payment.business,
        environment=payment.environment,
        currency=payment.currency,
    )


def _shown(payment: Payment) -> IncomingPayment:
    return IncomingPayment(
        payment_id=str(payment.public_id),
        business=payment.business,
        environment=payment.environment,
        product=payment.product,
        amount=payment.amount,
        currency=payment.currency,
        reference=payment.account_reference,
        receipt=payment.receipt or "",
        phone=payment.phone,
        party=payment.party,
        party_name=payment.party_name,
        paid_at=payment.paid_at,
    )


def _offered(expectation: ExpectedPayment) -> Candidate:
    return Candidate(
        expectation_id=str(expectation.public_id),
        reference=expectation.reference,
        amount=expectation.amount,
        outstanding=expectation.outstanding,
        state=str(expectation.state),
        phone=expectation.phone,
    )
