"""What goes wrong at KRA, one at a time, at random."""

from __future__ import annotations

import random
from typing import Any

from tests.chaos.kra_installation import BRANCHES, PIN
from tests.sandbox.driver import SandboxDriver

SALE = {"operation": "save_sale"}
FIND = {"operation": "find_invoice"}
# Each hits the next call that fits.
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "lose_answer", **SALE},
    {"kind": "drop", **SALE},
    {"kind": "error_before", "status": 503, **SALE},
    {"kind": "error_after", "status": 502, **SALE},
    {"kind": "html", "processed": True, **SALE},
    {"kind": "empty", **SALE},
    # Longer than the client waits: taken, and too late to be told; or not taken until later.
    {"kind": "slow", "seconds": 2.2, **SALE},
    {"kind": "delay", "seconds": 2.2, **SALE},
    {"kind": "result_code", "code": "999", **SALE},
    {"kind": "result_code", "code": "999", "processed": True, **SALE},
    {"kind": "result_code", "code": "991", "processed": True, **SALE},
    {"kind": "string_counters", **SALE},
    {"kind": "spaced_keys", **SALE},
    {"kind": "lose_answer", **FIND},
    {"kind": "error_before", "status": 500, **FIND},
    {"kind": "spaced_keys", **FIND},
)
GATEWAY_FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "expired_token", "status": 401},
    {"kind": "expired_token", "status": 500},
    # Of one that may be in doubt, or be taken by a later try.
    {"kind": "wrapped_200", "message": "Refused at random", **SALE},
    # A refused pair holds its branch until somebody acts (`kra_verdict.type_keys_again`), as do
    # two expired tokens in a row.
    {"kind": "empty_400", "operation": "token"},
)


def plan_one(sandbox: SandboxDriver, dice: random.Random, branches: tuple[str, ...]) -> str:
    """Plan one fault of one branch; its kind."""
    branch = dice.choice(branches)
    is_gateway = BRANCHES[branch] == "oscu_gateway"
    fault = dict(dice.choice((*FAULTS, *(GATEWAY_FAULTS if is_gateway else ()))))
    if fault.get("operation") != "token":
        fault["phone"] = f"{PIN}/{branch}"
    sandbox.kra_fault(**fault)
    return str(fault["kind"])


def refuse_one(sandbox: SandboxDriver, branch: str) -> None:
    """Plan that KRA refuses the next request of a branch: its first copy, or a repetition."""
    sandbox.kra_fault("result_code", code="910", message="Refused", phone=f"{PIN}/{branch}", **SALE)
