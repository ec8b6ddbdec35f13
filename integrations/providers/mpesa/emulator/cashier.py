"""A customer's payment: validation, the money, confirmation (reference, section 8)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integrations.providers.emulation import Call, Delivery
from integrations.providers.mpesa.emulator import ledger
from integrations.providers.mpesa.emulator.book import Prompt
from integrations.providers.mpesa.emulator.c2b_book import (
    COMPLETED,
    FAILED,
    PENDING,
    REJECTED,
    C2BBook,
    CustomerPayment,
    Registration,
)
from integrations.providers.mpesa.emulator.callbacks import MALFORMED
from integrations.providers.mpesa.emulator.courier import Courier, Parcel
from integrations.providers.mpesa.emulator.customers import MSISDN_FORMS, full_name, name_of
from integrations.providers.mpesa.emulator.identifiers import wire_time
from integrations.providers.mpesa.emulator.merchants import Merchant
from integrations.providers.mpesa.emulator.money import kes
from integrations.providers.mpesa.emulator.outcomes import PAID, Outcome, choose_outcome
from integrations.providers.mpesa.emulator.result_manner import ResultManner, choose_result_manner
from integrations.providers.mpesa.emulator.world import World

# section 8 [3+]: the codes with which a shop may turn a payment down.
REJECTIONS = frozenset(f"C2B000{number}" for number in range(11, 17))
TYPES = {"CustomerPayBillOnline": "Pay Bill", "CustomerBuyGoodsOnline": "Buy Goods"}


@dataclass(slots=True)
class Cashier:
    """Brings customers' payments to their end and tells the shops."""

    world: World
    courier: Courier
    book: C2BBook = field(default_factory=C2BBook)
    manners: dict[int, ResultManner] = field(default_factory=dict)

    def begin(
        self, merchant: Merchant, number: str, *, phone: str, amount: int, **details: Any
    ) -> CustomerPayment:
        """Enter a payment that a customer starts; it comes to its end later."""
        world = self.world
        now = world.surroundings.now()
        with world.lock:
            scenario = world.scenarios.take(phone, "c2b_simulate")
            outcome: Outcome = choose_outcome(
                scenario, routed=None, amount="", phone="", jitter=world.dice.random()
            )
            payment = CustomerPayment(
                id=self.book.next_id,
                receipt=world.ledger.new_receipt(now),
                shortcode=merchant.shortcode,
                number=number,
                amount=amount,
                phone=phone,
                created=now.isoformat(),
                planned_code=outcome.code,
                planned_seconds=outcome.seconds,
                first_name=details.pop("first_name", "") or name_of(phone)[0],
                **details,
            )
            self.book.payments[payment.id] = payment
            call = Call("c2b_confirmation", phone)
            manner = choose_result_manner(world.surroundings.take_fault, call)
            self.manners[payment.id] = manner
            world.record(c2b=payment)
        if manner.is_early:
            self.finish(payment)
        else:
            self.schedule(payment)
        return payment

    def schedule(self, payment: CustomerPayment) -> None:
        """Let a pending payment come to its end by itself."""
        self.world.surroundings.later(payment.planned_seconds, lambda: self.finish(payment))

    def finish(self, payment: CustomerPayment) -> None:
        """Ask the shop where it wants to be asked, move the money, confirm."""
        with self.world.lock:
            if payment.state != PENDING:
                return
            registration = self.book.registration(payment.number, payment.shortcode)
            is_asked = registration is not None and registration.number in self.book.validated
        code = payment.planned_code
        if payment.amount > self.world.settings.transaction_maximum * 100:
            code = "3"
        if code == PAID and registration is not None and is_asked:
            code = self._validate(payment, registration)
        with self.world.lock:
            if payment.state != PENDING:
                return
            self._decide(payment, code)
        if payment.state == COMPLETED and registration is not None:
            manner = self.manners.get(payment.id, ResultManner())
            if manner.delay_seconds:
                self.world.surroundings.later(
                    manner.delay_seconds, lambda: self._confirm(payment, registration, manner)
                )
            else:
                self._confirm(payment, registration, manner)

    def confirm_prompt(self, prompt: Prompt) -> None:
        """Confirm an STK payment, too: same receipt, money that moved already (section 8 [2])."""
        with self.world.lock:
            registration = self.book.registration(prompt.party_b, prompt.shortcode)
            if registration is None:
                return
            payment = self._from_prompt(prompt)
            self.book.payments[payment.id] = payment
            call = Call("c2b_confirmation", prompt.phone)
            manner = choose_result_manner(self.world.surroundings.take_fault, call)
            self.world.record(c2b=payment)
        self._confirm(payment, registration, manner)

    def change(self, number: str, *, validation: object, is_deleted: bool) -> None:
        """Switch validation for a number, or delete its addresses; call with the lock held."""
        if validation is not None:
            self.book.switch_validation(number, bool(validation))
            self.world.surroundings.record({"validation": [number, bool(validation)]})
        registration = self.book.registration(number)
        if is_deleted and registration is not None:
            registration.is_deleted = True
            self.world.record(registration=registration)

    def _from_prompt(self, prompt: Prompt) -> CustomerPayment:
        movement = self.world.ledger.by_receipt[prompt.receipt]
        return CustomerPayment(
            id=self.book.next_id,
            receipt=prompt.receipt,
            shortcode=prompt.shortcode,
            number=prompt.party_b,
            transaction_type=TYPES[prompt.transaction_type],
            amount=prompt.amount * 100,
            phone=prompt.phone,
            bill_ref=prompt.reference,
            source=ledger.STK,
            created=prompt.created,
            first_name=name_of(prompt.phone)[0],
            state=COMPLETED,
            code=PAID,
            balance=movement.balance,
            decided=prompt.decided,
        )

    def _decide(self, payment: CustomerPayment, code: str) -> None:
        world = self.world
        payment.code = code
        payment.decided = world.surroundings.now().isoformat()
        if code != PAID:
            payment.state = REJECTED if code.startswith("C2B") else FAILED
            world.record(c2b=payment)
            return
        payment.state = COMPLETED
        merchant = world.owner(payment.shortcode)
        movement = world.ledger.post(
            payment.shortcode,
            merchant.income_account,
            payment.amount,
            receipt=payment.receipt,
            kind=ledger.C2B,
            initiated=payment.created,
            completed=payment.decided,
            party=payment.phone,
            party_name=full_name(payment.phone),
            reference=payment.bill_ref,
            originator_id=payment.originator_id,
            command=payment.transaction_type,
        )
        payment.balance = movement.balance
        world.record(movement, c2b=payment)

    def _validate(self, payment: CustomerPayment, registration: Registration) -> str:
        """0, or the code that turns the payment down; the shop has about 8 seconds."""
        url = registration.validation_url
        parcel = Parcel(url, self._body(payment, registration), self._noting(payment, "validation"))
        delivery = self.courier.post(parcel, timeout=self.world.settings.validation_seconds)
        answer = _read_verdict(delivery)
        if answer is None:
            # section 8 [3+]: ResponseType says what happens where validation can't be reached.
            return PAID if registration.response_type == "Completed" else "C2B00016"
        code, payment.third_party_id = answer
        return code

    def _confirm(
        self, payment: CustomerPayment, registration: Registration, manner: ResultManner
    ) -> None:
        body = self._body(payment, registration, manner)
        note = self._noting(payment, "confirmation")
        self.courier.send(Parcel(registration.confirmation_url, body, note), manner)

    def _body(
        self,
        payment: CustomerPayment,
        registration: Registration,
        manner: ResultManner | None = None,
    ) -> bytes:
        if manner is not None and manner.malformed:
            return MALFORMED[manner.malformed]
        amount = kes(payment.amount)
        if manner is not None and manner.amount is not None:
            amount = f"{manner.amount}.00"
        # section 8 [3+]: all values are strings; OrgAccountBalance is empty on validation.
        body = {
            "TransactionType": payment.transaction_type,
            "TransID": payment.receipt,
            "TransTime": wire_time(datetime.fromisoformat(payment.decided or payment.created)),
            "TransAmount": amount,
            "BusinessShortCode": registration.number,
            "BillRefNumber": payment.bill_ref,
            "InvoiceNumber": "",
            "OrgAccountBalance": kes(payment.balance) if payment.decided else "",
            "ThirdPartyTransID": payment.third_party_id,
            "MSISDN": MSISDN_FORMS[self.world.settings.msisdn_form](payment.phone),
            "FirstName": payment.first_name,
            "MiddleName": payment.middle_name,
            "LastName": payment.last_name,
        }
        return json.dumps(body).encode()

    def _noting(self, payment: CustomerPayment, kind: str) -> Callable[[Delivery], None]:
        def note(delivery: Delivery) -> None:
            with self.world.lock:
                payment.deliveries.append(
                    {
                        "at": self.world.surroundings.now().isoformat(),
                        "kind": kind,
                        "status": delivery.status,
                        "error": delivery.error,
                    }
                )
                self.world.record(c2b=payment)

        return note


def _read_verdict(delivery: Delivery) -> tuple[str, str] | None:
    """The code and ThirdPartyTransID of a validation answer; None where it is no answer."""
    if delivery.status != 200:
        return None
    try:
        told: Any = json.loads(delivery.body)
    except ValueError:
        return None
    if not isinstance(told, dict) or "ResultCode" not in told:
        return None
    code = str(told["ResultCode"])
    if code.strip("0") and code not in REJECTIONS:
        code = "C2B00016"  # section 8: other errors
    return (code if code in REJECTIONS else PAID), str(told.get("ThirdPartyTransID") or "")
