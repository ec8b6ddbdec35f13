"""What a caller needs for each method of a view: a token's scope and a Django permission."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rest_framework.exceptions import APIException
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from integrations.access import request_scope
from integrations.models import ApiToken, TokenScope

NO_BUSINESS = "This caller may see no business: grant one to the user, or change the token."


@dataclass(frozen=True, slots=True)
class Right:
    """What one method asks of its caller.

    `scope` counts for tokens. `permission` ("integrations.view_payment", "" for none) counts for
    everybody, and so does `staff`: a token never may what its user may not.
    """

    scope: TokenScope
    permission: str = ""
    staff: bool = False

    def refusal(self, request: Request) -> str:
        """Why the caller may not, "" where it may."""
        user: Any = request.user
        token = request.auth if isinstance(request.auth, ApiToken) else None
        if token is not None and self.scope not in token.scopes:
            return f"This API token lacks the scope {self.scope.value}."
        if self.staff and not user.is_staff:
            return "Only staff may do this."
        if self.permission and not user.has_perm(self.permission):
            return f"The user lacks the permission {self.permission}."
        return ""


class HasRight(BasePermission):
    """Lets a caller through who has the view's `rights` for the method.

    A method without a right is refused: nothing is open because it was forgotten.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the caller may; `message` tells why not."""
        if not request.user or not request.user.is_authenticated:
            return False
        method = "GET" if request.method == "HEAD" else str(request.method)
        if method.lower() not in view.http_method_names or not hasattr(view, method.lower()):
            return True  # The view answers 405.
        rights: Mapping[str, Right] = view.rights
        right = rights.get(method)
        self.message = right.refusal(request) if right else "Nobody may do this."
        if not self.message and not has_any_business(request):
            self.message = NO_BUSINESS
        return not self.message


def has_any_business(request: Request) -> bool:
    """Whether the caller's scope holds anything at all."""
    scope = request_scope(request)
    return scope.is_all or bool(scope.businesses)


class BusinessRefused(APIException):
    """403 for a business outside the caller's scope, the same whether or not it exists."""

    status_code = 403
    default_detail = "business: this caller may not work on this business."
    default_code = "business_not_allowed"
    field = "business"


def require_business(request: Request, business: str) -> None:
    """Raises BusinessRefused for a business that is not the caller's."""
    if not request_scope(request).allows(business):
        raise BusinessRefused


def choose_business(request: Request, wanted: str | None) -> str:
    """The business that a question is about.

    Without `wanted` the installation, or the caller's only business where the installation is
    not the caller's. Raises BusinessRefused.
    """
    scope = request_scope(request)
    if wanted is None and not scope.allows("") and len(scope.businesses) == 1:
        return next(iter(scope.businesses))
    business = wanted or ""
    require_business(request, business)
    return business
