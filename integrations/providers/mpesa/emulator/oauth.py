"""The token endpoint and the check of tokens (reference, section 2)."""

from __future__ import annotations

import hmac
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from integrations.providers.emulation import Answer, Request
from integrations.providers.mpesa.emulator import envelopes
from integrations.providers.mpesa.emulator.identifiers import new_token
from integrations.providers.mpesa.emulator.products import EVERY_PRODUCT, OTHER_VERSION, Route

LIFETIME = 3599  # seconds, always (section 2 [3+])


@dataclass(frozen=True, slots=True)
class App:
    """A registered Daraja app: its secret and the products ticked on it (section 1 [3+])."""

    key: str
    secret: str = field(repr=False)
    products: frozenset[str] = EVERY_PRODUCT
    is_refused: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """A token that was issued: to whom, until when."""

    key: str
    expires_at: datetime


@dataclass(slots=True)
class TokenOffice:
    """Issues and checks access tokens.

    Any key and secret is accepted until an app is registered under that key; `is_open` False
    refuses unregistered keys. `is_newest_only` is the strict reading of a portal FAQ: each new
    token cancels the previous one of its app (section 2 [1]).
    """

    apps: dict[str, App] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict, repr=False)
    is_open: bool = True
    is_newest_only: bool = False
    issued: int = 0

    def issue(self, request: Request, now: datetime) -> Answer:
        """Answer GET /oauth/v1/generate."""
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            # section 2 [2]
            return envelopes.error(400, "400.008.01", "Invalid Authentication passed")
        if request.query.get("grant_type") != ["client_credentials"]:
            # section 2 [2]
            return envelopes.error(400, "400.008.02", "Invalid grant type passed")
        key = self._authenticate(encoded)
        if key is None:
            return Answer(400)  # section 2 [2]: wrong key or secret, HTTP 400 with an empty body
        if self.is_newest_only:
            self.grants = {text: grant for text, grant in self.grants.items() if grant.key != key}
        token = new_token()
        self.grants[token] = Grant(key, now + timedelta(seconds=LIFETIME))
        self.issued += 1
        # expires_in is a string in most samples (section 2 [3+])
        return envelopes.json_answer({"access_token": token, "expires_in": str(LIFETIME)})

    def refuse(self, request: Request, route: Route, now: datetime) -> Answer | None:
        """The answer to a call whose token is not good for this route; None when it is."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return envelopes.refused_token("404.001.04")  # section 2 [2]: missing header
        grant = self.grants.get(token)
        if grant is None or grant.expires_at <= now:
            return envelopes.refused_token(route.dress)  # section 2 [2..3+]
        app = self.apps.get(grant.key)
        if app is None or route.product in app.products:
            return None
        if OTHER_VERSION.get(route.product) in app.products:
            return envelopes.endpoint_forbidden()  # section 9 [1]
        return envelopes.product_missing()  # section 1 [3+]

    def invalidate(self, key: str = "") -> int:
        """Forget the tokens of one app, or of all; how many there were."""
        kept = {text: grant for text, grant in self.grants.items() if key and grant.key != key}
        lost = len(self.grants) - len(kept)
        self.grants = kept
        return lost

    def _authenticate(self, encoded: str) -> str | None:
        try:
            key, colon, secret = b64decode(encoded, validate=True).decode().partition(":")
        except (Base64Error, UnicodeDecodeError):
            return None
        if not (key and colon and secret):
            return None
        app = self.apps.get(key)
        if app is None:
            return key if self.is_open else None
        if app.is_refused or not hmac.compare_digest(app.secret.encode(), secret.encode()):
            return None
        return key
