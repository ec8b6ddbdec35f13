"""Every synchronous error of the reference's tables, to be had on demand (sections 2 and 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.providers.emulation import Answer, Rejected
from integrations.providers.mpesa.emulator import envelopes

# Code: usual HTTP status and text. A text that names a field takes it from the option `field`.
ERRORS: dict[str, tuple[int, str]] = {
    "400.002.02": (400, "Bad Request - Invalid {field}"),
    "400.002.05": (400, "Invalid Request Payload"),
    "400.003.01": (400, "Invalid Access Token"),
    "400.003.02": (400, "Bad Request"),
    "400.008.01": (400, "Invalid Authentication passed"),
    "400.008.02": (400, "Invalid grant type passed"),
    "401": (401, "Unauthorized - Invalid Access Token"),
    "401.001": (401, "Invalid Access Token"),
    "401.002.01": (401, "Error Occurred - Invalid Access Token - sandbox"),
    "401.003.01": (401, "Invalid API call as no apiproduct match found"),
    "403.002.1001": (403, "The app is not allowed to use this endpoint"),
    "404.001.01": (404, "Resource not found"),
    "404.002.01": (404, "Resource not found"),
    "404.003.01": (404, "Resource not found"),
    "404.001.03": (404, "Invalid Access Token"),
    "404.001.04": (404, "Invalid Authentication Header"),
    "405.001": (405, "Method Not Allowed"),
    "500.001.1001": (500, ""),
    "500.002.1001": (500, "Duplicate OriginatorConversationID."),
    "500.003.02": (500, "Error Occurred: Spike Arrest Violation"),
    "500.003.03": (500, "Error Occurred: Quota Violation"),
    "500.003.1001": (500, "Internal Server Error"),
}
# The texts of the codes that mean several things: the option `means` (section 3).
MEANINGS: dict[str, str] = {
    "wrong_credentials": envelopes.WRONG_CREDENTIALS,
    "wrong_credentials_older": "[MerchantValidate] - Wrong credentials",
    "unknown_merchant": envelopes.UNKNOWN_MERCHANT,
    "phone_locked": envelopes.PHONE_LOCKED,
    "processing": envelopes.STILL_PROCESSED,
    "unknown_transaction": envelopes.UNKNOWN_TRANSACTION,
    "maintenance": "The service is under maintenance.",
    "already_registered": "Urls are already registered.",
    "duplicate_notification": "Duplicate notification info",
}
# section 3 [guess]: the gateway's own shape of a throttle.
APIGEE = "apigee"


def error_answer(options: Mapping[str, Any]) -> Answer:
    """The answer that the options of an `error_code` fault ask for."""
    code = str(options["code"])
    if code == APIGEE:
        fault = {
            "faultstring": "Spike arrest violation. Allowed rate : 5ps",
            "detail": {"errorcode": "policies.ratelimit.SpikeArrestViolation"},
        }
        return envelopes.json_answer({"fault": fault}, status=int(options.get("status", 429)))
    status, text = ERRORS[code]
    told = str(options.get("message", MEANINGS.get(str(options.get("means")), text)))
    field = str(options.get("field", "Amount"))
    return envelopes.error(int(options.get("status", status)), code, told.replace("{field}", field))


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse options that could not be carried out later; raises Rejected."""
    code, means = options.get("code"), options.get("means")
    if code not in ERRORS and code != APIGEE:
        raise Rejected(f"code: one of {', '.join([*ERRORS, APIGEE])}.")
    if means is not None and means not in MEANINGS:
        raise Rejected(f"means: one of {', '.join(MEANINGS)}.")
