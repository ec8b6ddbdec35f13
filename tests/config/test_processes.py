"""Other processes: they see changes in time, and a fork inherits nothing that harms."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from integrations.models import MpesaSettings
from integrations.services import IntegrationConfigService as Service
from tests.config.conftest import VALUES, run_script
from tests.hunt.plants import planted
from tests.work.conftest import child_environment

pytestmark = pytest.mark.django_db(transaction=True)

WATCH = """
import time
import django
django.setup()
from integrations.services import IntegrationConfigService as Service

def code():
    return Service.get_mpesa_config()["short_code"]

print(code(), flush=True)
end = time.monotonic() + 20
while time.monotonic() < end:
    if code() == "600001":
        print(time.time(), flush=True)
        break
    time.sleep(0.005)
"""


def test_another_process_sees_a_change_within_the_interval(row):
    watcher = subprocess.Popen(
        [sys.executable, "-c", WATCH],
        env=child_environment(
            DJANGO_SETTINGS_MODULE="tests.settings", INTEGRATIONS_STAMP_SECONDS="0.5"
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert watcher.stdout is not None
        assert watcher.stdout.readline() == "600000\n", watcher.stderr and watcher.stderr.read()
        row.short_code = "600001"
        row.save()
        committed = time.time()
        seen = float(watcher.stdout.readline())
    finally:
        watcher.kill()
        watcher.communicate()
    assert seen - committed <= 0.5 + 0.2
    assert Service.get_mpesa_config()["short_code"] == "600001"


CHANGE = """
from integrations.models import AppSettings, MpesaSettings
import sys
row = MpesaSettings.objects.get()
row.short_code = "600001"
row.save()
AppSettings.objects.create(cypher_key=sys.argv[1])
row = MpesaSettings.objects.get()
row.passkey = "new-passkey"
row.save()
"""


def test_a_change_made_by_another_process_is_seen_here(row, pass_time):
    assert Service.get_mpesa_config()["passkey"] == VALUES["passkey"]
    run_script(CHANGE, planted("database key"))
    pass_time(1.1)
    config = Service.get_mpesa_config()
    assert (config["short_code"], config["passkey"]) == ("600001", "new-passkey")
    assert config["consumer_key"] == VALUES["consumer_key"]


FORK = """
import os
from django.db import connection
from integrations.config import clear_cache
from integrations.config.freshness import freshness
from integrations.crypto import keyring
from integrations.models import MpesaSettings
from integrations.services import IntegrationConfigService as Service
from tests.hunt.plants import planted

def passkey():
    return Service.get_mpesa_config()["passkey"]

def backend():
    if connection.vendor == "sqlite":
        return id(connection.connection)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]

def work(times):
    for _ in range(times):
        clear_cache()
        keyring.forget()
        assert passkey() == planted("passkey")
        assert MpesaSettings.objects.filter(consumer_key="").count() == 0

assert passkey() == planted("passkey")
parents = backend()
# The worst moment: other threads hold every lock.
held = [freshness._lock, keyring._lock]
for lock in held:
    lock.acquire()
child = os.fork()
if child == 0:
    code = 1
    try:
        assert passkey() == planted("passkey")
        work(30)
        assert backend() != parents
        row = MpesaSettings.objects.get()
        row.short_code = "600001"
        row.save()
        assert Service.get_mpesa_config()["short_code"] == "600001"
        code = 0
    finally:
        os._exit(code)
for lock in held:
    lock.release()
work(30)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0
assert backend() == parents
clear_cache()
assert Service.get_mpesa_config()["short_code"] == "600001"
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_parent_and_child_both_work_after_a_fork_at_the_worst_moment(row):
    assert run_script(FORK).endswith("done\n")
    assert MpesaSettings.objects.get().short_code == "600001"


AWAY = """
from integrations.exceptions import ConfigurationUnavailable
from integrations.services import IntegrationConfigService as Service
try:
    print(Service.get_mpesa_config())
except ConfigurationUnavailable as error:
    print("unavailable", error)
print(Service.test_mpesa_connection())
"""


@pytest.mark.parametrize(
    "url", ["postgres://postgres@127.0.0.1:1/nothing", "sqlite:////nowhere/at/all/db.sqlite3"]
)
def test_a_database_that_is_really_away_gives_no_sandbox(url):
    from pathlib import Path

    done = subprocess.run(
        [sys.executable, "-c", f"import django\ndjango.setup()\n{AWAY}"],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "bengoerp.settings",
            "DATABASE_URL": url,
            "MPESA_CONSUMER_KEY": "environment",
        },
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    assert lines[0].startswith("unavailable") and "database" in lines[0]
    assert lines[1].startswith("(False,")
    assert "safaricom" not in done.stdout
