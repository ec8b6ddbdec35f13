"""Access tokens of KRA's developer portal, one for each pair of key and secret.

Source: eTIMS reference, section 3: GET with Basic authentication; a wrong pair is refused with
HTTP 400 and nothing in it.
"""

from __future__ import annotations

import base64
import hashlib

from integrations.config import Snapshot
from integrations.exceptions import ConfigurationError, ProviderError
from integrations.outbound import Call, Client, Limits
from integrations.providers.kra.client.envelopes import is_throttled
from integrations.providers.kra.client.errors import keys_refused
from integrations.providers.kra.client.wire import clean_keys, read_amount, read_text

TOKEN_LIMITS = Limits(connect=5.0, read=20.0, total=25.0)
_USUAL_SECONDS = 3599.0


def credential_of(*secrets: str) -> str:
    """A digest that names a set of secrets without telling them."""
    return hashlib.sha256("\x1f".join(secrets).encode()).hexdigest()[:32]


def fetch_token(
    config: Snapshot,
    door: Client,
    client_id: str,
    client_secret: str,
    deadline: float | None,
    *,
    path: str = "",
) -> tuple[str, float]:
    """(token, lifetime in seconds) for one pair; `deadline` is monotonic, `path` as `token_url`'s.

    Raises ConfigurationError for an empty pair, ProviderError with code "bad_credentials" for a
    wrong one, TransportError.
    """
    if not client_id or not client_secret:
        raise ConfigurationError(
            "Enter the client id and the client secret of the app first.", code="not_configured"
        )
    pair = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
    call = Call(
        operation="token",
        method="GET",
        url=token_url(config, path),
        headers={"Authorization": f"Basic {pair}"},
        idempotent=True,
        limits=TOKEN_LIMITS,
        deadline=deadline,
    )
    response = door.send(call, throttled=is_throttled)
    if response.status in (400, 401, 403):
        raise keys_refused(
            "KRA refused the client id and secret: check both, and that they belong to the "
            f"{config.environment} environment."
        )
    if response.status == 404:
        raise ProviderError(
            "KRA gives no tokens at this address: check the GavaConnect host and the token path.",
            code="404",
            permanent=True,
        )
    return _read(response.status, clean_keys(response.json()))


def token_url(config: Snapshot, path: str = "") -> str:
    """Where tokens are had: on the row's GavaConnect host, at `path` or the row's token path."""
    base = str(config.values["gavaconnect_url"]).rstrip("/")
    path = path or str(config.values["token_path"] or "").strip() or "/v1/token/generate"
    question = "" if "?" in path else "?grant_type=client_credentials"
    return f"{base}/{path.lstrip('/')}{question}"


def _read(status: int, answer: dict[str, object]) -> tuple[str, float]:
    token = str(answer.get("access_token") or "").strip()
    if status != 200 or not token:
        raise ProviderError(
            "KRA gave no access token; its service may be down.",
            code=read_text(answer.get("errorCode"), 40) or str(status),
            permanent=False,
        )
    # Text in the portal's words, a number in some replies.
    lifetime = read_amount(answer.get("expires_in"))
    return token, max(float(lifetime), 1.0) if lifetime is not None else _USUAL_SECONDS
