"""A refusal: KRA's code and text, which each way into KRA dresses differently (section 8)."""

from __future__ import annotations

from collections.abc import Iterable

# Section 8 [3+]; the texts are those of the sister specification [guess].
TEXTS = {
    "000": "It is succeeded",
    "001": "There is no search result",
    "891": "An error occurred: the URL could not be built",
    "892": "An error occurred: the header could not be built",
    "893": "An error occurred: the body could not be built",
    "894": "An error occurred: cannot reach the server",
    "895": "An error occurred: method not allowed",
    "896": "An error occurred: unexpected HTTP status",
    "899": "An error occurred at the client",
    "900": "There is no header information",
    "901": "It is not valid device",
    "902": "This device is installed",
    "903": "Only OSCU device can be verified",
    "905": "Only OSCU device can be verified",
    "910": "Request parameter error",
    "911": "There is no request full text",
    "912": "There is an error in the request method",
    "913": "There is an error in the code value of the request",
    "921": "Declared sales data cannot be received",
    "922": "Sales invoice data can be received after receiving the sales data",
    "990": "The maximum number of views are exceeded",
    "991": "There is an error during registration",
    "992": "There is an error during modification",
    "993": "There is an error during deletion",
    "994": "There is an overlapped data",
    "995": "There is no downloaded file",
    "999": "There is an unknown error. Please ask the administrator",
    "E04": "Device or branch is not found",
    "E11": "The storage of the VSCU is full",
    "E31": "lastReqDt is not valid",
}


class Refusal(Exception):
    """A request that KRA does not carry out. `gateway` is the gateway's wording, if another."""

    def __init__(self, code: str, text: str = "", *, gateway: str = "") -> None:
        self.code = code
        self.text = text or TEXTS[code]
        self.gateway = gateway or self.text
        super().__init__(f"{code} {self.text}")


class Unreachable(Exception):
    """No answer of KRA's at all: HTTP 503."""


def missing(path: str) -> Refusal:
    """910 with the field named; the gateway's own words (sections 5 [1 live] and 8)."""
    return Refusal("910", f"Request parameter error [{path}] is missing",
                   gateway=f"{_last(path)} cannot be Null" if "<" not in path
                   else f"{path} cannot be Null")  # fmt: skip


def malformed(path: str, what: str) -> Refusal:
    """910: a field of the wrong type, length or form."""
    return Refusal("910", f"Request parameter error [{path}] {what}")


def not_in_table(path: str, value: object, allowed: Iterable[str] = ()) -> Refusal:
    """913 with the path of the field (section 8 [1 live])."""
    listed = ", ".join(sorted(allowed)[:60])
    told = f" Allowed: {listed}" if listed else ""
    return Refusal("913", f"{TEXTS['913']} [{path}] value: {value}.{told}")


def _last(path: str) -> str:
    return path.rpartition("<")[2].rstrip(">")
