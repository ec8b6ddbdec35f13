"""Key rotation: secrets put under a new key per second, beside bare Fernet."""

from __future__ import annotations

import time
from statistics import median

from cryptography.fernet import Fernet

from benchmarks.figures import Figure, at_least, beside, interleave, median_ratio, shown
from benchmarks.stage import run_alone

SECRETS = 20_000
ROUNDS = 7
BATCH = 500
# A callback body is the bulk of what is stored.
TEXT = "x" * 700


def measure() -> list[Figure]:
    """All figures of this script, on the present stage."""
    from integrations.models import InboundCallback

    InboundCallback.objects.all().delete()
    for _ in range(SECRETS // 1000):
        InboundCallback.objects.bulk_create(
            [InboundCallback(route="bench", body=TEXT) for _ in range(1000)]
        )
    whole, bare = interleave(ROUNDS, _rotate, _bare)
    InboundCallback.objects.all().delete()
    return [
        at_least("key rotation, re-encryption", median(whole), "secrets/s", 5_000),
        beside(
            "  the same beside Fernet alone",
            median(whole),
            "secrets/s",
            f"decrypt + encrypt {median(bare):,.0f}/s",
            median_ratio(whole, bare),
        ),
        shown("  texts", f"{SECRETS:,} of {len(TEXT)} characters, {BATCH} a statement"),
    ]


def _rotate() -> float:
    """One pass to a new first key through the product's own batches."""
    from django.conf import settings

    from integrations.crypto.reencrypt import Column, Keys, reencrypt_batch
    from integrations.models import InboundCallback

    column = Column(InboundCallback, InboundCallback._meta.get_field("body"))
    old = _known[-1] if _known else settings.CYPHER_KEY
    _known.append(Fernet.generate_key().decode())
    keys, after, changed = Keys([_known[-1], old]), None, 0
    started = time.perf_counter()
    while True:
        batch = reencrypt_batch(column, keys, after, BATCH)
        changed += batch.changed
        if batch.last is None:
            break
        after = batch.last
    seconds = time.perf_counter() - started
    if changed != SECRETS:
        raise RuntimeError(f"{changed} secrets were re-encrypted instead of {SECRETS}.")
    return SECRETS / seconds


_known: list[str] = []


def _bare() -> float:
    old, new = Fernet(Fernet.generate_key()), Fernet(Fernet.generate_key())
    tokens = [old.encrypt(TEXT.encode()) for _ in range(1000)]
    started = time.perf_counter()
    for token in tokens:
        new.encrypt(old.decrypt(token))
    return len(tokens) / (time.perf_counter() - started)


if __name__ == "__main__":
    run_alone(measure)
