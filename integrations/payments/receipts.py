"""Which payment a receipt belongs to, so that money told of twice is counted once.

A C2B confirmation names no request of ours, and a payment that was asked for is also told of by
an STK callback, or by a query without its receipt. So a confirmation is given a place by what it
tells, and an STK callback, which names its request, corrects that where it was wrong:

* the receipt is known already: the confirmation adds nothing but the payer's name;
* a payment that was asked for fits and is paid without a receipt: it is that receipt;
* one that fits is still open: its own result is awaited, then asked for; if none comes and there
  is no doubt which payment it is, the confirmation settles it;
* else it is a payment of its own, until an STK result claims its receipt: then they are merged.

Everything here runs in the caller's transaction, with the payments in question locked. A receipt
speaks of payments of its own account only: whoever has the addresses of a short code can write
what they like there, and must not reach another business's money by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from integrations.models import Basis, C2BReceipt, Payment, PaymentState, Product
from integrations.payments import ledger
from integrations.payments.statements.account import Books
from integrations.payments.states import REVISABLE
from integrations.providers.mpesa.callbacks import msisdn_matches

# Seconds for which a confirmation waits for the result of the request that it seems to be of, and
# the part of them after which that is asked for.
WAIT, ASK_AFTER = 24.0, 5.0
# A prompt is answered within minutes; M-Pesa's clock and ours may differ by some of them.
NEAR, CLOCKS = timedelta(minutes=15), timedelta(minutes=3)
# An open request this old may still be the one that was paid, so there are two of them.
RIVAL = timedelta(days=2)
MOST_RIVALS = 200
OPEN = frozenset({PaymentState.SENDING, PaymentState.PENDING, PaymentState.UNKNOWN})
WAITS = "It may be the payment that was asked for: its own result is awaited."
INFERRED = "Receipt {}, by a C2B confirmation that fits in account, amount, reference and time."
CLAIMED = "Receipt {} is that of an STK push: its own result says so."
WITHDRAWN = "Receipt {} turned out to be another payment's."
STRANGER = "Its receipt is known for money that is not of this account's ledger."
WRONG_AMOUNT = "A C2B confirmation of its receipt {} tells another amount: {} {}."


def place(receipt: C2BReceipt, *, waited: float) -> str:
    """Give a confirmed receipt its payment; a reason where it has to wait first, "" when done.

    `receipt` may be new; it is saved with its payment. `waited` is in seconds.
    """
    with transaction.atomic():
        owner = owner_of(receipt)
        if owner is not None:
            return recognise(receipt, owner)
        rivals = _rivals(receipt)
        near = [each for each in rivals if each.sent_at and each.sent_at >= receipt.paid_at - NEAR]
        paid = [each for each in near if each.state == PaymentState.SUCCEEDED]
        undecided = [each for each in rivals if each.state in OPEN]
        ended = [each for each in near if each.state in REVISABLE]
        if waited < WAIT and (undecided or ended or len(paid) > 1):
            if waited >= ASK_AFTER:
                for each in undecided + ended:
                    ledger.look_again(each)
            return WAITS
        _decide(receipt, paid, undecided, ended)
    return ""


def _decide(
    receipt: C2BReceipt,
    paid: Sequence[Payment],
    undecided: Sequence[Payment],
    ended: Sequence[Payment],
) -> None:
    """The wait is over: attach it, settle by it, or make it a payment of its own."""
    sure = [each for each in paid if _is_of_phone(receipt, each)]
    if sure or len(paid) == 1:
        _attach(receipt, (sure or paid)[0])
    elif len(undecided) == 1 and not ended and _is_of_phone(receipt, undecided[0]):
        _settle(receipt, undecided[0])
    else:
        _receive(receipt)


def owner_of(receipt: C2BReceipt) -> Payment | None:
    """The payment that has this receipt, whatever its product."""
    return _owner(receipt.provider, receipt.environment, receipt.receipt)


def _owner(provider: str, environment: str, receipt: str) -> Payment | None:
    return Payment.objects.filter(
        provider=provider, environment=environment, receipt=receipt
    ).first()


def is_of_account(told: C2BReceipt | Payment, payment: Payment) -> bool:
    """Whether `payment` is one that the account of a receipt, or of its payment, serves."""
    return bool(_books(told).served([payment]))


def _books(told: C2BReceipt | Payment) -> Books:
    return Books(told.provider, told.business, told.environment, told.short_code)


def _rivals(receipt: C2BReceipt) -> list[Payment]:
    """The pushes that this may be the receipt of, locked, oldest first.

    M-Pesa gives back the reference of a push as it was; tills may leave it out.
    """
    since = receipt.paid_at - (RIVAL if receipt.reference else NEAR)
    rows = _books(receipt).payments()
    rows = rows.filter(
        product=Product.STK_PUSH,
        amount=receipt.amount,
        currency=receipt.currency,
        receipt__isnull=True,
        sent_at__range=(since, receipt.paid_at + CLOCKS),
    ).exclude(state__in=(PaymentState.CREATED, PaymentState.MERGED))
    if receipt.reference:
        rows = rows.filter(account_reference=receipt.reference)
    found = rows.order_by("-sent_at").values_list("pk", "phone")[:MOST_RIVALS]
    fitting = [pk for pk, phone in found if msisdn_matches(receipt.party, phone) is not False]
    if not fitting:
        return []
    # Looked at again once locked: their own results may have come meanwhile.
    locked = Payment.objects.select_for_update(no_key=True).filter(
        pk__in=fitting, receipt__isnull=True
    )
    return list(locked.order_by("pk"))


def _is_of_phone(receipt: C2BReceipt, payment: Payment) -> bool:
    return msisdn_matches(receipt.party, payment.phone) is True


def recognise(receipt: C2BReceipt, owner: Payment) -> str:
    """The receipt is known: note once that it was confirmed, and who paid.

    "" when done, else why it can't be meant.
    """
    if not is_of_account(receipt, owner):
        return STRANGER
    known = C2BReceipt.objects.filter(
        provider=receipt.provider, environment=receipt.environment, receipt=receipt.receipt
    ).exists()
    is_copy = known and receipt._state.adding
    if not is_copy:
        _bind(receipt, owner, Basis.TOLD)
    if (receipt.amount, receipt.currency) != (owner.amount, owner.currency):
        text = WRONG_AMOUNT.format(receipt.receipt, receipt.currency, receipt.amount)
        ledger.flag(owner, text)
    elif not is_copy:
        _fill_in(owner, receipt)
        ledger.note(
            owner, "c2b_confirmation", f"Confirmed by C2B, receipt {receipt.receipt}.",
            data={"receipt": receipt.receipt},
        )  # fmt: skip
    return ""


def _bind(receipt: C2BReceipt, payment: Payment, basis: Basis) -> None:
    receipt.payment, receipt.basis = payment, basis
    receipt.save()


def _details(receipt: C2BReceipt) -> dict[str, Any]:
    return {
        "party": receipt.party,
        "party_name": receipt.party_name,
        "paid_at": receipt.paid_at,
    }


def _fill_in(payment: Payment, receipt: C2BReceipt, /, **more: Any) -> None:
    """Columns that are still empty, from what the confirmation tells."""
    values = {n: v for n, v in _details(receipt).items() if v and not getattr(payment, n)} | more
    if values:
        Payment.objects.filter(pk=payment.pk).update(**values)
        for name, value in values.items():
            setattr(payment, name, value)


def _attach(receipt: C2BReceipt, payment: Payment) -> None:
    """A query had settled it; queries carry no receipt, and here is one that fits."""
    _fill_in(payment, receipt, receipt=receipt.receipt)
    _bind(receipt, payment, Basis.ATTACHED if _has_own_word(payment) else Basis.SETTLED)
    text = INFERRED.format(receipt.receipt)
    ledger.note(payment, "receipt", text, data={"receipt": receipt.receipt, "inferred": True})
    ledger.tell_receipt(payment)


def _settle(receipt: C2BReceipt, payment: Payment) -> None:
    """Its own result stays away, and no other payment fits: the confirmation is its result."""
    text = f"Paid. {INFERRED.format(receipt.receipt)}"
    details = {n: v for n, v in _details(receipt).items() if v and not getattr(payment, n)}
    ledger.transition(
        payment,
        PaymentState.SUCCEEDED,
        kind="c2b_confirmation",
        text=text,
        data={"receipt": receipt.receipt, "inferred": True},
        changes={**details, "receipt": receipt.receipt, "message": "Paid."},
    )
    _bind(receipt, payment, Basis.SETTLED)


def _receive(receipt: C2BReceipt) -> None:
    """Nobody asked for it: a payment of its own."""
    payment = ledger.receive(
        {
            "provider": receipt.provider,
            "product": Product.C2B,
            "business": receipt.business,
            "environment": receipt.environment,
            "amount": receipt.amount,
            "currency": receipt.currency,
            "account_reference": receipt.reference,
            "transaction_type": receipt.transaction_type,
            "short_code": receipt.short_code,
            "party_b": receipt.short_code,
            "receipt": receipt.receipt,
            "result_code": "0",
            "message": "Paid.",
            **_details(receipt),
        },
        kind="c2b_confirmation",
        text=f"Paid, receipt {receipt.receipt}.",
        data={"receipt": receipt.receipt},
    )
    _bind(receipt, payment, Basis.TOLD)


def absorb(payment: Payment) -> None:
    """A push that is paid, without its receipt: one that came as a payment of its own may be it.

    Called by the ledger, in the transaction of the move. The earliest that fits is taken; should
    it be another's, that one's own confirmation or the push's own callback says so later.
    """
    if payment.product != Product.STK_PUSH or payment.receipt or payment.sent_at is None:
        return
    rows = C2BReceipt.objects.filter(
        Q(reference=payment.account_reference) | Q(reference=""),
        provider=payment.provider,
        environment=payment.environment,
        short_code=payment.short_code,
        amount=payment.amount,
        currency=payment.currency,
        paid_at__range=(payment.sent_at - CLOCKS, payment.sent_at + NEAR),
        payment__product=Product.C2B,
        payment__state=PaymentState.SUCCEEDED,
    )
    found = rows.select_related("payment").order_by("paid_at", "pk")[:MOST_RIVALS]
    fitting = [each for each in found if is_of_account(each, payment) and _may_be_of(each, payment)]
    sure = [each for each in fitting if _is_of_phone(each, payment)]
    # As where the push was settled first: one that fits is enough, whatever is told of its payer.
    for receipt in sure or (fitting if len(fitting) == 1 else []):
        own = receipt.payment
        if own is not None and ledger.merge(own, payment, text=INFERRED.format(receipt.receipt)):
            _bind(receipt, payment, Basis.ATTACHED)
            return


def _may_be_of(receipt: C2BReceipt, payment: Payment) -> bool:
    return msisdn_matches(receipt.party, payment.phone) is not False


@dataclass(slots=True)
class Claim:
    """A push and the receipt that its own callback tells; see `look`."""

    payment: Payment
    told: str
    owner: Payment | None = None
    problem: str = ""
    # Receipts that lost their payment to this claim.
    lost: list[C2BReceipt] = field(default_factory=list)

    @property
    def is_plain(self) -> bool:
        """Nobody has the receipt, and the push has none."""
        return self.owner is None and not self.payment.receipt

    def make_way(self, changes: dict[str, Any]) -> None:
        """Free the receipt for the push, which is locked.

        A C2B payment that has it is merged into the push, which then has `changes` too.
        """
        if self.is_plain:
            return
        payment, owner = self.payment, self.owner
        wrong = _inferred(payment) if payment.receipt not in (None, self.told) else None
        if wrong is not None:
            _withdraw(payment, wrong)
            self.lost.append(wrong)
        if owner is not None and owner.product == Product.C2B:
            ledger.merge(owner, payment, text=CLAIMED.format(self.told), changes=changes)
        elif owner is not None and (found := _inferred(owner)) is not None:
            _withdraw(owner, found)
        C2BReceipt.objects.filter(
            provider=payment.provider, environment=payment.environment, receipt=self.told
        ).update(payment=payment, basis=Basis.TOLD)

    def rehome(self) -> None:
        """Give receipts that lost their payment another one: their money did come."""
        for receipt in self.lost:
            place(receipt, waited=WAIT)


def look(payment: Payment, told: str, *, may_correct: bool) -> Claim:
    """Whether a push can have the receipt that its own callback tells; see `Claim.problem`.

    With `may_correct`, what was only inferred gives way to it.
    """
    owner = _owner(payment.provider, payment.environment, told)
    if owner is not None and owner.pk == payment.pk:
        return Claim(payment, told)
    claim = Claim(payment, told, owner)
    if payment.receipt and not (may_correct and _inferred(payment)):
        claim.problem = f"A second receipt came for a paid payment: {told}."
    elif owner is not None and not (may_correct and _gives_way(owner, payment)):
        claim.problem = f"Receipt {told} already belongs to another payment."
    return claim


def _inferred(payment: Payment) -> C2BReceipt | None:
    """The receipt of this payment, where only the facts say that it is."""
    rows = C2BReceipt.objects.filter(payment=payment, receipt=payment.receipt)
    return rows.exclude(basis=Basis.TOLD).first()


def _gives_way(owner: Payment, payment: Payment) -> bool:
    if (owner.amount, owner.currency) != (payment.amount, payment.currency):
        return False
    if owner.product == Product.C2B:
        return owner.state == PaymentState.SUCCEEDED and is_of_account(owner, payment)
    found = _inferred(owner)
    if found is None or not is_of_account(found, payment):
        return False
    # Where nothing else says that the owner was paid, it has to get another receipt for it.
    return _has_own_word(owner) or bool(payment.receipt)


def _has_own_word(payment: Payment) -> bool:
    """Whether M-Pesa itself said of this push that it was paid, by a callback or a query."""
    return payment.result_code == "0"


def _withdraw(payment: Payment, receipt: C2BReceipt) -> None:
    Payment.objects.filter(pk=payment.pk, receipt=receipt.receipt).update(receipt=None)
    payment.receipt = None
    text = WITHDRAWN.format(receipt.receipt)
    ledger.note(payment, "receipt_withdrawn", text, data={"receipt": receipt.receipt})
    receipt.payment = None
    receipt.save(update_fields=["payment"])
