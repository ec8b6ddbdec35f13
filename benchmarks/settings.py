"""Settings of the benchmarks: the product's own, on a database that is thrown away.

DATABASE_URL and REDIS_URL of the environment choose the stack. What a production machine would
spend time on (fsync, redaction, JSON log lines) stays on.
"""

from __future__ import annotations

import os
import tempfile
from copy import deepcopy
from secrets import token_hex

from cryptography.fernet import Fernet

if "BENCH_FOLDER" not in os.environ:
    os.environ["BENCH_FOLDER"] = tempfile.mkdtemp(prefix="bengoerp-bench-")
FOLDER = os.environ["BENCH_FOLDER"]
os.environ["DJANGO_DEBUG"] = "0"
# Child processes inherit all of these: the same keys, the same database, the same prefix.
os.environ.setdefault("DJANGO_SECRET_KEY", token_hex(32))
os.environ.setdefault("BENCH_CYPHER_KEY", Fernet.generate_key().decode())
os.environ.setdefault("BENCH_NAME", f"bench_{os.getpid()}")
os.environ["INTEGRATIONS_REDIS_PREFIX"] = os.environ["BENCH_NAME"]
# Named even when empty, so that a .env file of the checkout has no say.
os.environ.setdefault("DATABASE_URL", f"sqlite:///{FOLDER}/bench.sqlite3")
os.environ.setdefault("REDIS_URL", "")
os.environ["TRUSTED_PROXIES"] = "127.0.0.1"

from benchmarks import peers  # noqa: E402
from benchmarks.peers import settings as peer_settings  # noqa: E402
from bengoerp.settings import *  # noqa: E402, F403
from bengoerp.settings import CACHES, DATABASES, INSTALLED_APPS  # noqa: E402

CACHES, DATABASES = deepcopy(CACHES), deepcopy(DATABASES)
CYPHER_KEY = os.environ["BENCH_CYPHER_KEY"]
CELERY_BROKER_URL = ""  # no ring may reach somebody's workers
PUBLIC_BASE_URL = "https://erp.example.ke"  # only written into requests, never called
ALLOWED_HOSTS = ["127.0.0.1"]
OUTBOUND_ALLOWED_HOSTS = [
    os.environ.get(name, "127.0.0.1:9") for name in ("BENCH_SANDBOX", "BENCH_RECEIVER")
]
# The default of ten calls a second would be what is measured.
INTEGRATIONS_RATE_LIMITS = {"mpesa": (1e6, 1e6)}

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": f"{FOLDER}/bench.sqlite3"}
else:
    DATABASES["default"]["TEST"] = {"NAME": os.environ["BENCH_NAME"]}

ROOT_URLCONF = "benchmarks.urls"
INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks"]
if peers.are_installed():
    peer_settings.add_to(globals())
