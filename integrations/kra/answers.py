"""The documented 2-tuples of `KRAService`: `(True, data)` or `(False, message)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from integrations.exceptions import IntegrationError, InvalidInput

Answer = tuple[bool, Any]


class KRAMessage(str):
    """A failure's sentence for people; a plain text, with more for programs.

    `code` is a stable word or the provider's own code, `field` the input that is wrong ("" where
    none is), `help` where cause and cure are written, `data` what is known of a stored document.
    """

    __slots__ = ("code", "data", "field", "help")

    code: str
    field: str
    help: str
    data: Mapping[str, Any]

    def __new__(
        cls,
        text: str,
        *,
        code: str = "",
        field: str = "",
        help: str = "",  # noqa: A002 - the documented word of the other answers
        data: Mapping[str, Any] | None = None,
    ) -> KRAMessage:
        """A text with what belongs to it."""
        made = super().__new__(cls, text)
        made.code, made.field, made.help, made.data = code, field, help, data or {}
        return made


def answer(act: Callable[[], Any]) -> Answer:
    """`(True, what act returns)`, or `(False, KRAMessage)` where it raises IntegrationError.

    Any other error is a fault, and is raised.
    """
    try:
        return True, act()
    except IntegrationError as error:
        return False, message_of(error)


def message_of(error: IntegrationError, data: Mapping[str, Any] | None = None) -> KRAMessage:
    """An error as the second half of a failed answer."""
    field = error.field if isinstance(error, InvalidInput) else ""
    text = error.message
    return KRAMessage(text, code=error.code, field=field, help=error.help_url, data=data)
