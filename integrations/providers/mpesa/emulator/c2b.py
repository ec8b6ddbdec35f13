"""C2B: registering the addresses, and simulating a payment (reference, section 8)."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.providers.emulation import Answer, Request
from integrations.providers.mpesa.emulator import envelopes
from integrations.providers.mpesa.emulator.c2b_book import Registration
from integrations.providers.mpesa.emulator.cashier import TYPES, Cashier
from integrations.providers.mpesa.emulator.forms import read_form
from integrations.providers.mpesa.emulator.identifiers import new_merchant_request_id
from integrations.providers.mpesa.emulator.initiator_fields import C2B_REGISTER, C2B_SIMULATE
from integrations.providers.mpesa.emulator.money import cents_of
from integrations.providers.mpesa.emulator.world import World


@dataclass(slots=True)
class C2BDesk:
    """Serves both versions of registerurl and simulate."""

    world: World
    cashier: Cashier

    def register_v1(self, request: Request) -> Answer:
        """POST /mpesa/c2b/v1/registerurl; its replies say success in lower case (section 8)."""
        return self._register(request, "v1", "success")

    def register_v2(self, request: Request) -> Answer:
        """POST /mpesa/c2b/v2/registerurl."""
        return self._register(request, "v2", "Success")

    def simulate(self, request: Request) -> Answer:
        """POST /mpesa/c2b/v1/simulate and v2: a customer pays. The sandbox alone has it."""
        if self.world.settings.is_production:
            return envelopes.unknown_path()
        read = read_form(self.world, request, C2B_SIMULATE, "ShortCode")
        if isinstance(read, Answer):
            return read
        fields, merchant = read
        originator = new_merchant_request_id()
        self.cashier.begin(
            merchant,
            fields["ShortCode"],
            phone=fields["Msisdn"],
            amount=cents_of(fields["Amount"]) or 0,
            transaction_type=TYPES[fields["CommandID"]],
            bill_ref=fields.get("BillRefNumber", ""),
            source="simulate",
            originator_id=originator,
        )
        return self._acknowledge(originator, "Accept the service request successfully.")

    def _register(self, request: Request, version: str, word: str) -> Answer:
        read = read_form(self.world, request, C2B_REGISTER, "ShortCode")
        if isinstance(read, Answer):
            return read
        fields, _merchant = read
        number = fields["ShortCode"]
        book = self.cashier.book
        with self.world.lock:
            if self.world.settings.is_production and book.registration(number) is not None:
                return envelopes.already_registered()
            registration = Registration(
                number=number,
                version=version,
                response_type=fields["ResponseType"],
                confirmation_url=fields["ConfirmationURL"],
                validation_url=fields["ValidationURL"],
                created=self.world.surroundings.now().isoformat(),
            )
            book.registrations[number] = registration
            self.world.record(registration=registration)
        return self._acknowledge(new_merchant_request_id(), word)

    def _acknowledge(self, originator: str, description: str) -> Answer:
        # section 8 [3+]: the key lacks its second n on the wire.
        return envelopes.json_answer(
            {
                "OriginatorCoversationID": originator,
                "ResponseCode": self.world.settings.c2b_ack_code,
                "ResponseDescription": description,
            }
        )
