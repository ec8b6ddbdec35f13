"""The envelopes of the three ways, and the gateway's own answers (sections 2.1, 2.2 and 3)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from integrations.providers.emulation import Answer
from integrations.providers.kra.emulator.refusals import TEXTS, Refusal
from integrations.providers.kra.emulator.routes import GATEWAY
from integrations.providers.kra.emulator.wire import dump, wire_time

_HTML = "<html><body><h1>503 Service Unavailable</h1></body></html>"


def plain(status: int, body: Mapping[str, Any]) -> Answer:
    """A JSON answer."""
    return Answer(status, dump(body))


def success(door: str, data: Any, now: datetime, code: str = "000") -> Answer:
    """The answer to what was carried out, or found; `code` 001 is an empty list."""
    result = {"resultCd": code, "resultMsg": TEXTS[code]}
    if door == GATEWAY:
        # Section 2.2 [2, live].
        return gateway(200, "Successful", result | {"resultDt": wire_time(now), "data": data})
    # Section 2.1 [3+].
    return plain(200, result | {"resultDt": wire_time(now), "data": data})


def refusal(door: str, fault: Refusal, now: datetime) -> Answer:
    """The answer to what was refused: HTTP 200 with a code, or the gateway's HTTP 400."""
    if door == GATEWAY:
        return gateway(400, fault.gateway, None)  # section 2.2 [2, live]
    return plain(
        200,
        {"resultCd": fault.code, "resultMsg": fault.text, "resultDt": wire_time(now), "data": None},
    )


def gateway(code: int, text: str, body: Any, *, status: int | None = None) -> Answer:
    """The gateway's envelope; `status` where the outer HTTP status differs [1]."""
    header = {
        "responseCode": code,
        "responseRefID": str(uuid.uuid4()),
        "customerMessage": "Successful" if code < 400 else "Bad Request - Invalid input",
        "debugMessage": text,
    }
    return plain(status or code, {"responseHeader": header, "responseBody": body})


def unavailable() -> Answer:
    """KRA is away."""
    return Answer(503, _HTML.encode(), "text/html; charset=utf-8")


def unknown_path(door: str, now: datetime) -> Answer:
    """A wrong path: 912 or 404 (section 5)."""
    if door == GATEWAY:
        return plain(404, {"fault": {"faultstring": "Unable to identify proxy for this path"}})
    return refusal(door, Refusal("912"), now)


def bad_client() -> Answer:
    """Wrong credentials as the portal's text shows it (section 3 [2])."""
    body = {"requestId": str(uuid.uuid4()), "errorCode": "401",
            "errorMessage": "Client credentials are invalid"}  # fmt: skip
    return plain(401, body)


def invalid_token() -> Answer:
    """A token that nobody issued (section 2.2 [1])."""
    header = {"responseCode": 401, "customerMessage": "Invalid access token"}
    return plain(401, {"header": header, "body": None})


def expired_token(status: int) -> Answer:
    """Apigee's word for an expired token: HTTP 401 or 500 (section 2.2 [2])."""
    detail = {"errorcode": "keymanagement.service.access_token_expired"}
    return plain(status, {"fault": {"faultstring": "Access Token expired", "detail": detail}})


def wrong_product(product: str) -> Answer:
    """A key of another product (section 1 [3+]): HTTP 403."""
    text = "Invalid API call as no apiproduct match found"
    detail = {"errorcode": "keymanagement.service.InvalidAPICallAsNoApiProductMatchFound"}
    return plain(403, {"fault": {"faultstring": text, "detail": detail | {"product": product}}})
