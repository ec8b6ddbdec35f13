"""What the courier takes, and what it brings back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from integrations.models import AttemptOutcome

# Of an answer's body this much is kept (bytes), and no more is read.
KEPT_BODY = 64 * 1024
# Of its status line and headers together; an answer with more is not read on.
KEPT_HEAD = 32 * 1024


@dataclass(slots=True)
class Parcel:
    """One POST to one URL. `key` is the sender's own and comes back with the reply.

    `headers` are "Name: value" lines. `timeout` bounds everything from `send` to the last byte of
    the answer, in seconds; `connect_timeout` the name lookup, and again the connection with its
    TLS. `certificate` and `private_key` are the client's own, in PEM.
    """

    key: Any
    url: str
    headers: list[str] = field(repr=False)
    body: bytes = field(repr=False)
    timeout: float
    connect_timeout: float = 5.0
    certificate: bytes | None = field(default=None, repr=False)
    private_key: bytes | None = field(default=None, repr=False)


@dataclass(slots=True)
class Reply:
    """How a parcel fared.

    DELIVERED means that a final 2xx status arrived; what followed it changes nothing and is only
    told in `error`, a short sentence for the endpoint's owner that names no address of ours.
    `status` is None where no final status came. `headers` have lower-case names, and repeated ones
    are joined by commas. `body` holds the first 64 KiB, `received` says how many bytes of it came.
    `started_at` is Unix time; `seconds` go from `send` to the end.
    """

    parcel: Parcel
    outcome: AttemptOutcome
    status: int | None
    error: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    received: int
    started_at: float
    seconds: float
