"""The conversation with Daraja, all products. Decides on the body first, the status second."""

from __future__ import annotations

from integrations.config import Snapshot
from integrations.exceptions import ConfigurationError
from integrations.providers.mpesa.client.answers import (
    Ack,
    QueryAnswer,
    classify,
    is_throttled,
    read_query_answer,
    rejects_token,
)
from integrations.providers.mpesa.client.c2b import C2BCalls
from integrations.providers.mpesa.client.connection import ASK_LIMITS, PUSH_LIMITS, TOKEN_LIMITS
from integrations.providers.mpesa.client.initiator import InitiatorCalls
from integrations.providers.mpesa.client.probe import ProbeCalls
from integrations.providers.mpesa.client.pull import PullCalls, PullPage
from integrations.providers.mpesa.client.stk import StkAck, StkCalls

__all__ = [
    "ASK_LIMITS",
    "PUSH_LIMITS",
    "TOKEN_LIMITS",
    "Ack",
    "DarajaClient",
    "PullPage",
    "QueryAnswer",
    "StkAck",
    "check_connection",
    "classify",
    "is_throttled",
    "read_query_answer",
    "rejects_token",
]


class DarajaClient(StkCalls, InitiatorCalls, C2BCalls, PullCalls, ProbeCalls):
    """Daraja with one row's credentials: all products. Cheap to make; connections are pooled."""


def check_connection(config: Snapshot) -> str:
    """The registered connection test of M-Pesa."""
    if not config.text("consumer_key") or not config.text("consumer_secret"):
        raise ConfigurationError("Enter the consumer key and the consumer secret first.")
    return DarajaClient(config).check()
