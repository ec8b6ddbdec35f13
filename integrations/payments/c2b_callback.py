"""Settling a C2B confirmation: whose address was called, is it believed, which payment is it."""

from __future__ import annotations

from typing import NamedTuple

from integrations.exceptions import InvalidInput
from integrations.models import C2BReceipt, C2BRegistration, InboundCallback
from integrations.models.inbound_callback import Quarantine, Settled, TryLater, Verdict
from integrations.payments import c2b_doubts, receipts
from integrations.payments.accounts import PROVIDER
from integrations.payments.c2b_rules import numbers_of
from integrations.payments.callback_doubts import Addressee, doubts_about
from integrations.payments.references import clean_reference
from integrations.providers.mpesa.callbacks import C2BTransaction, parse_c2b
from integrations.work.clock import database_now

# Seconds between looks at a confirmation that waits for the result of a push, and how long it may.
PAUSE, PATIENCE = 8.0, 600.0
WRONG_SHORT_CODE = "The short code {} is not that of this address."


class Called(NamedTuple):
    """The registration whose address was called, and what speaks against the request."""

    registration: C2BRegistration
    doubts: list[str]


def called(token_digest: str, *, kind: str, source: str, short_code: str) -> Called | None:
    """Whose address this is: `kind` is "confirmation" or "validation"; None for nobody's.

    `short_code` is the header that Daraja sends beside the body, "" where it is absent.
    """
    registration = C2BRegistration.objects.filter(
        **{f"{kind}_digest": token_digest}, retired_at=None
    ).first()
    if registration is None:
        return None
    addressee = Addressee(PROVIDER, registration.business, registration.short_code)
    return Called(registration, doubts_about(addressee, source=source, short_code=short_code))


def settle(callback: InboundCallback) -> Verdict:
    """Give the confirmed money its payment; database work only, repeatable.

    Called inside the transaction that marks the callback processed.
    """
    registration = C2BRegistration.objects.filter(confirmation_digest=callback.token_digest).first()
    if registration is None:
        return Quarantine("No registration has this address.")
    try:
        told = parse_c2b(callback.raw_body())
    except InvalidInput as error:
        return Quarantine(str(error))
    numbers = numbers_of(registration)
    if told.short_code not in numbers:
        return Quarantine(WRONG_SHORT_CODE.format(clean_reference(told.short_code, 20)))
    receipt = _receipt_of(registration, told, callback)
    owner = receipts.owner_of(receipt)
    if owner is not None and not receipts.is_of_account(receipt, owner):
        return Quarantine(receipts.STRANGER)
    if callback.doubts and owner is not None:
        # Nothing that a doubtful source adds is wanted.
        return _settled(receipt, str(owner.public_id))
    doubts = c2b_doubts.doubts_of(callback, receipt) if owner is None else ""
    verdict = c2b_doubts.confirm(callback, receipt, numbers, doubts) if doubts else None
    if verdict is not None:
        return verdict
    waited = (database_now() - callback.received_at).total_seconds()
    reason = receipts.place(receipt, waited=waited)
    if reason:
        return TryLater(reason, delay_seconds=PAUSE, patience_seconds=PATIENCE)
    return _settled(receipt, str(receipt.payment.public_id) if receipt.payment else "")


def _receipt_of(
    registration: C2BRegistration, told: C2BTransaction, callback: InboundCallback
) -> C2BReceipt:
    """The receipt as it would be stored; what the payer typed loses what can't be seen."""
    return C2BReceipt(
        provider=PROVIDER,
        environment=registration.environment,
        receipt=told.receipt,
        business=registration.business,
        short_code=registration.short_code,
        amount=told.amount,
        reference=clean_reference(told.bill_ref),
        party=clean_reference(told.msisdn, 80),
        party_name=clean_reference(told.name, 120),
        transaction_type=clean_reference(told.kind, 30),
        paid_at=told.at or callback.received_at,
    )


def _settled(receipt: C2BReceipt, reference: str) -> Settled:
    return Settled(f"{receipt.environment}:{receipt.receipt}", reference=reference)
