"""Pull transactions: what customers paid in the last 48 hours (reference, section 16)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.providers.emulation import Answer, Request
from integrations.providers.mpesa.emulator import envelopes, ledger
from integrations.providers.mpesa.emulator.customers import MSISDN_FORMS
from integrations.providers.mpesa.emulator.forms import read_form
from integrations.providers.mpesa.emulator.identifiers import EAT, new_merchant_request_id
from integrations.providers.mpesa.emulator.initiator_fields import PULL, PULL_REGISTER
from integrations.providers.mpesa.emulator.ledger import Movement
from integrations.providers.mpesa.emulator.merchants import TILL
from integrations.providers.mpesa.emulator.money import kes
from integrations.providers.mpesa.emulator.world import World

PAGE = 100
REACH = timedelta(hours=48)
OK, NONE_OR_KNOWN = "1000", "1001"


@dataclass(slots=True)
class PullRegistration:
    """A shortcode that may pull."""

    shortcode: str
    nominated: str
    callback_url: str


@dataclass(slots=True)
class PullDesk:
    """Serves the registration and the query."""

    world: World
    registered: dict[str, PullRegistration] = field(default_factory=dict)

    def register(self, request: Request) -> Answer:
        """POST /pulltransactions/v1/register."""
        read = read_form(self.world, request, PULL_REGISTER, "ShortCode")
        if isinstance(read, Answer):
            return read
        fields, merchant = read
        shortcode = merchant.shortcode
        with self.world.lock:
            is_known = shortcode in self.registered
            if not is_known:
                registration = PullRegistration(
                    shortcode, fields["NominatedNumber"], fields["CallBackURL"]
                )
                self.registered[shortcode] = registration
                self.world.record(pull=registration)
        told = "ShortCode already Registered" if is_known else "ShortCode Registered Successfully"
        return envelopes.json_answer(
            {
                "ResponseRefID": new_merchant_request_id(),
                self.world.settings.pull_status_key: NONE_OR_KNOWN if is_known else OK,
                "ShortCode": fields["ShortCode"],
                "ResponseDescription": told,
            }
        )

    def query(self, request: Request) -> Answer:
        """POST /pulltransactions/v1/query."""
        read = read_form(self.world, request, PULL, "ShortCode")
        if isinstance(read, Answer):
            return read
        fields, merchant = read
        if merchant.shortcode not in self.registered:
            return envelopes.invalid_field("ShortCode")  # not registered for pull [guess]
        offset = int(fields["OffSetValue"])
        start, end = (_moment(fields[name]) for name in ("StartDate", "EndDate"))
        with self.world.lock:
            found = self._paid(merchant.shortcode, start, end)[offset : offset + PAGE]
            rows = [self._row(movement) for movement in found]
        return envelopes.json_answer(
            {
                "ResponseRefID": new_merchant_request_id(),
                "ResponseCode": OK if rows else NONE_OR_KNOWN,
                "ResponseMessage": "Success" if rows else "No transactions in the period",
                "Response": [rows],
            }
        )

    def _paid(self, shortcode: str, start: datetime, end: datetime) -> list[Movement]:
        earliest = max(start, self.world.surroundings.now() - REACH)
        return [
            movement
            for movement in self.world.ledger.of(shortcode)
            if movement.kind in {ledger.STK, ledger.C2B}
            and earliest <= datetime.fromisoformat(movement.completed).replace(microsecond=0) <= end
        ]

    def _row(self, movement: Movement) -> dict[str, Any]:
        merchant = self.world.owner(movement.shortcode)
        moment = datetime.fromisoformat(movement.completed)
        iso = f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        plain = f"{moment.astimezone(EAT):%Y-%m-%d %H:%M:%S}"
        way = "buy-goods" if merchant.kind == TILL else "pay-bill"
        row = {
            "transactionId": movement.receipt,
            "trxDate": iso if self.world.settings.pull_date_form == "iso" else plain,
            "msisdn": MSISDN_FORMS[self.world.settings.msisdn_form](movement.party),
            "transactiontype": f"c2b-{way}-debit",
            "billreference": movement.reference,
            "amount": kes(movement.amount),
            "organizationname": merchant.name,
        }
        # section 16 [2]: a sender is there sometimes.
        return row if movement.kind == ledger.STK else {**row, "sender": movement.party_name}


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=EAT)
