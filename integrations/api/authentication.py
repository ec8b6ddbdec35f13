"""Callers with an API token: `Authorization: Bearer bit_…`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import (
    BaseAuthentication,
    BasicAuthentication,
    SessionAuthentication,
    get_authorization_header,
)
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.settings import api_settings

from integrations.models import ApiToken
from integrations.models.access import TOKEN_MARK

UNKNOWN = "There is no such API token."
MALFORMED = "The Authorization header must be: Bearer, a space, and an API token of this product."


class TokenAuthentication(BaseAuthentication):
    """Finds the token of the header; `request.user` is its user, `request.auth` the token.

    Raises AuthenticationFailed with the reason for a token that opens nothing. Bearer tokens of
    another kind are left to the host project's own classes, where it has any.
    """

    def authenticate(self, request: Request) -> tuple[Any, ApiToken] | None:
        """The token's user and the token, or None for a request without a bearer token."""
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"bearer":
            return None
        text = parts[1].decode("latin-1") if len(parts) == 2 else ""
        if not text.startswith(TOKEN_MARK):
            if host_reads_bearer_tokens():
                return None
            raise AuthenticationFailed(MALFORMED)
        token = ApiToken.find(text)
        if token is None:
            raise AuthenticationFailed(UNKNOWN)
        refusal = token.refusal()
        if refusal:
            raise AuthenticationFailed(refusal)
        token.note_use()
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """The challenge of a 401."""
        return 'Bearer realm="integrations"'


def host_reads_bearer_tokens() -> bool:
    """Whether the project has authentication classes that may know other bearer tokens."""
    own = (SessionAuthentication, BasicAuthentication, TokenAuthentication)
    return any(not issubclass(each, own) for each in _of_project())


def authentication_classes() -> list[type[BaseAuthentication]]:
    """Ours, then the project's own (a session, unless it says otherwise)."""
    return [TokenAuthentication, *(each for each in _of_project() if each != TokenAuthentication)]


def _of_project() -> list[type[BaseAuthentication]]:
    # DRF has imported the classes that its settings name.
    classes: Any = api_settings.DEFAULT_AUTHENTICATION_CLASSES
    return list(classes)


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the schema tells of API tokens."""

    target_class = TokenAuthentication
    name = "apiToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """An HTTP bearer scheme."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An API token, made in the admin. It acts as its user, within its "
            "scopes and its business.",
        }
