"""Checks of inbound webhooks by what senders prove: signatures and shared secrets.

Each is a `Verifier` of `callbacks.routes`. All of them answer 401 alike, and tell people alone why.
"""

from __future__ import annotations

from integrations.callbacks.verifiers.github import GitHubSignature
from integrations.callbacks.verifiers.senders import Sender, by_token, token_digest
from integrations.callbacks.verifiers.shared import BasicAuth, SharedSecret
from integrations.callbacks.verifiers.standard import StandardWebhooks

__all__ = [
    "BasicAuth",
    "GitHubSignature",
    "Sender",
    "SharedSecret",
    "StandardWebhooks",
    "by_token",
    "token_digest",
]
