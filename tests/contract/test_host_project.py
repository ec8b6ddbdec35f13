"""A host ERP's own Django project, which knows nothing of bengoerp/settings.py, uses the hub."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.processes import ROOT

# Its processes have an installation of their own: a second stack would show nothing new.
pytestmark = pytest.mark.stackless

Run = Callable[..., str]
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")
SETUP = "import django; django.setup()\n"


@pytest.fixture
def host(tmp_path: Path) -> Run:
    """Run `python ...` in the host project; its output. None of our variables are handed on."""
    bare = {name: os.environ[name] for name in KEPT if name in os.environ}
    bare |= {
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
        "DJANGO_SETTINGS_MODULE": "tests.contract.host_settings",
        "HOST_DATABASE": str(tmp_path / "host.sqlite3"),
        "CYPHER_KEY": Fernet.generate_key().decode(),
    }

    def run(*arguments: str, fails: bool = False, **variables: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            env={**bare, **variables},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode != 0) is fails, done.stderr[-3000:]
        return done.stderr if fails else done.stdout

    return run


def manage(host: Run, *arguments: str, **options: str) -> str:
    return host("-m", "django", *arguments, **options)


@pytest.fixture
def migrated(host: Run) -> Run:
    manage(host, "migrate", "--run-syncdb", "--verbosity=0")
    return host


def test_a_host_that_defines_nothing_passes_its_checks(host: Run) -> None:
    address = {"PUBLIC_BASE_URL": "https://erp.example.co.ke"}
    assert "no issues" in manage(host, "check", **address)
    manage(host, "migrate", "--run-syncdb", "--verbosity=0")
    assert "no issues" in manage(host, "check", "--database=default", **address)


def test_the_host_is_told_of_a_variable_that_can_not_be_used(host: Run) -> None:
    told = host("-m", "django", "check", fails=True, INTEGRATIONS_RETENTION_DAYS="ninety-nine")
    assert "integrations.E002" in told and "INTEGRATIONS_RETENTION_DAYS" in told
    assert "ninety-nine" not in told


def test_the_worker_of_the_host_works_until_nothing_is_due(migrated: Run) -> None:
    assert "payments" in manage(migrated, "worker", "--once")


def test_the_documented_paths_work_in_the_host(migrated: Run) -> None:
    script = """
from integrations.services import IntegrationConfigService
from integrations.payments.mpesa_payment import MpesaPaymentService
from integrations.utils import Crypto
config = IntegrationConfigService.get_mpesa_config()
assert config["short_code"] == "174379", config
token = Crypto("hush", "encrypt").encrypt()
import os
from cryptography.fernet import Fernet
assert Fernet(os.environ["CYPHER_KEY"]).decrypt(token.encode()) == b"hush"
assert Crypto(token, "decrypt").decrypt() == "hush"
print(MpesaPaymentService.initiate_stk_push("0712345678", 1000, "INV001", "Invoice 1"))
"""
    answer = migrated("-c", SETUP + script)
    # Refused in words, for want of keys; not by an error.
    assert answer.startswith("(False, ") and "M-Pesa" in answer


def test_health_and_callbacks_answer_below_the_prefix_of_the_host(migrated: Run) -> None:
    script = """
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
health = reverse("integrations:integration-health")
assert health == "/erp/hub/health/", health
client = Client()
assert client.get(health).status_code in (401, 403)
client.force_login(User.objects.create_user("clerk"))
answer = client.get(health)
assert answer.status_code == 200 and "mpesa" in str(answer.json()).lower(), answer.content
callback = reverse("integrations:callback", args=["stk", "x" * 32])
assert callback.startswith("/erp/hub/cb/stk/"), callback
print(client.post(callback, "{}", content_type="application/json").status_code)
print(client.post(callback, "{" + " " * 200000, content_type="application/json").status_code)
"""
    assert migrated("-c", SETUP + script).split() == ["401", "413"]


def test_a_new_key_in_the_model_of_the_host_is_used_at_once(migrated: Run) -> None:
    script = """
from cryptography.fernet import Fernet
from integrations.utils import Crypto
from tests.crypto.app.models import HostSettings
old, new = (Fernet.generate_key().decode() for _ in range(2))
row = HostSettings.objects.create(cypher_key=old)
assert Fernet(old).decrypt(Crypto("hush", "encrypt").encrypt().encode()) == b"hush"
row.cypher_key = new
row.save()
assert Fernet(new).decrypt(Crypto("hush", "encrypt").encrypt().encode()) == b"hush"
row.delete()
Fernet(__import__("os").environ["CYPHER_KEY"]).decrypt(Crypto("x", "encrypt").encrypt().encode())
print("done")
"""
    model = {
        "INTEGRATIONS_APP_SETTINGS_MODEL": "host.HostSettings",
        "INTEGRATIONS_STAMP_SECONDS": "3600",
    }
    assert migrated("-c", SETUP + script, **model).strip() == "done"


def test_the_key_of_the_host_may_be_saved_before_our_tables_exist(host: Run) -> None:
    script = """
from django.db import connection, transaction
from tests.crypto.app.models import HostSettings
with connection.schema_editor() as editor:
    editor.create_model(HostSettings)
with transaction.atomic():
    HostSettings.objects.create(cypher_key="")
print(HostSettings.objects.count())
"""
    model = {"INTEGRATIONS_APP_SETTINGS_MODEL": "host.HostSettings"}
    assert host("-c", SETUP + script, **model).strip() == "1"


def test_a_label_that_names_no_model_lets_the_host_start(migrated: Run) -> None:
    script = """
from integrations.exceptions import ConfigurationError
from integrations.utils import Crypto
try:
    Crypto("hush", "encrypt").encrypt()
except ConfigurationError as error:
    print(error.message)
"""
    told = migrated("-c", SETUP + script, INTEGRATIONS_APP_SETTINGS_MODEL="nonsense")
    assert "INTEGRATIONS_APP_SETTINGS_MODEL" in told
