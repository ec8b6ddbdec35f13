"""Web, worker and sandbox as child processes that can be killed and come back on their ports."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import requests
from django.db import connections

from integrations.models import MpesaSettings
from tests.chaos import levers
from tests.chaos.orders import FAULTS, PAYOUT_FAULTS
from tests.conftest import PAYING_CODE, mpesa_values, wait_until
from tests.hunt.plants import planted
from tests.private_services import free_port
from tests.processes import ROOT, child_environment
from tests.sandbox.driver import SandboxDriver

START_SECONDS = 40.0


class Installation:
    """One installation on this test's database. `environment` adds to its child processes'.

    `speed` is the sandbox's: by 0.02 a payer takes 0.1 to 0.5 seconds. One that `pays` sends money
    out, and its sandbox's faults are those of payouts.
    """

    def __init__(
        self, folder: Path, *, speed: float = 0.02, pays: bool = False, **environment: str
    ) -> None:
        self.folder, self._speed, self._pays = folder, speed, pays
        self._ports = {"web": free_port(), "sandbox": free_port()}
        self.web_url = f"http://127.0.0.1:{self._ports['web']}"
        self.sandbox = SandboxDriver(f"http://127.0.0.1:{self._ports['sandbox']}")
        self._levers = folder / "levers"
        self._levers.mkdir()
        self._environment = {
            "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
            "PUBLIC_BASE_URL": self.web_url,
            "OUTBOUND_ALLOWED_HOSTS": self.sandbox.base_url.removeprefix("http://"),
            # The provider's limit is not what is tested here.
            "INTEGRATIONS_RATE_LIMITS": '{"mpesa": [1000, 1000]}',
            "CHAOS_LEVERS": str(self._levers),
            # What must not be shared with other tests.
            "REDIS_URL": "",
            "CELERY_BROKER_URL": "",
            **environment,
        }
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: dict[str, list[Path]] = {}

    # --- starting -------------------------------------------------------------------------------

    def configure(self) -> None:
        """Store M-Pesa settings that point at the sandbox."""
        values = {"short_code": PAYING_CODE, "approve_above": None, "payee_daily_limit": None,
                  "initiator_name": "testapi"}  # fmt: skip
        MpesaSettings.objects.create(**mpesa_values(self.sandbox, **(values if self._pays else {})))

    def start(self, *names: str) -> None:
        """Start these (or all) and return when they answer. Other names are further workers."""
        names = names or ("sandbox", "web", "worker")
        for name in names:
            self._spawn(name)
        for name in names:
            self.wait_for(name)

    def wait_for(self, name: str) -> None:
        """Return when the process answers; the sandbox knows its faults then."""
        wait_until(lambda: self._is_up(name), START_SECONDS)
        if name == "sandbox":
            self.plan_faults()

    def plan_faults(self) -> None:
        """Tell the sandbox again what goes wrong at which phone: a kill made it forget."""
        self.sandbox.settings(is_phone_locked=False, timestamp_tolerance=None)
        for fault in PAYOUT_FAULTS if self._pays else FAULTS:
            self.sandbox.fault(times=None, **fault)
        if self._pays:
            self._agree_on_the_initiator()

    def _agree_on_the_initiator(self) -> None:
        """A sandbox that starts has a key pair of its own: its certificate, as an operator would
        enter it, and the password that our settings have."""
        password = planted("initiator password")
        self.sandbox.initiator(PAYING_CODE, name="testapi", password=password, unlock=True)
        row = MpesaSettings.objects.get()
        row.certificate = self.sandbox.certificate()
        row.save()
        connections.close_all()

    def _command(self, name: str) -> list[str]:
        if name == "web":
            address = f"127.0.0.1:{self._ports['web']}"
            return ["-m", "gunicorn", "bengoerp.wsgi", "--bind", address, "--workers", "2",
                    "--threads", "4", "--no-control-socket"]  # fmt: skip
        if name == "sandbox":
            return ["manage.py", "sandbox", "--port", str(self._ports["sandbox"]), "--speed",
                    str(self._speed), "--journal", str(self.folder / "book")]  # fmt: skip
        return ["manage.py", "worker", "--skip-checks"]

    def _spawn(self, name: str) -> None:
        logs = self._logs.setdefault(name, [])
        logs.append(self.folder / f"{name}-{len(logs) + 1}.log")
        with logs[-1].open("wb") as log:
            self._children[name] = subprocess.Popen(
                [sys.executable, *self._command(name)],
                cwd=ROOT,
                env=child_environment(**self._environment, CHAOS_NAME=name),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A process group of its own: gunicorn's workers die with it.
                start_new_session=True,
            )

    def _is_up(self, name: str) -> bool:
        assert self._children[name].poll() is None, f"{name} stopped:\n{self.last_words(name)}"
        if name == "web":
            return _answers(f"{self.web_url}/livez")
        if name == "sandbox":
            return _answers(f"{self.sandbox.base_url}/_control/clock")
        return b"Worker " in self._logs[name][-1].read_bytes()

    # --- breaking -------------------------------------------------------------------------------

    def kill(self, name: str) -> None:
        """SIGKILL the process and all its children."""
        child = self._children[name]
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()

    def kill_web_worker(self) -> None:
        """SIGKILL one of gunicorn's two workers; gunicorn starts another."""
        master = self._children["web"].pid
        listed = Path(f"/proc/{master}/task/{master}/children")
        workers = listed.read_text().split() if listed.exists() else []
        if workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(random.choice(workers)), signal.SIGKILL)

    def restart(self, name: str) -> None:
        """Kill it, start it again and return when it answers."""
        self.kill(name)
        self.start(name)

    def pause(self, name: str) -> None:
        """Let the process stand still."""
        os.killpg(self._children[name].pid, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let it go on."""
        os.killpg(self._children[name].pid, signal.SIGCONT)

    def hold(self, name: str, word: str) -> None:
        """Before its start: let one request to an address with this word wait for its answer."""
        (self._levers / f"{name}.hold").write_text(word)

    def holds(self, name: str) -> bool:
        """Whether that request has left and waits."""
        return (self._levers / f"{name}.held").exists()

    def release(self, name: str) -> None:
        """Let it read its answer."""
        (self._levers / f"{name}.released").touch()

    def fill_disk(self) -> None:
        """Let the SQLite file grow no further."""
        (self._levers / levers.FULL).touch()

    def free_disk(self) -> None:
        """Let it grow again."""
        (self._levers / levers.FULL).unlink(missing_ok=True)

    def set_clock(self, name: str, *, hours: float) -> None:
        """Put a process's wall clock this far from the truth; the first time before its start."""
        (self._levers / f"{name}.clock").write_text(str(hours * 3600))

    # --- ending ---------------------------------------------------------------------------------

    def stop(self) -> None:
        """Kill whatever is left."""
        for child in self._children.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        self._children.clear()
        self.sandbox.close()
        connections.close_all()

    def last_words(self, name: str) -> str:
        """The end of the process's present log."""
        return self._logs[name][-1].read_text(errors="replace")[-1500:]


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).status_code == 200
    except requests.RequestException:
        return False
