"""STK push and STK query (reference, sections 4, 5 and 21)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from integrations.providers.emulation import Answer, Call, Request
from integrations.providers.mpesa.emulator import envelopes
from integrations.providers.mpesa.emulator.book import Book, Prompt
from integrations.providers.mpesa.emulator.callbacks import choose_manner
from integrations.providers.mpesa.emulator.fields import (
    FieldError,
    PayloadError,
    read_fields,
)
from integrations.providers.mpesa.emulator.identifiers import (
    new_checkout_request_id,
    new_merchant_request_id,
)
from integrations.providers.mpesa.emulator.merchants import Merchant
from integrations.providers.mpesa.emulator.outcomes import (
    NO_ANSWER,
    Outcome,
    choose_outcome,
)
from integrations.providers.mpesa.emulator.postman import Postman
from integrations.providers.mpesa.emulator.settings import PENDING_FORMS
from integrations.providers.mpesa.emulator.world import World

PUSH_FIELDS = (
    "BusinessShortCode",
    "Password",
    "Timestamp",
    "TransactionType",
    "Amount",
    "PartyA",
    "PartyB",
    "PhoneNumber",
    "CallBackURL",
    "AccountReference",
    "TransactionDesc",
)
QUERY_FIELDS = ("BusinessShortCode", "Password", "Timestamp", "CheckoutRequestID")
PROMPT_LIMIT = 182  # characters (section 4 [3+])
REPEAT_WINDOW = timedelta(minutes=2)


@dataclass(slots=True)
class StkDesk:
    """Serves both STK operations on one book."""

    world: World
    postman: Postman

    @property
    def book(self) -> Book:
        """Every prompt."""
        return self.postman.book

    def push(self, request: Request) -> Answer:
        """POST /mpesa/stkpush/v1/processrequest, after verb and token were checked."""
        checked = self._check(request, PUSH_FIELDS)
        if isinstance(checked, Answer):
            return checked
        fields, merchant = checked
        phone = fields["PhoneNumber"]
        with self.world.lock:
            if self.world.settings.is_phone_locked and phone in self.book.open_by_phone:
                return envelopes.backend_error(envelopes.PHONE_LOCKED)  # section 3 [3+]
            manner = choose_manner(self.world.surroundings.take_fault, phone)
            prompt = self._accept(fields, merchant)
            self.postman.manners[prompt.id] = manner
            self.postman.note(prompt)
        if manner.is_early:
            self.postman.finish(prompt, prompt.planned_code, prompt.planned_description)
        else:
            self.schedule(prompt)
        return envelopes.json_answer(_acknowledgement(prompt))

    def query(self, request: Request) -> Answer:
        """POST /mpesa/stkpushquery/v1/query, after verb and token were checked."""
        checked = self._check(request, QUERY_FIELDS)
        if isinstance(checked, Answer):
            return checked
        fields, merchant = checked
        if self._is_flaky():
            return envelopes.backend_error("")  # section 5 [obs]: no answer obtained
        with self.world.lock:
            prompt = self.book.by_checkout.get(fields["CheckoutRequestID"])
            if prompt is None or prompt.shortcode != merchant.shortcode:
                return envelopes.backend_error(envelopes.UNKNOWN_TRANSACTION)  # [2 obs]
            pending = PENDING_FORMS[self.world.settings.pending_form] if prompt.is_pending else None
            if pending is not None:
                return envelopes.backend_error(pending[1], status=pending[0])
            return envelopes.json_answer(_state(prompt))

    def schedule(self, prompt: Prompt) -> None:
        """Let a pending prompt come to its end by itself, or expire where a person answers."""
        if prompt.is_interactive:
            self.world.surroundings.later(
                self.world.settings.answer_seconds,
                lambda: self.postman.finish(prompt, NO_ANSWER),
                scaled=False,
            )
            return
        self.world.surroundings.later(
            prompt.planned_seconds,
            lambda: self.postman.finish(prompt, prompt.planned_code, prompt.planned_description),
        )

    def _check(
        self, request: Request, names: tuple[str, ...]
    ) -> tuple[dict[str, str], Merchant] | Answer:
        # The order of section 21 [derived]: JSON, fields, short code, password.
        try:
            fields = read_fields(
                request, names, self.world.rules(), optional=frozenset({"TransactionDesc"})
            )
        except FieldError as fault:
            return envelopes.invalid_field(str(fault))
        except PayloadError:
            return envelopes.invalid_payload()
        merchant = self.world.merchants.get(fields["BusinessShortCode"])
        if merchant is None:
            return envelopes.backend_error(envelopes.UNKNOWN_MERCHANT)  # section 3 [2]
        if not merchant.accepts_password(fields["Password"], fields["Timestamp"]):
            return envelopes.backend_error(envelopes.WRONG_CREDENTIALS)  # section 3 [3+]
        return fields, merchant

    def _accept(self, fields: dict[str, str], merchant: Merchant) -> Prompt:
        now = self.world.surroundings.now()
        phone, amount = fields["PhoneNumber"], int(fields["Amount"])
        shift = 0
        checkout_id = new_checkout_request_id(now, phone)
        while checkout_id in self.book.by_checkout:
            shift += 1
            checkout_id = new_checkout_request_id(now, phone, shift=shift)
        prompt = Prompt(
            id=self.book.next_id,
            merchant_request_id=new_merchant_request_id(),
            checkout_request_id=checkout_id,
            shortcode=merchant.shortcode,
            merchant_name=merchant.name,
            transaction_type=fields["TransactionType"],
            party_a=fields["PartyA"],
            party_b=fields["PartyB"],
            phone=phone,
            amount=amount,
            reference=fields["AccountReference"],
            description=fields.get("TransactionDesc", ""),
            callback_url=fields["CallBackURL"],
            created=now.isoformat(),
        )
        self._plan(prompt, merchant)
        self.book.add(prompt)
        return prompt

    def _plan(self, prompt: Prompt, merchant: Merchant) -> None:
        routed = merchant.refuse_route(prompt.transaction_type, prompt.party_b)
        if len(prompt.screen_text) > PROMPT_LIMIT:
            routed = "1025"  # section 4 [3+]
        elif self.world.settings.is_repeat_limited and self._is_repeated(prompt):
            routed = "17"
        scenario = self.world.scenarios.take(prompt.phone)
        outcome: Outcome = choose_outcome(
            scenario,
            routed=routed,
            amount=str(prompt.amount),
            phone=prompt.phone,
            jitter=self.world.dice.random(),
        )
        prompt.planned_code = outcome.code
        prompt.planned_description = outcome.description
        prompt.planned_seconds = outcome.seconds
        prompt.source = outcome.source
        if self.world.settings.is_interactive and scenario is None and routed is None:
            prompt.is_interactive = True
            prompt.source = "person"

    def _is_repeated(self, prompt: Prompt) -> bool:
        earliest = self.world.surroundings.now() - REPEAT_WINDOW
        return any(
            (other.phone, other.amount) == (prompt.phone, prompt.amount)
            and datetime.fromisoformat(other.created) > earliest
            for other in self.book.prompts.values()
        )

    def _is_flaky(self) -> bool:
        fault = self.world.surroundings.take_fault(frozenset({"flaky_query"}), Call("stk_query"))
        return fault is not None and self.world.dice.random() < float(
            fault.options.get("rate", 0.2)
        )


def _acknowledgement(prompt: Prompt) -> dict[str, Any]:
    # section 4 [3+]: accepted, not paid.
    text = "Success. Request accepted for processing"
    return {
        "MerchantRequestID": prompt.merchant_request_id,
        "CheckoutRequestID": prompt.checkout_request_id,
        "ResponseCode": "0",
        "ResponseDescription": text,
        "CustomerMessage": text,
    }


def _state(prompt: Prompt) -> dict[str, Any]:
    # section 5 [3+]: ResultCode is a string here; no receipt, amount or phone is returned.
    return {
        "ResponseCode": "0",
        "ResponseDescription": "The service request has been accepted successfully",
        "MerchantRequestID": prompt.merchant_request_id,
        "CheckoutRequestID": prompt.checkout_request_id,
        "ResultCode": prompt.result_code or "4999",
        "ResultDesc": prompt.result_description or "The transaction is still under processing",
    }
