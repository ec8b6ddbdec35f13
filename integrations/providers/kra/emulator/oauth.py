"""The token endpoint, shared by gateway and GavaConnect, and the check of tokens (section 3)."""

from __future__ import annotations

import hmac
import secrets
import string
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from integrations.providers.emulation import Answer, Request
from integrations.providers.kra.emulator import envelopes

LIFETIME = 3599  # seconds (section 3 [3+])
EVERY_PRODUCT = "*"
ETIMS_PRODUCT = "etims_oscu"
_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class App:
    """An app of the developer portal: credentials are issued per product (section 1 [3+])."""

    key: str
    secret: str = field(repr=False)
    app_id: str
    products: frozenset[str]
    is_refused: bool = False

    def serves(self, product: str) -> bool:
        """Whether its tokens are good for this product."""
        return bool(self.products & {product, EVERY_PRODUCT})


@dataclass(frozen=True, slots=True)
class Grant:
    """A token that was issued: to whom, until when."""

    key: str
    expires_at: datetime


@dataclass(slots=True)
class TokenOffice:
    """Issues and checks tokens; only registered apps get any."""

    apps: dict[str, App] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict, repr=False)
    issued: int = 0

    def issue(self, request: Request, now: datetime, *, is_text: bool = True) -> Answer:
        """Answer GET /v1/token/generate?grant_type=client_credentials."""
        if request.method != "GET":
            return envelopes.plain(405, {"fault": {"faultstring": "Method Not Allowed"}})
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        if request.query.get("grant_type") != ["client_credentials"] or scheme.lower() != "basic":
            return envelopes.bad_client()  # section 3 [2]
        app = self._authenticate(encoded)
        if app is None:
            return Answer(400)  # section 3 [1 live]: HTTP 400 with an empty body
        token = "".join(secrets.choice(_ALPHABET) for _ in range(28))
        self.grants[token] = Grant(app.key, now + timedelta(seconds=LIFETIME))
        self.issued += 1
        # Section 3 [3+]: a text in the portal's words, a number in some replies.
        lifetime: Any = str(LIFETIME) if is_text else LIFETIME
        return envelopes.plain(200, {"access_token": token, "expires_in": lifetime})

    def admit(self, request: Request, product: str, now: datetime) -> App | Answer:
        """The app whose token the request carries; else the refusal."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        grant = self.grants.get(token) if scheme.lower() == "bearer" else None
        if grant is None:
            return envelopes.invalid_token()
        if grant.expires_at <= now:
            return envelopes.expired_token(401)
        app = self.apps.get(grant.key)
        if app is None or app.is_refused:
            return envelopes.invalid_token()
        return app if app.serves(product) else envelopes.wrong_product(product)

    def invalidate(self, key: str = "") -> int:
        """Forget the tokens of one app, or of all; how many there were."""
        kept = {text: grant for text, grant in self.grants.items() if key and grant.key != key}
        lost = len(self.grants) - len(kept)
        self.grants = kept
        return lost

    def _authenticate(self, encoded: str) -> App | None:
        try:
            key, _colon, secret = b64decode(encoded, validate=True).decode().partition(":")
        except (Base64Error, UnicodeDecodeError):
            return None
        app = self.apps.get(key)
        if app is None or app.is_refused:
            return None
        return app if hmac.compare_digest(app.secret.encode(), secret.encode()) else None
