"""Request bodies: JSON, of a bounded size, without fields that nobody knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any, TypeVar

from django.conf import settings
from rest_framework import serializers
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser

MAX_BODY_BYTES = 1024 * 1024
_T = TypeVar("_T")


class BodyTooLarge(APIException):
    """413."""

    status_code = 413
    default_detail = f"The body is larger than {MAX_BODY_BYTES} bytes."
    default_code = "body_too_large"


def too_large(limit: int) -> BodyTooLarge:
    """The error for a view that takes at most `limit` bytes."""
    return BodyTooLarge(f"The body is larger than {limit} bytes.")


def check_size(declared: Any, limit: int = MAX_BODY_BYTES) -> None:
    """Raises BodyTooLarge by the Content-Length, before anything is read."""
    text = str(declared or "")
    if text.isascii() and text.isdigit() and int(text[:12]) > limit:
        raise too_large(limit)


class BoundedJSONParser(JSONParser):
    """Strict JSON of at most the view's bytes; each name once in an object."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The decoded body; raises ParseError and BodyTooLarge."""
        view = (parser_context or {}).get("view")
        limit: int = getattr(view, "max_body_bytes", MAX_BODY_BYTES)
        raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise too_large(limit)
        encoding = (parser_context or {}).get("encoding", settings.DEFAULT_CHARSET)
        try:
            return json.loads(
                raw.decode(encoding),
                object_pairs_hook=_without_repeats,
                parse_constant=_refuse_constant,
            )
        except RecursionError:
            raise ParseError("JSON parse error: nested too deeply.") from None
        except LookupError:
            raise ParseError("The charset is not known.") from None
        except ValueError as error:
            # A decoder's text may quote the body, and that may hold a secret.
            place = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
            told = str(error) if isinstance(error, RefusedJSON) else "this is not JSON"
            raise ParseError(f"JSON parse error: {told}{place}.") from None


class RefusedJSON(ValueError):
    """JSON that is well formed and means nothing certain; its text is safe to show."""


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RefusedJSON("a name stands twice in one object")
    return found


def _refuse_constant(_name: str) -> Any:
    raise RefusedJSON("numbers must be finite")


class StrictSerializer(serializers.Serializer[_T]):
    """Refuses what it does not know, by name: a typing error must not pass for an omission.

    Fields that are only shown may be sent back as they were read, and are ignored.
    """

    def to_internal_value(self, data: Any) -> Any:
        """As ever, after a look at the names."""
        if isinstance(data, Mapping):
            unknown = sorted(str(name) for name in set(data) - set(self.fields))
            if unknown:
                raise serializers.ValidationError(
                    {name[:64]: ["There is no such field."] for name in unknown[:20]},
                    code="unknown_field",
                )
        return super().to_internal_value(data)
