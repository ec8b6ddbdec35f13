"""A WSGI application that uses everything while it is imported, as a host's own code may.

Under `gunicorn --preload` that is in the master, before the workers are forked. `/uses` uses
everything in the worker and tells what the servers call its connections.
"""

from __future__ import annotations

import json
from typing import Any

from bengoerp.wsgi import application as product
from tests.forking.uses import use_everything

MASTER = use_everything("master")


def application(environ: dict[str, Any], start_response: Any) -> Any:
    if environ["PATH_INFO"] != "/uses":
        return product(environ, start_response)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"master": MASTER, "worker": use_everything("worker")}).encode()]
