"""One leg of `statement.py` in a process of its own, so that its memory is its own."""

from __future__ import annotations

import csv
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Run the leg named by the first argument on the file named by the second."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
    import django

    django.setup()
    what, path = sys.argv[1:3]
    answer = _read(Path(path)) if what == "read" else _compare(Path(path))
    # Kilobytes on Linux.
    answer["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(answer), flush=True)


def _read(path: Path) -> dict[str, Any]:
    """The floor: every line of the file and every row of the table, looked at once."""
    from integrations.models import Payment

    started, seen = time.perf_counter(), 0
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            seen += len(row)
    columns = ("id", "receipt", "amount", "state", "paid_at")
    for payment in Payment.objects.values_list(*columns).iterator(chunk_size=2000):
        seen += len(payment)
    return {"seconds": time.perf_counter() - started, "seen": seen}


def _compare(path: Path) -> dict[str, Any]:
    from integrations.payments.statements.compare import compare_now
    from integrations.payments.statements.start import import_file

    started = time.perf_counter()
    with path.open("rb") as file:
        run = import_file(file, name=path.name).run
    imported = time.perf_counter() - started
    compare_now(run)
    totals = {name: value["count"] for name, value in run.totals.items() if name != "charges"}
    return {
        "seconds": time.perf_counter() - started,
        "imported": imported,
        "lines": run.lines,
        "cpu": time.process_time(),
        "totals": totals,
    }


if __name__ == "__main__":
    main()
