"""`python -m benchmarks`: every script on one stage, one table; `make bench` runs this.

Exit code 0 whatever the figures say; anything else means that a script broke.
"""

from __future__ import annotations

from benchmarks import config_read, stk_push, work_queue
from benchmarks.figures import Figure, print_table
from benchmarks.stage import describe_stack, has_redis, stage

SCRIPTS = (config_read, stk_push, work_queue)


def main() -> None:
    """Run all and print the table."""
    figures: list[Figure] = []
    with stage():
        describe_stack()
        for script in SCRIPTS:
            print(f"running {script.__name__} ...", flush=True)
            figures += script.measure()
        is_whole = has_redis()
    print()
    print_table(figures)
    short = [figure.name for figure in figures if figure.is_met is False]
    print(f"\n{len(short)} figure(s) short of the bound{': ' + '; '.join(short) if short else '.'}")
    if not is_whole:
        print("Without REDIS_URL the comparison with a Redis GET was left out.")


if __name__ == "__main__":
    main()
