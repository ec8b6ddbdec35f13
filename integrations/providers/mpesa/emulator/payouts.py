"""B2C: paying out to a phone (reference, section 9)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from integrations.providers.emulation import Answer, Request
from integrations.providers.mpesa.emulator import ledger
from integrations.providers.mpesa.emulator.clerk import Clerk
from integrations.providers.mpesa.emulator.customers import full_name
from integrations.providers.mpesa.emulator.forms import read_form
from integrations.providers.mpesa.emulator.identifiers import (
    EAT,
    new_conversation_id,
    new_merchant_request_id,
)
from integrations.providers.mpesa.emulator.initiator_fields import B2C_V1, B2C_V3
from integrations.providers.mpesa.emulator.ledger import Movement
from integrations.providers.mpesa.emulator.merchants import (
    CHARGES,
    TILL,
    UTILITY,
    WORKING,
    Merchant,
)
from integrations.providers.mpesa.emulator.money import kes
from integrations.providers.mpesa.emulator.orders import PAYOUT, Order
from integrations.providers.mpesa.emulator.outcomes import PAID
from integrations.providers.mpesa.emulator.result_codes import PAYOUT_BY_AMOUNT
from integrations.providers.mpesa.emulator.result_manner import ResultManner
from integrations.providers.mpesa.emulator.results import Digits, Parameters
from integrations.providers.mpesa.emulator.world import World


@dataclass(slots=True)
class PayoutDesk:
    """Serves both versions of b2c."""

    world: World
    clerk: Clerk

    def pay_v1(self, request: Request) -> Answer:
        """POST /mpesa/b2c/v1/paymentrequest: Daraja chooses the originator id."""
        return self._pay(request, "v1")

    def pay_v3(self, request: Request) -> Answer:
        """POST /mpesa/b2c/v3/paymentrequest: the caller's originator id is used once."""
        return self._pay(request, "v3")

    def settle(self, order: Order) -> tuple[str, list[Movement]]:
        """The rules of section 7 that the emulator can judge, then the movement of money."""
        merchant = self.world.owner(order.shortcode)
        refusal = self._refuse(order, merchant)
        if refusal:
            return refusal, []
        book = self.world.ledger
        order.receipt = book.new_receipt(datetime.fromisoformat(order.decided))
        order.charge = self.world.settings.payout_charge * 100
        movement = book.post(
            order.shortcode,
            merchant.payout_account,
            -order.amount,
            receipt=order.receipt,
            kind=ledger.B2C,
            initiated=order.created,
            completed=order.decided,
            party=order.phone,
            party_name=full_name(order.phone),
            reference=order.occasion or order.remarks,
            originator_id=order.originator_id,
            conversation_id=order.conversation_id,
            command=order.command,
        )
        return PAID, [movement, *self._charge(order)]

    def parameters(self, order: Order, manner: ResultManner) -> Parameters:
        """The entries in the order of section 9 (which varies)."""
        funds = self.world.ledger.balance
        moment = datetime.fromisoformat(order.decided).astimezone(EAT)
        amount = order.amount // 100 if manner.amount is None else manner.amount
        code = order.shortcode
        return [
            ("TransactionAmount", Digits(str(amount))),
            ("TransactionReceipt", order.receipt),
            ("ReceiverPartyPublicName", f"{order.phone} - {full_name(order.phone)}"),
            ("TransactionCompletedDateTime", f"{moment:%d.%m.%Y %H:%M:%S}"),
            ("B2CUtilityAccountAvailableFunds", Digits(kes(funds(code, UTILITY)))),
            ("B2CWorkingAccountAvailableFunds", Digits(kes(funds(code, WORKING)))),
            ("B2CRecipientIsRegisteredCustomer", "Y"),
            ("B2CChargesPaidAccountAvailableFunds", Digits(kes(funds(code, CHARGES)))),
        ]

    def _pay(self, request: Request, version: str) -> Answer:
        form = B2C_V3 if version == "v3" else B2C_V1
        read = read_form(self.world, request, form, "PartyA")
        if isinstance(read, Answer):
            return read
        fields, merchant = read
        now = self.world.surroundings.now()
        by_amount = PAYOUT_BY_AMOUNT.get(fields["Amount"])
        order = Order(
            id=0,
            operation=PAYOUT,
            version=version,
            command=fields["CommandID"],
            originator_id=fields.get("OriginatorConversationID") or new_merchant_request_id(),
            conversation_id=new_conversation_id(now),
            shortcode=merchant.shortcode,
            initiator=fields["InitiatorName"],
            result_url=fields["ResultURL"],
            timeout_url=fields["QueueTimeOutURL"],
            created=now.isoformat(),
            phone=fields["PartyB"],
            amount=int(fields["Amount"]) * 100,
            remarks=fields["Remarks"],
            occasion=fields.get("Occassion", ""),
        )
        return self.clerk.enter(order, fields["SecurityCredential"], by_amount=by_amount)

    def _refuse(self, order: Order, merchant: Merchant) -> str:
        settings = self.world.settings
        if merchant.kind == TILL:
            return "2028"  # section 9 [2]: needs a bulk or "one account" shortcode
        if order.amount < settings.payout_minimum * 100:
            return "2"
        if order.amount > settings.transaction_maximum * 100:
            return "3"
        if self._paid_today(order) + order.amount > settings.payee_daily_limit * 100:
            return "4"
        funds = self.world.ledger.balance(order.shortcode, merchant.payout_account)
        return "1" if order.amount > funds else ""

    def _paid_today(self, order: Order) -> int:
        today = datetime.fromisoformat(order.decided).astimezone(EAT).date()
        return sum(
            movement.withdrawn
            for movement in self.world.ledger.paid_to(order.phone)
            if datetime.fromisoformat(movement.completed).astimezone(EAT).date() == today
        )

    def _charge(self, order: Order) -> list[Movement]:
        if not order.charge:
            return []
        movement = self.world.ledger.post(
            order.shortcode,
            CHARGES,
            -order.charge,
            receipt=order.receipt,
            kind=ledger.CHARGE,
            initiated=order.created,
            completed=order.decided,
            linked=order.receipt,
            command=order.command,
        )
        return [movement]
