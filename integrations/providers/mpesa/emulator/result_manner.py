"""How the result of an order departs from the plain single delivery (sections 18, 20 and 21)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.providers.emulation import Call, Fault, Rejected
from integrations.providers.mpesa.emulator import callbacks
from integrations.providers.mpesa.emulator.callbacks import Manner

# The shapes that section 18 lists, by option; the first is the usual one.
SHAPES: dict[str, tuple[str, ...]] = {
    "parameters": ("usual", "list", "single", "missing", "empty"),
    "reference": ("object", "list", "missing"),
    "code": ("number", "string"),
    "result_type": ("number", "string"),
    "transaction_id": ("usual", "placeholder", "empty", "missing"),
    "dates": ("number", "string"),
    "amounts": ("number", "string"),
}
TIMEOUT_FORMS = ("result", "zero", "flat")


@dataclass(slots=True)
class ResultManner(Manner):
    """The manner of one order's result."""

    delay_seconds: float = 0.0
    timeout_form: str = ""
    then_result: float | None = None
    is_processed: bool = True
    first_code: str = "17"
    conversation_id: str = ""
    shape: Mapping[str, Any] | None = None

    def option(self, name: str) -> str:
        """The chosen shape of a part, or the usual one."""
        chosen: str = (self.shape or {}).get(name, SHAPES[name][0])
        return chosen


def _late(manner: ResultManner, options: Mapping[str, Any]) -> None:
    manner.delay_seconds = float(options.get("seconds", 60))


def _time_out(manner: ResultManner, options: Mapping[str, Any]) -> None:
    manner.timeout_form = str(options.get("form", "result"))
    manner.is_processed = bool(options.get("processed", True))
    seconds = options.get("then_result")
    manner.then_result = None if seconds is None else float(seconds)


def _shape(manner: ResultManner, options: Mapping[str, Any]) -> None:
    manner.shape = dict(options)


def _unknown(manner: ResultManner, options: Mapping[str, Any]) -> None:
    manner.conversation_id = str(options.get("id", "AG_20260101_00000000000000000000"))


def _late_success(manner: ResultManner, options: Mapping[str, Any]) -> None:
    manner.late_seconds = float(options.get("seconds", 30))
    manner.first_code = str(options.get("code", "17"))


OWN_FAULTS: dict[str, Callable[[ResultManner, Mapping[str, Any]], None]] = {
    "late_callback": _late,
    "timeout_delivery": _time_out,
    "result_shape": _shape,
    "unknown_conversation_id": _unknown,
}
_ALL: dict[str, Callable[[Any, Mapping[str, Any]], None]] = {
    **callbacks.FAULTS,
    **OWN_FAULTS,
    "late_success": _late_success,
}


def choose_result_manner(
    take_fault: Callable[[frozenset[str], Call], Fault | None], *calls: Call
) -> ResultManner:
    """Use up the planned faults that match any of the calls, one of each kind."""
    manner = ResultManner()
    for kind, apply in _ALL.items():
        found = (take_fault(frozenset({kind}), call) for call in calls)
        fault = next((each for each in found if each is not None), None)
        if fault is not None:
            apply(manner, fault.options)
    return manner


def check_options(kind: str, options: Mapping[str, Any]) -> None:
    """Refuse options that could not be carried out later; raises Rejected."""
    manner = ResultManner()
    try:
        OWN_FAULTS[kind](manner, options)
    except (TypeError, ValueError):
        raise Rejected(f"{kind}: an option is not a number.") from None
    if kind == "timeout_delivery" and manner.timeout_form not in TIMEOUT_FORMS:
        raise Rejected(f"form: one of {', '.join(TIMEOUT_FORMS)}.")
    for name, value in (manner.shape or {}).items():
        if name in SHAPES and value not in SHAPES[name]:
            raise Rejected(f"{name}: one of {', '.join(SHAPES[name])}.")
