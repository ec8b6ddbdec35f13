"""Reading a form: from a request to its fields and the merchant that it is about."""

from __future__ import annotations

from integrations.providers.emulation import Answer, Request
from integrations.providers.mpesa.emulator import envelopes
from integrations.providers.mpesa.emulator.fields import FieldError, PayloadError, read_fields
from integrations.providers.mpesa.emulator.initiator_fields import Form
from integrations.providers.mpesa.emulator.merchants import Merchant
from integrations.providers.mpesa.emulator.world import World


def read_form(
    world: World, request: Request, form: Form, owner: str
) -> tuple[dict[str, str], Merchant] | Answer:
    """The fields and the merchant that the field `owner` names; or the refusal.

    The order of section 21 [derived]: JSON, each field, shortcode.
    """
    try:
        fields = read_fields(
            request, form.names, world.rules(), optional=form.optional, checks=form.checks
        )
    except FieldError as fault:
        return envelopes.invalid_field(str(fault))
    except PayloadError:
        return envelopes.invalid_payload()
    merchant = world.merchant_of(fields[owner])
    if merchant is None:
        return envelopes.backend_error(envelopes.UNKNOWN_MERCHANT)  # section 3 [2]
    return fields, merchant
