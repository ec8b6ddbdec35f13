"""Daraja's synchronous answers: the error envelope and its codes (reference, section 3)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from integrations.providers.emulation import Answer
from integrations.providers.mpesa.emulator.identifiers import new_request_id

# section 3, the overloaded code 500.001.1001 [3+]: the message decides.
WRONG_CREDENTIALS = "Wrong credentials"
UNKNOWN_MERCHANT = "Merchant does not exist"
PHONE_LOCKED = (
    "Unable to lock subscriber, a transaction is already in process for the current subscriber"
)
STILL_PROCESSED = "The transaction is being processed"
UNKNOWN_TRANSACTION = "The transaction does not exist"

# section 2, the dresses of a refused token: HTTP status, code, text [2..3+].
TOKEN_DRESSES = {
    "404.001.03": (404, "404.001.03", "Invalid Access Token"),
    "404.001.04": (404, "404.001.04", "Invalid Authentication Header"),
    "400.003.01": (400, "400.003.01", "Invalid Access Token"),
    "401.002.01": (401, "401.002.01", "Error Occurred - Invalid Access Token - sandbox"),
    "401.003.01": (401, "401.003.01", "Error Occurred - Invalid Access Token - sandbox"),
    "401.001": (401, "401.001", "Invalid Access Token"),
    "401": (401, "401", "Unauthorized - Invalid Access Token"),
}


def json_answer(body: Mapping[str, Any], *, status: int = 200) -> Answer:
    """A JSON answer."""
    return Answer(status, json.dumps(body).encode())


def error(status: int, code: str, message: str) -> Answer:
    """The error envelope of section 3 [3+]."""
    return json_answer(
        {"requestId": new_request_id(), "errorCode": code, "errorMessage": message}, status=status
    )


def invalid_field(name: str) -> Answer:
    """400.002.02, whose message ends with the name of the field (section 3 [3+])."""
    return error(400, "400.002.02", f"Bad Request - Invalid {name}")


def invalid_payload() -> Answer:
    """400.002.05: the body is not as documented (section 3 [2])."""
    return error(400, "400.002.05", "Invalid Request Payload")


def refused_token(dress: str = "404.001.03") -> Answer:
    """A refused access token in one of the dresses of section 2; STK wears 404.001.03 [3+]."""
    return error(*TOKEN_DRESSES[dress])


def product_missing() -> Answer:
    """The product is not ticked on the app (section 1 [3+])."""
    return error(401, "401.003.01", "Invalid API call as no apiproduct match found")


def endpoint_forbidden() -> Answer:
    """403.002.1001: the app has only the other version of the product (section 3 [1])."""
    return error(403, "403.002.1001", "The app is not allowed to use this endpoint")


def duplicate_originator() -> Answer:
    """500.002.1001: this OriginatorConversationID was used before (section 3 [2])."""
    return error(500, "500.002.1001", "Duplicate OriginatorConversationID.")


def already_registered() -> Answer:
    """500.003.1001: production takes a short code's URLs once (section 8 [3+])."""
    return error(500, "500.003.1001", "Urls are already registered.")


def wrong_verb() -> Answer:
    """405.001 (section 1 [2])."""
    return error(405, "405.001", "Method Not Allowed")


def unknown_path() -> Answer:
    """404.001.01: no such resource (section 3 [1 portal])."""
    return error(404, "404.001.01", "Resource not found")


def spike_arrest() -> Answer:
    """500.003.02 (section 3 [3+])."""
    return error(500, "500.003.02", "Error Occurred: Spike Arrest Violation")


def backend_error(message: str, *, status: int = 500) -> Answer:
    """500.001.1001 with one of its many messages (section 3 [3+])."""
    return error(status, "500.001.1001", message)
