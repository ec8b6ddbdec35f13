"""The result of an asynchronous product: the envelope of section 18, in any of its shapes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from integrations.providers.mpesa.callbacks.reading import decode_any, scalar

# Section 8's misspelling may come here too.
_ORIGINATOR = ("originatorconversationid", "originatorcoversationid")
_CONVERSATION = ("conversationid",)
_TRANSACTION = ("transactionid",)


@dataclass(frozen=True, slots=True)
class Result:
    """What M-Pesa told about one request, or that it waited too long in a queue.

    `code` is "" where none was told, which is no failure: ask. `transaction_id` is a
    placeholder unless the code is "0". `parameters` has the first value of each key (without
    the spaces that some recordings have in keys), `pairs` all of them in their order; an entry
    without a value is None. `reference` holds the ReferenceData.
    """

    code: str = ""
    text: str = ""
    originator_id: str = ""
    conversation_id: str = ""
    transaction_id: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    pairs: tuple[tuple[str, Any], ...] = ()
    reference: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_success(self) -> bool:
        """Whether the request was carried out; of a question, that it was answered."""
        return self.code == "0"

    def value(self, *names: str) -> Any:
        """The first value that is there under one of the names, whatever their case."""
        wanted = [_plain(name) for name in names]
        for name in wanted:
            for key, value in self.pairs:
                if _plain(key) == name and value is not None and value != "":
                    return value
        return None

    def values(self, name: str) -> list[Any]:
        """All values under a name, in their order: keys can repeat."""
        return [value for key, value in self.pairs if _plain(key) == _plain(name)]


def parse_result(body: bytes) -> Result:
    """The result that a body tells, in any of its shapes; `parse_timeout` reads the timeout URL's.

    Raises InvalidInput only where the body is no JSON. Ids are found in `Result` or beside it;
    what is not there is "".
    """
    outer = _lower(decode_any(body))
    inner = _lower(outer.get("result")) or outer
    pairs = tuple(_entries(inner.get("resultparameters"), "resultparameter"))
    reference = _first_values(_entries(inner.get("referencedata"), "referenceitem"))
    return Result(
        code=scalar(inner.get("resultcode"), 40),
        text=scalar(inner.get("resultdesc"), 300),
        originator_id=_found(_ORIGINATOR, inner, outer),
        conversation_id=_found(_CONVERSATION, inner, outer),
        transaction_id=_found(_TRANSACTION, inner, outer),
        parameters=MappingProxyType(_first_values(pairs)),
        pairs=pairs,
        reference=MappingProxyType(reference),
    )


def parse_timeout(body: bytes) -> Result:
    """What a body at the timeout URL tells: whose it is, and no code, whatever stands in it.

    Waiting too long in a queue is no outcome, so the transaction is to be asked about. Raises
    InvalidInput where the body is no JSON.
    """
    return replace(parse_result(body), code="", transaction_id="")


def _plain(name: str) -> str:
    return name.replace(" ", "").lower()


def _lower(value: object) -> dict[str, Any]:
    """An object with its keys in lower case and without spaces; {} for anything else."""
    if not isinstance(value, dict):
        return {}
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found.setdefault(_plain(str(key)), inner)
    return found


def _found(names: tuple[str, ...], *places: dict[str, Any]) -> str:
    texts = (scalar(place.get(name), 100) for place in places for name in names)
    return next((text for text in texts if text), "")


def _entries(holder: object, name: str) -> Iterator[tuple[str, Any]]:
    """(key, value) of a list of entries, or of the single entry that came without its list."""
    found = _lower(holder).get(name)
    for row in [found] if isinstance(found, dict) else found if isinstance(found, list) else []:
        entry = _lower(row)
        key = scalar(entry.get("key", entry.get("name")), 100)
        if key:
            yield key.replace(" ", ""), entry.get("value")


def _first_values(pairs: Any) -> dict[str, Any]:
    """The first value that is there of each key; None where it has none."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if found.get(key) is None:
            found[key] = value
    return found
