"""`python -m benchmarks`: every script on one stage, one table; `make bench` runs this.

Exit code 0 whatever the figures say; anything else means that a script broke.
"""

from __future__ import annotations

import time

from benchmarks import (
    admin_lists,
    backlog,
    callbacks,
    config_peers,
    config_read,
    health,
    kra_backlog,
    kra_branches,
    kra_build,
    payout_file,
    rotation,
    startup,
    statement,
    stk_peers,
    stk_push,
    webhook_drain,
    webhook_fairness,
    webhook_memory,
    webhook_pending,
    work_queue,
)
from benchmarks.figures import Figure, print_table
from benchmarks.stage import describe_stack, stage

SCRIPTS = (
    config_read,
    config_peers,
    stk_push,
    stk_peers,
    callbacks,
    work_queue,
    backlog,
    webhook_drain,
    webhook_pending,
    webhook_memory,
    webhook_fairness,
    health,
    kra_backlog,
    kra_branches,
    kra_build,
    payout_file,
    rotation,
    statement,
    admin_lists,
    startup,
)


def main() -> None:
    """Run all and print the table."""
    figures: list[Figure] = []
    begin = time.monotonic()
    with stage():
        describe_stack()
        for script in SCRIPTS:
            print(f"{time.monotonic() - begin:4.0f} s  running {script.__name__} ...", flush=True)
            figures += script.measure()
    print()
    print_table(figures)
    print()
    _tell("short of the bound", [figure.name for figure in figures if figure.is_met is False])
    _tell("left out", [f"{item.name} ({item.measured})" for item in figures if item.is_left_out])
    print(f"{time.monotonic() - begin:.0f} s in all.")


def _tell(what: str, names: list[str]) -> None:
    print(f"{len(names)} figure(s) {what}{': ' + '; '.join(names) if names else '.'}")


if __name__ == "__main__":
    main()
