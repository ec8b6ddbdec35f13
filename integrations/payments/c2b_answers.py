"""C2B and expected payments for ERP code, as 3-tuples `(success, message, data)`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import Error as DatabaseError

from integrations.exceptions import (
    IntegrationError,
    InvalidInput,
    OutcomeUnknown,
    TransportError,
    help_url,
)
from integrations.models import RegistrationState
from integrations.payments import c2b, expectations
from integrations.payments.sums import describe_expectation

Answer = tuple[bool, str | None, dict[str, Any] | None]
NOT_STORED = "The database does not answer; nothing was done. Try again in a moment."


def register_urls(*, business: str, short_code: str) -> Answer:
    """See `MpesaPaymentService.register_c2b_urls`."""

    def act() -> Answer:
        done = c2b.register(business=business, short_code=short_code).registration
        data = {
            "registration_id": str(done.public_id),
            "state": str(done.state),
            "short_code": done.short_code,
            "version": done.version,
            "code": "" if done.state == RegistrationState.REGISTERED else str(done.state),
        }
        return done.state == RegistrationState.REGISTERED, done.message, data

    return _answer(act, {"registration_id": "", "state": "refused"})


def simulate(values: dict[str, Any]) -> Answer:
    """See `MpesaPaymentService.simulate_c2b`."""
    return _answer(lambda: (True, c2b.simulate(**values), {"code": ""}), {"state": "refused"})


def expect(
    reference: object, amount: object, phone: object, business: str, description: object,
    expires_at: datetime | None, idempotency_key: str | None,
) -> Answer:  # fmt: skip
    """See `MpesaPaymentService.expect_payment`."""
    wish = expectations.Wish(
        reference, amount, phone, business, description, expires_at, idempotency_key
    )

    def act() -> Answer:
        found, is_new = expectations.expect(wish)
        data = {**describe_expectation(found), "repeated": not is_new, "code": ""}
        return True, "Payment expected", data

    return _answer(act, {"expectation_id": "", "state": "refused"})


def _answer(act: Callable[[], Answer], empty: dict[str, Any]) -> Answer:
    try:
        return act()
    except InvalidInput as error:
        return _refused(error.message, error.code, {**empty, "field": error.field})
    except OutcomeUnknown as error:
        return _refused(error.message, error.code, {**empty, "state": "unknown"})
    except TransportError as error:
        state = "unknown" if error.sent else "refused"
        return _refused(error.message, error.code, {**empty, "state": state})
    except IntegrationError as error:
        return _refused(error.message, error.code, empty)
    except DatabaseError:
        return _refused(NOT_STORED, "not_stored", empty)


def _refused(text: str, code: str, data: dict[str, Any]) -> Answer:
    return False, text, {**data, "code": code, "help": help_url(code)}
