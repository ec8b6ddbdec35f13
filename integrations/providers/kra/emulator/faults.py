"""Faults of KRA's own, beside the transport faults that the sandbox does to any emulator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.providers.emulation import Answer, Call, Rejected, Surroundings
from integrations.providers.kra.emulator import envelopes
from integrations.providers.kra.emulator.refusals import TEXTS, Refusal
from integrations.providers.kra.emulator.routes import GATEWAY
from integrations.providers.kra.emulator.wire import dump, read

# Instead of the operation, or (`processed`) after it.
_INSTEAD = frozenset({"result_code", "wrapped_200"})
_TOKENS = frozenset({"expired_token"})
_EMPTY = frozenset({"empty_400"})
_SHAPES = frozenset({"string_counters", "spaced_keys"})
FAULT_KINDS = _INSTEAD | _TOKENS | _EMPTY | _SHAPES
_COUNTERS = frozenset({"curRcptNo", "totRcptNo", "rcptNo"})


def check_options(kind: str, options: Mapping[str, Any]) -> None:
    """Refuse options that could not be carried out later; raises Rejected."""
    if kind == "result_code" and options.get("code") not in TEXTS:
        raise Rejected(f"code: one of {', '.join(TEXTS)}.")
    if kind == "expired_token" and options.get("status", 401) not in (401, 500):
        raise Rejected("status: 401 or 500.")
    if not isinstance(options.get("message", ""), str):
        raise Rejected("message: text.")


def stop_token(surroundings: Surroundings, call: Call) -> Answer | None:
    """The answer to a token that has expired meanwhile (sections 2.2 [2] and 3)."""
    fault = surroundings.take_fault(_TOKENS, call)
    return None if fault is None else envelopes.expired_token(int(fault.options.get("status", 401)))


def stop_token_endpoint(surroundings: Surroundings, call: Call) -> Answer | None:
    """HTTP 400 with an empty body, as for wrong keys (section 3 [1 live])."""
    return None if surroundings.take_fault(_EMPTY, call) is None else Answer(400)


class Planned:
    """What is planned for one call: an answer instead, or another shape of the answer."""

    def __init__(self, surroundings: Surroundings, call: Call) -> None:
        self._instead = surroundings.take_fault(_INSTEAD, call)
        self._shape = surroundings.take_fault(_SHAPES, call)
        self.is_processed = self._instead is None or bool(self._instead.options.get("processed"))

    def answer(self, door: str, now: Any) -> Answer | None:
        """The answer that comes instead of the true one, if any."""
        fault = self._instead
        if fault is None:
            return None
        if fault.kind == "wrapped_200":
            # Section 2.2 [1]: a rejection inside an outer HTTP 200.
            text = str(fault.options.get("message", "Invalid request"))
            return envelopes.gateway(400, text, None, status=200)
        code = str(fault.options["code"])
        text = str(fault.options.get("message", ""))
        return envelopes.refusal(door, Refusal(code, text), now)

    def shape(self, door: str, answer: Answer) -> Answer:
        """The true answer in another shape (section 2 [2])."""
        if self._shape is None or not answer.body or "json" not in answer.content_type:
            return answer
        change = _as_strings if self._shape.kind == "string_counters" else _with_spaces
        body = read(answer.body)
        inner = body["responseBody"] if door == GATEWAY else body
        if isinstance(inner, dict) and inner.get("data") is not None:
            inner["data"] = change(inner["data"])
        return Answer(answer.status, dump(body))


def _as_strings(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: str(each) if name in _COUNTERS else _as_strings(each)
            for name, each in value.items()
        }
    return [_as_strings(each) for each in value] if isinstance(value, list) else value


def _with_spaces(value: Any) -> Any:
    if isinstance(value, dict):
        return {f"{name} ": _with_spaces(each) for name, each in value.items()}
    return [_with_spaces(each) for each in value] if isinstance(value, list) else value
