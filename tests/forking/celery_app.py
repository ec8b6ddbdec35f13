"""The project's Celery app, whose main process uses everything before its pool is forked."""

from __future__ import annotations

from typing import Any

from celery.signals import worker_init

from bengoerp.celery import app

app.conf.worker_redirect_stdouts = False


@worker_init.connect
def use_in_the_main_process(**_: Any) -> None:
    from tests.forking import uses

    uses.say({**uses.use_everything("main"), "phase": "main"})


@app.task(name="tests.forking.use")
def use(number: int) -> None:
    """Use everything in a process of the pool."""
    from tests.forking import uses

    uses.say({**uses.use_everything("pool"), "phase": "pool", "number": number})


if __name__ == "__main__":
    for count in range(8):
        use.delay(count)
