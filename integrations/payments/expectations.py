"""Expected payments: opening them, and giving each receipt its place.

One receipt goes to one expectation, whole; an expectation may take several receipts. Everything
here runs in the transaction of the move that made it necessary.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from integrations.config import get_snapshot
from integrations.events import publish
from integrations.exceptions import IntegrationError, InvalidInput
from integrations.models import (
    Allotment,
    AllotmentHow,
    AllotmentStatus,
    AuditEntry,
    Direction,
    ExpectationState,
    ExpectedPayment,
    Payment,
    PaymentState,
    Product,
    has_actor,
)
from integrations.money import parse_money
from integrations.payments import ledger
from integrations.payments.matching import Match, find_match
from integrations.payments.references import (
    LENGTH,
    clean_reference,
    may_be_same,
    reference_key,
)
from integrations.payments.sums import recompute, set_state
from integrations.phone import kenyan_msisdn

# Columns that a repeated idempotency key must agree in.
SAME = ("reference", "amount", "phone", "description", "expires_at")
NOT_MONEY_IN = "Only money that came in and still counts can be matched."


@dataclass(frozen=True, slots=True)
class Wish:
    """An expectation as the caller asked for it."""

    reference: object
    amount: object
    phone: object = ""
    business: str = ""
    description: object = ""
    expires_at: datetime | None = None
    idempotency_key: str | None = None


def expect(wish: Wish) -> tuple[ExpectedPayment, bool]:
    """Store an expectation in the caller's transaction: (it, whether it is new).

    Receipts with its reference that nobody expected when they came are allotted to it at once.
    Raises InvalidInput, and ConfigurationError for a business that has no M-Pesa settings.
    """
    config = get_snapshot("mpesa", wish.business)
    values = _checked(wish) | {"business": config.business, "environment": config.environment}
    try:
        with transaction.atomic():
            _lock_reference(config.business, config.environment, values["reference"])
            expectation = ExpectedPayment.objects.create(**values)
            if has_actor():
                _record("expectation.opened", expectation)
            _take_waiting(expectation)
    except IntegrityError:
        return _existing(values), False
    expectation.refresh_from_db()
    return expectation, True


def _checked(wish: Wish) -> dict[str, Any]:
    reference = str(wish.reference).strip() if isinstance(wish.reference, str | int) else ""
    if not reference or reference != clean_reference(reference) or not reference_key(reference):
        raise InvalidInput(
            "reference",
            f"must be 1 to {LENGTH} visible characters, with a letter or a digit among them.",
            code="invalid_reference",
        )
    description = str(wish.description or "")
    if len(description) > 200 or (description and not description.isprintable()):
        raise InvalidInput("description", "must be at most 200 printable characters.")
    key = wish.idempotency_key
    if key is not None and not (len(key.strip()) > 0 and len(key) <= 128 and key.isprintable()):
        raise InvalidInput("idempotency_key", "must be text of 1 to 128 printable characters.")
    if wish.expires_at is not None and timezone.is_naive(wish.expires_at):
        raise InvalidInput("expires_at", "must be an instant with its time zone.")
    return {
        "reference": reference,
        "reference_key": reference_key(reference),
        "amount": parse_money(wish.amount).amount,
        "phone": kenyan_msisdn(wish.phone) if wish.phone else "",
        "description": description,
        "expires_at": wish.expires_at,
        "idempotency_key": key,
    }


def _existing(values: dict[str, Any]) -> ExpectedPayment:
    same = ("business", "environment", "idempotency_key")
    key = values["idempotency_key"]
    found = ExpectedPayment.objects.filter(**{name: values[name] for name in same}).first()
    if key is None or found is None:
        raise IntegrationError("The expected payment could not be stored.", code="not_stored")
    changed = [name for name in SAME if getattr(found, name) != values[name]]
    if changed:
        raise InvalidInput(
            "idempotency_key",
            f"was already used for an expected payment with another {changed[0]}.",
            code="idempotency_mismatch",
        )
    return found


def _take_waiting(expectation: ExpectedPayment) -> None:
    """Receipts that came before their expectation: the order of things must not matter."""
    waiting = Allotment.objects.select_for_update().filter(
        business=expectation.business,
        environment=expectation.environment,
        reference_key=expectation.reference_key,
        status=AllotmentStatus.UNMATCHED,
        payment__currency=expectation.currency,
    )
    for allotment in waiting.select_related("payment").order_by("pk"):
        if not may_be_same(allotment.payment.account_reference, expectation.reference):
            continue
        _set(allotment, expectation, AllotmentHow.REFERENCE)
        recompute(expectation.pk, payment=allotment.payment)


def cancel(expectation: ExpectedPayment) -> bool:
    """Expect it no longer; what had come for it goes to the list of receipts to match.

    False where it was cancelled already. `expectation` is reread.
    """
    with transaction.atomic():
        expectation.refresh_from_db(from_queryset=ExpectedPayment.objects.select_for_update())
        if expectation.state == ExpectationState.CANCELLED:
            return False
        for allotment in expectation.allotments.select_related("payment"):
            _release(allotment)
        set_state(expectation, ExpectationState.CANCELLED, received=Decimal(0))
        _record("expectation.cancelled", expectation)
    return True


def allot(payment: Payment) -> None:
    """Give a payment that has succeeded its place. Called by the ledger, in its transaction.

    A reversal lowers what its original brought. What comes without our asking and is expected by
    nobody is put on the list of receipts to match; what we asked for is not, it has its caller.
    """
    if payment.product == Product.REVERSAL:
        _lower(payment)
        return
    if payment.direction != Direction.IN:
        return
    if payment.product == Product.C2B:
        _lock_reference(payment.business, payment.environment, payment.account_reference)
    match = _certain(find_match(payment))
    if match is None and payment.product != Product.C2B:
        return
    known = Allotment.objects.filter(payment=payment).first()
    if known is not None:
        _recompute_of(known, payment)
    elif match is None:
        _insert(payment, None, AllotmentStatus.UNMATCHED)
        publish("payment.unmatched", ledger.describe(payment), payment.business)
    else:
        _insert(payment, match.expectation, AllotmentStatus.MATCHED, match.how)
        recompute(match.expectation.pk, payment=payment)


def _certain(match: Match | None) -> Match | None:
    """The match with its expectation locked; None where that does not hold any more.

    It was cancelled meanwhile, or found by its phone only and paid meanwhile.
    """
    if match is None:
        return None
    state = ExpectedPayment.objects.select_for_update().get(pk=match.expectation.pk).state
    if state == ExpectationState.CANCELLED:
        return None
    is_taken = match.how == AllotmentHow.PHONE and state != ExpectationState.OPEN
    return None if is_taken else match


def _lock_reference(business: str, environment: str, reference: str) -> None:
    """Until the transaction ends, nobody else looks whether this reference is expected.

    A receipt and its expectation that are stored at the same moment would not see each other.
    SQLite has one writer anyway.
    """
    if connection.vendor == "postgresql":
        name = "\0".join((business, environment, reference_key(reference)))
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])


def _lower(reversal: Payment) -> None:
    allotment = Allotment.objects.filter(payment=reversal.original).first()
    if allotment is not None:
        _recompute_of(allotment, reversal)


def _recompute_of(allotment: Allotment, payment: Payment) -> None:
    if allotment.expectation_id is not None:
        recompute(allotment.expectation_id, payment=payment)


def _insert(
    payment: Payment, expectation: ExpectedPayment | None, status: AllotmentStatus, how: str = ""
) -> Allotment:
    return Allotment.objects.create(
        payment=payment,
        business=payment.business,
        environment=payment.environment,
        reference_key=reference_key(payment.account_reference),
        expectation=expectation,
        status=status,
        how=how,
    )


def follow_merge(source: Payment, target: Payment) -> None:
    """The place of a merged payment becomes that of the payment which counts.

    Called by the ledger, in its transaction. Where both had one, that of the counting payment
    stays: two places of one receipt would count it twice. Money that turns out to be another
    business's, which shares the account, pays nothing that this one expects.
    """
    moving = Allotment.objects.filter(payment=source).first()
    if moving is None:
        return
    standing = Allotment.objects.filter(payment=target).first()
    is_decided = moving.how == AllotmentHow.HAND
    if moving.business != target.business or (standing is not None and not is_decided):
        moving.delete()
    elif moving.status == AllotmentStatus.UNMATCHED and target.product != Product.C2B:
        moving.delete()  # We asked for that money: it is nothing for the list.
    else:
        if standing is not None:
            standing.delete()
            _recompute_of(standing, target)
        moving.payment, moving.business = target, target.business
        moving.save(update_fields=["payment", "business", "updated_at"])
    _recompute_of(moving, target)


def match_by_hand(payment: Payment, expectation: ExpectedPayment) -> Allotment:
    """A person's word: this receipt is for that expectation, whatever was thought before.

    Audited. Raises InvalidInput where the two can't belong together.
    """
    with transaction.atomic():
        allotment = _place_of(payment)
        expectation.refresh_from_db(from_queryset=ExpectedPayment.objects.select_for_update())
        own = (payment.business, payment.environment, payment.currency)
        if own != (expectation.business, expectation.environment, expectation.currency):
            raise InvalidInput("expectation", "belongs to another business or environment.")
        if expectation.state == ExpectationState.CANCELLED:
            raise InvalidInput("expectation", "is cancelled.", code="expectation_cancelled")
        before = allotment.expectation_id
        _set(allotment, expectation, AllotmentHow.HAND)
        if before is not None and before != expectation.pk:
            recompute(before, payment=payment)
        recompute(expectation.pk, payment=payment)
        text = f"Matched by hand to {expectation.reference}."
        ledger.note(payment, "matched", text, data={"expectation": str(expectation.public_id)})
        _record("payment.matched", payment, fields=["allotment"], detail=text)
    return allotment


def leave_on_account(payment: Payment, note: str) -> Allotment:
    """A person's word: nothing expects this receipt; it stays with the payer's account.

    Audited. Raises InvalidInput without a note.
    """
    text = " ".join(note.replace("\x00", "").split())
    if not 3 <= len(text) <= 300:
        raise InvalidInput("note", "write what was decided, in 3 to 300 characters.")
    with transaction.atomic():
        allotment = _place_of(payment)
        before = allotment.expectation_id
        allotment.expectation, allotment.how = None, AllotmentHow.HAND
        allotment.status, allotment.note = AllotmentStatus.ON_ACCOUNT, text
        allotment.save()
        if before is not None:
            recompute(before, payment=payment)
        ledger.note(payment, "on_account", text)
        _record("payment.left_on_account", payment, fields=["allotment"], detail=text)
    return allotment


def _place_of(payment: Payment) -> Allotment:
    """The payment's place, locked, or a new open one; raises InvalidInput for money that does not
    count."""
    payment.refresh_from_db(from_queryset=Payment.objects.select_for_update(no_key=True))
    if payment.direction != Direction.IN or payment.state != PaymentState.SUCCEEDED:
        raise InvalidInput("payment", NOT_MONEY_IN, code="not_matchable")
    found = Allotment.objects.select_for_update().filter(payment=payment).first()
    return found or _insert(payment, None, AllotmentStatus.UNMATCHED)


def _set(allotment: Allotment, expectation: ExpectedPayment, how: AllotmentHow) -> None:
    allotment.expectation, allotment.how, allotment.note = expectation, how, ""
    allotment.status = AllotmentStatus.MATCHED
    allotment.save()


def _release(allotment: Allotment) -> None:
    allotment.expectation, allotment.how = None, ""
    allotment.status = AllotmentStatus.UNMATCHED
    allotment.save()
    payment = allotment.payment
    publish("payment.unmatched", ledger.describe(payment), payment.business)


def _record(
    action: str, target: ExpectedPayment | Payment, *, fields: list[str] | None = None,
    detail: str = "",
) -> None:  # fmt: skip
    AuditEntry.objects.record(
        action, target=target, business=target.business, fields=fields or [], detail=detail
    )
