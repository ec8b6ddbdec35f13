"""Questions: the status of a transaction and the balances (reference, sections 11 and 12)."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.providers.emulation import Answer, Request
from integrations.providers.mpesa.emulator import envelopes, ledger
from integrations.providers.mpesa.emulator.clerk import Clerk
from integrations.providers.mpesa.emulator.forms import read_form
from integrations.providers.mpesa.emulator.identifiers import (
    new_conversation_id,
    new_merchant_request_id,
)
from integrations.providers.mpesa.emulator.initiator_fields import BALANCE as BALANCE_FORM
from integrations.providers.mpesa.emulator.initiator_fields import STATUS as STATUS_FORM
from integrations.providers.mpesa.emulator.ledger import Movement
from integrations.providers.mpesa.emulator.money import kes
from integrations.providers.mpesa.emulator.orders import BALANCE, PAYOUT, REVERSE, STATUS, Order
from integrations.providers.mpesa.emulator.outcomes import EXPIRED, PAID
from integrations.providers.mpesa.emulator.result_manner import ResultManner
from integrations.providers.mpesa.emulator.results import Digits, Parameters, moment_digits
from integrations.providers.mpesa.emulator.world import World

UNKNOWN_TRANSACTION = "R000002"  # what a question about an unknown transaction gets [guess]
REASONS = {
    ledger.STK: "Pay Bill Online",
    ledger.C2B: "Pay Bill",
    ledger.B2C: "Business Payment to Customer via API",
    ledger.REVERSAL: "Transaction Reversal",
}


def account_text(name: str, cents: int) -> str:
    """One account as a balance lists it: name, currency and four amounts (section 12 [3+])."""
    return f"{name}|KES|{kes(cents)}|{kes(cents)}|0.00|0.00"


@dataclass(slots=True)
class StatusDesk:
    """Tells what became of a transaction, by its receipt or its conversation."""

    world: World
    clerk: Clerk

    def ask(self, request: Request) -> Answer:
        """POST /mpesa/transactionstatus/v1/query."""
        read = read_form(self.world, request, STATUS_FORM, "PartyA")
        if isinstance(read, Answer):
            return read
        fields, merchant = read
        asked = fields.get("OriginalConversationID") or fields.get("OriginatorConversationID", "")
        receipt = fields.get("TransactionID", "")
        if not (receipt or asked):
            return envelopes.invalid_field("TransactionID")
        order = _question(self, fields, STATUS, merchant.shortcode)
        order.transaction_id, order.asked_id = receipt, asked
        return self.clerk.enter(order, fields["SecurityCredential"])

    def settle(self, order: Order) -> tuple[str, list[Movement]]:
        """Whether there is such a transaction of this shortcode."""
        known = self._movement(order) or self._asked_order(order)
        return (PAID if known else UNKNOWN_TRANSACTION), []

    def parameters(self, order: Order, manner: ResultManner) -> Parameters:
        """The entries of section 11. Code 0 means that the question worked, not the payment."""
        movement = self._movement(order)
        if movement is not None:
            return self._told_of(movement, manner)
        asked = self._asked_order(order)
        return self._told_of_order(asked) if asked is not None else []

    def _movement(self, order: Order) -> Movement | None:
        book = self.world.ledger
        receipt = order.transaction_id
        if not receipt:
            asked = self.clerk.book.by_conversation.get(order.asked_id)
            receipt = asked.receipt if asked else book.by_originator.get(order.asked_id, "")
        movement = book.by_receipt.get(receipt)
        return movement if movement and movement.shortcode == order.shortcode else None

    def _asked_order(self, order: Order) -> Order | None:
        if order.transaction_id:
            return None
        asked = self.clerk.book.by_conversation.get(order.asked_id)
        if asked is None or asked.shortcode != order.shortcode:
            return None
        return asked if asked.operation in {PAYOUT, REVERSE} else None

    def _told_of(self, movement: Movement, manner: ResultManner) -> Parameters:
        customer = f"{movement.party} - {movement.party_name}"
        shop = f"{movement.shortcode} - {self.world.owner(movement.shortcode).name}"
        debit, credit = (customer, shop) if movement.paid_in else (shop, customer)
        account = "MMF Account For Customer" if movement.paid_in else movement.account
        amount = kes(movement.amount) if manner.amount is None else f"{manner.amount}.00"
        charge = self.world.ledger.charge_of(movement.receipt)
        return [
            ("DebitPartyName", debit),
            ("CreditPartyName", credit),
            ("OriginatorConversationID", movement.originator_id),
            ("InitiatedTime", moment_digits(movement.initiated)),
            ("FinalisedTime", moment_digits(movement.completed)),
            ("DebitAccountType", account),
            ("DebitPartyCharges", f"Fee For B2C Payment|KES|{kes(charge)}" if charge else ""),
            ("TransactionReason", None),  # section 11: often without a Value
            ("ReasonType", REASONS[movement.kind]),
            ("TransactionStatus", "Completed"),
            ("Amount", Digits(amount)),
            ("ConversationID", movement.conversation_id),
            ("ReceiptNo", movement.receipt),
        ]

    def _told_of_order(self, asked: Order) -> Parameters:
        # section 11 [1 portal]: the words for what is under way and for what came to nothing.
        ended = "Expired" if asked.result_code == EXPIRED else "Declined"
        told: Parameters = [
            ("OriginatorConversationID", asked.originator_id),
            ("InitiatedTime", moment_digits(asked.created)),
            ("TransactionReason", asked.result_description or None),
            ("TransactionStatus", "Authorized" if asked.is_pending else ended),
            ("Amount", Digits(kes(asked.amount))),
            ("ConversationID", asked.conversation_id),
            ("ReceiptNo", None),
        ]
        if asked.decided:
            told.insert(2, ("FinalisedTime", moment_digits(asked.decided)))
        return told


@dataclass(slots=True)
class BalanceDesk:
    """Tells what the accounts of a shortcode hold."""

    world: World
    clerk: Clerk

    def ask(self, request: Request) -> Answer:
        """POST /mpesa/accountbalance/v1/query."""
        read = read_form(self.world, request, BALANCE_FORM, "PartyA")
        if isinstance(read, Answer):
            return read
        fields, merchant = read
        order = _question(self, fields, BALANCE, merchant.shortcode)
        return self.clerk.enter(order, fields["SecurityCredential"])

    def settle(self, order: Order) -> tuple[str, list[Movement]]:
        """Nothing moves."""
        return PAID, []

    def parameters(self, order: Order, manner: ResultManner) -> Parameters:
        """The entries of section 12: accounts joined by ampersands."""
        accounts = self.world.ledger.accounts(order.shortcode)
        texts = [account_text(name, cents) for name, cents in accounts.items()]
        return [
            ("AccountBalance", "&".join(texts)),
            ("BOCompletedTime", moment_digits(order.decided)),
        ]


def _question(
    desk: StatusDesk | BalanceDesk, fields: dict[str, str], operation: str, shortcode: str
) -> Order:
    now = desk.world.surroundings.now()
    return Order(
        id=0,
        operation=operation,
        command=fields["CommandID"],
        originator_id=new_merchant_request_id(),
        conversation_id=new_conversation_id(now),
        shortcode=shortcode,
        initiator=fields["Initiator"],
        result_url=fields["ResultURL"],
        timeout_url=fields["QueueTimeOutURL"],
        created=now.isoformat(),
        remarks=fields["Remarks"],
        occasion=fields.get("Occasion", ""),
    )
