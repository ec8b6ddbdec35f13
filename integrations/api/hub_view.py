"""The base of every view: who may call, what may be sent, the shape of errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from integrations.api import serializers
from integrations.api.authentication import authentication_classes
from integrations.api.bodies import MAX_BODY_BYTES, BoundedJSONParser, check_size
from integrations.api.errors import exception_handler
from integrations.api.idempotency import read_key, refuse_key
from integrations.api.rights import HasRight, Right
from integrations.api.throttles import CostlyThrottle
from integrations.models import ApiToken, act_as, acting

_Row = TypeVar("_Row", bound=Model)
# Digits of the greatest id.
ID_DIGITS = 18
# Characters of a query parameter's value: those of the longest key; a cursor is ours and longer.
LONGEST_PARAMETER, LONGEST_CURSOR = 64, 128
REFUSALS: dict[int, Any] = dict.fromkeys((400, 401, 403, 429, 500), serializers.ErrorSerializer)
# What further a request with a body may meet.
BODY_REFUSALS: dict[int, Any] = {
    **REFUSALS,
    **dict.fromkeys((413, 415), serializers.ErrorSerializer),
}


class HubView(GenericAPIView[Any]):
    """Callers with the right for the method only, and our error shape, whatever the host
    project's defaults are. A token's calls are recorded under its user and its name."""

    authentication_classes = authentication_classes()
    permission_classes = [HasRight]
    parser_classes = [BoundedJSONParser]
    renderer_classes = [JSONRenderer]
    # OPTIONS would tell of fields and their choices; the schema does that.
    metadata_class: Any = None
    http_method_names = ["get", "post", "put", "patch", "delete", "head"]
    pagination_class: Any = None
    filter_backends: Any = ()
    # The largest body, in bytes; only views that take files have another one.
    max_body_bytes: ClassVar[int] = MAX_BODY_BYTES
    # By method; see `Right`.
    rights: ClassVar[Mapping[str, Right]] = {}
    # The methods that honour an Idempotency-Key. With other writes it is refused, never ignored.
    keyed: ClassVar[frozenset[str]] = frozenset()
    # Limits of this view beside those of the project.
    costly: ClassVar[tuple[type[CostlyThrottle], ...]] = ()

    def get_throttles(self) -> list[BaseThrottle]:
        """The project's, and those of this view."""
        # A method that is not there is refused, which costs nothing.
        costly = self.costly if self.request.method in self.rights else ()
        return [*super().get_throttles(), *(throttle() for throttle in costly)]

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response]:
        """The handler of this package."""
        return exception_handler

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """DRF's, with an actor that ends with the request."""
        with acting(getattr(request, "user", None)):
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """DRF's checks, before them the size; after them what every view refuses, and the actor
        of what is recorded."""
        check_size(request.META.get("CONTENT_LENGTH"), self.max_body_bytes)
        super().initial(request, *args, **kwargs)
        refuse_unreadable(request)
        if request.method in self.keyed:
            read_key(request)  # one that can't be used is told of before anything else
        else:
            refuse_key(request)
        token = request.auth
        act_as(request.user, through=f"API token {token}" if isinstance(token, ApiToken) else "")


def refuse_unknown(request: Request, *known: str) -> None:
    """Raises ValidationError for query parameters that the view does not know.

    A filter with a typing error would otherwise answer with everything.
    """
    unknown = sorted(set(request.query_params) - set(known))[:20]
    if unknown:
        raise ValidationError(
            {name[:64]: ["There is no such parameter."] for name in unknown}, code="unknown_field"
        )


def refuse_unreadable(request: Request) -> None:
    """Raises ValidationError for parameters with characters that nobody sees or no database
    stores, and for those that are longer than anything stored."""
    faults: dict[str, list[str]] = {}
    for name, values in request.query_params.lists():
        limit = LONGEST_CURSOR if name == "cursor" else LONGEST_PARAMETER
        if not all(text.isprintable() for text in [name, *values]):
            faults[name[:64]] = ["Must hold printable characters only."]
        elif any(len(text) > limit for text in values):
            faults[name[:64]] = [f"Must have at most {limit} characters."]
    if faults:
        raise ValidationError(dict(list(faults.items())[:20]), code="invalid")


def find_by_number(rows: QuerySet[_Row], text: str, missing: str) -> _Row:
    """The row with this id; raises Http404, in the words of `missing`, for any other text."""
    is_id = text.isascii() and text.isdigit() and len(text) <= ID_DIGITS
    found = rows.filter(pk=int(text)).first() if is_id else None
    if found is None:
        raise Http404(missing)
    return found


def find_by_uuid(rows: QuerySet[_Row], text: str, missing: str) -> _Row:
    """The row with this public id; raises Http404, in the words of `missing`, for other text."""
    try:
        wanted = UUID(text)
    except ValueError:
        raise Http404(missing) from None
    found = rows.filter(public_id=wanted).first()
    if found is None:
        raise Http404(missing)
    return found
