"""The switches of the emulator; all can be set through the control API."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.providers.mpesa.emulator import envelopes

# section 5: the ways of saying "ask again"; HTTP status and message of 500.001.1001, None: 4999.
PENDING_FORMS: dict[str, tuple[int, str] | None] = {
    "4999": None,
    "processing": (500, envelopes.STILL_PROCESSED),
    "empty": (500, ""),
    "empty_200": (200, ""),
}
# Settings that hold one of a few words.
CHOICES: dict[str, tuple[str, ...]] = {
    "pending_form": tuple(PENDING_FORMS),
    "stk_c2b": ("off", "before", "after"),
    "msisdn_form": ("masked", "masked_tight", "hashed", "plain"),
    "c2b_ack_code": ("0", "00000000"),
    "pull_date_form": ("iso", "plain"),
    "pull_status_key": ("ResponseStatus", "Response Status"),
}


@dataclass(slots=True)
class Settings:
    """What can be switched. Money is whole KES; times are seconds."""

    is_strict: bool = False
    is_interactive: bool = False
    is_phone_locked: bool = True  # one open prompt per phone
    is_repeat_limited: bool = False  # section 4 [1 portal]: same amount and payer in 2 minutes
    timestamp_tolerance: float | None = 3600.0  # seconds; three hours off is UTC taken for EAT
    answer_seconds: float = 60.0  # section 20 [2]: how long a person has
    pending_form: str = "4999"
    is_production: bool = False  # section 8 [3+]: URLs are registered once
    stk_c2b: str = "off"  # section 8 [2]: STK success also confirms as C2B, before or after
    msisdn_form: str = "masked"  # section 8 [3+]: masked or hashed
    validation_seconds: float = 8.0  # section 8 [3+]; real ones: it waits for a real program
    c2b_ack_code: str = "0"  # section 8 [3+]: any all-zero text is success
    pull_date_form: str = "iso"
    pull_status_key: str = "ResponseStatus"  # section 16 [2]: seen with a space, too
    payout_minimum: int = 10  # section 1 [guess]
    transaction_maximum: int = 250_000  # section 1 [3+]
    payee_daily_limit: int = 500_000  # section 1 [3+]
    payout_charge: int = 0  # to the charges account, per payout
    wrong_passwords_allowed: int = 3  # in a row; then the initiator is locked [guess]
