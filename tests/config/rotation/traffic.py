"""A process that reads and writes secrets all the while; run as `python -m` by the tests.

Reads the word "stop" from standard input to end, then prints JSON: how much it did and every
error that it met.
"""

from __future__ import annotations

import json
import os
import random
import select
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any


def read_config(seen: Counter[str], _dice: random.Random) -> None:
    config = Service.get_mpesa_config(decrypt_secrets=True)
    for name in ("consumer_key", "consumer_secret"):
        assert config[name] == f"the {name}", f"{name} reads {config[name]!r}"
    assert config["passkey"].startswith("passkey "), config["passkey"]
    seen["config"] += 1


def read_rows(seen: Counter[str], dice: random.Random) -> None:
    newest = Note.objects.order_by("-pk").values_list("pk", flat=True).first() or 1
    for note in Note.objects.filter(pk__gte=dice.randint(1, newest)).order_by("pk")[:20]:
        assert note.secret.reveal().startswith("note "), note.secret.reveal()
        seen["read"] += 1


def add_rows(seen: Counter[str], dice: random.Random) -> None:
    title = f"{os.getpid()}-{dice.randint(0, 10**9)}"
    note = Note.objects.create(title=title, secret=f"note {title}")
    _written[note.pk] = f"note {title}"
    seen["added"] += 1


def write_rows(seen: Counter[str], dice: random.Random) -> None:
    """Rows of this process's own, written again and again; what was written last must stay."""
    if not _written:
        return
    pk = dice.choice(list(_written))
    assert Note.objects.get(pk=pk).secret.reveal() == _written[pk], "a write was lost"
    text = f"note {dice.randint(0, 10**9)}"
    Note.objects.filter(pk=pk).update(secret=text)
    _written[pk] = text
    seen["written"] += 1


def save_settings(seen: Counter[str], dice: random.Random) -> None:
    row = MpesaSettings.objects.get()
    row.passkey = f"passkey {dice.randint(0, 10**9)}"
    row.save()
    seen["saved"] += 1


def save_held_rows(seen: Counter[str], dice: random.Random) -> None:
    """Rows that are read, held for a while, and saved as a whole: the key row among them."""
    if not _held:
        # Nobody writes these meanwhile: a held row would rightly be the last write.
        mine = Note.objects.filter(title__in=[str(dice.randint(0, 200)) for _ in range(5)])
        _held.extend([*mine, *AppSettings.objects.all()])
        _held_since[0] = time.monotonic()
    elif time.monotonic() - _held_since[0] > 1.0:
        for row in _held:
            row.save()
            seen["held"] += 1
        _held.clear()


_written: dict[int, str] = {}
_held: list[Any] = []
_held_since = [0.0]
ROLES: dict[str, list[Callable[[Counter[str], random.Random], None]]] = {
    "reader": [read_config, read_rows],
    "writer": [add_rows, write_rows, save_settings, save_held_rows, read_config],
}


def main(role: str) -> None:
    seen: Counter[str] = Counter()
    errors: list[str] = []
    dice = random.Random(os.getpid())
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0.01)[0]:
        for act in ROLES[role]:
            try:
                act(seen, dice)
            except Exception as error:
                errors.append(f"{act.__name__}: {type(error).__name__}: {error}")
    print(json.dumps({"seen": seen, "errors": errors[:20], "count": len(errors)}), flush=True)


if __name__ == "__main__":
    import django

    django.setup()
    from integrations.models import AppSettings, MpesaSettings
    from integrations.services import IntegrationConfigService as Service
    from tests.crypto.app.models import Note

    main(sys.argv[1])
