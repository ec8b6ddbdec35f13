"""Reversals: giving a payment back, or taking a payout back (reference, section 13)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from integrations.providers.emulation import Answer, Request
from integrations.providers.mpesa.emulator import ledger
from integrations.providers.mpesa.emulator.clerk import Clerk
from integrations.providers.mpesa.emulator.forms import read_form
from integrations.providers.mpesa.emulator.identifiers import (
    new_conversation_id,
    new_merchant_request_id,
)
from integrations.providers.mpesa.emulator.initiator_fields import REVERSAL
from integrations.providers.mpesa.emulator.ledger import Movement
from integrations.providers.mpesa.emulator.money import cents_of, kes
from integrations.providers.mpesa.emulator.orders import REVERSE, Order
from integrations.providers.mpesa.emulator.outcomes import PAID
from integrations.providers.mpesa.emulator.queries import account_text
from integrations.providers.mpesa.emulator.result_manner import ResultManner
from integrations.providers.mpesa.emulator.results import Digits, Parameters, moment_digits
from integrations.providers.mpesa.emulator.world import World

ALREADY_REVERSED, UNKNOWN_ORIGINAL = "R000001", "R000002"  # section 13 [2]


@dataclass(slots=True)
class ReversalDesk:
    """Serves reversals of STK and C2B payments, and of payouts."""

    world: World
    clerk: Clerk

    def reverse(self, request: Request) -> Answer:
        """POST /mpesa/reversal/v1/request; no id of the caller's choice exists (section 13)."""
        read = read_form(self.world, request, REVERSAL, "ReceiverParty")
        if isinstance(read, Answer):
            return read
        fields, merchant = read
        now = self.world.surroundings.now()
        order = Order(
            id=0,
            operation=REVERSE,
            command=fields["CommandID"],
            originator_id=new_merchant_request_id(),
            conversation_id=new_conversation_id(now),
            shortcode=merchant.shortcode,
            initiator=fields["Initiator"],
            result_url=fields["ResultURL"],
            timeout_url=fields["QueueTimeOutURL"],
            created=now.isoformat(),
            amount=cents_of(fields["Amount"]) or 0,
            transaction_id=fields["TransactionID"],
            remarks=fields["Remarks"],
            occasion=fields.get("Occasion", ""),
        )
        return self.clerk.enter(order, fields["SecurityCredential"])

    def settle(self, order: Order) -> tuple[str, list[Movement]]:
        """Move the money back the way that it came, on the account that it came to."""
        original = self._original(order)
        if original is None:
            return UNKNOWN_ORIGINAL, []
        refusal = self._refuse(order, original)
        if refusal:
            return refusal, []
        book = self.world.ledger
        order.receipt = book.new_receipt(datetime.fromisoformat(order.decided))
        original.reversed += order.amount
        change = -order.amount if original.paid_in else order.amount
        movement = book.post(
            order.shortcode,
            original.account,
            change,
            receipt=order.receipt,
            kind=ledger.REVERSAL,
            initiated=order.created,
            completed=order.decided,
            party=original.party,
            party_name=original.party_name,
            reference=original.reference,
            linked=original.receipt,
            originator_id=order.originator_id,
            conversation_id=order.conversation_id,
            command=order.command,
        )
        return PAID, [movement, original]

    def parameters(self, order: Order, manner: ResultManner) -> Parameters:
        """The entries of section 13."""
        original = self._original(order)
        if original is None:
            return [("OriginalTransactionID", order.transaction_id)]
        customer = f"{original.party} - {original.party_name}"
        shop = f"{order.shortcode} - {self.world.owner(order.shortcode).name}"
        credit, debit = (customer, shop) if original.paid_in else (shop, customer)
        amount = kes(order.amount) if manner.amount is None else f"{manner.amount}.00"
        funds = self.world.ledger.balance(order.shortcode, original.account)
        return [
            ("DebitAccountBalance", account_text(original.account, funds)),
            ("Amount", Digits(amount)),
            ("TransCompletedTime", moment_digits(order.decided)),
            ("OriginalTransactionID", order.transaction_id),
            ("Charge", Digits("0")),
            ("CreditPartyPublicName", credit),
            ("DebitPartyPublicName", debit),
        ]

    def _original(self, order: Order) -> Movement | None:
        original = self.world.ledger.by_receipt.get(order.transaction_id)
        if original is None or original.shortcode != order.shortcode:
            return None
        return None if original.kind == ledger.REVERSAL else original

    def _refuse(self, order: Order, original: Movement) -> str:
        if original.left == 0:
            return ALREADY_REVERSED
        if order.amount > original.left:
            return "3"  # more than there is to give back [guess]
        funds = self.world.ledger.balance(order.shortcode, original.account)
        return "1" if original.paid_in and order.amount > funds else ""
