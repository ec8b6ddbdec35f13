"""Guessing passwords: who is stopped, who is not, for how long, and what is told."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client, RequestFactory

from bengoerp.lockout import counted_address
from tests.hunt.plants import planted
from tests.observability.conftest import Lines
from tests.processes import ROOT, child_environment

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = planted("admin password")


@pytest.fixture(autouse=True)
def admin() -> User:
    return User.objects.create_superuser("wanjiku", password=PASSWORD)


def log_in(password: str = "wrong", *, name: str = "wanjiku", **environment: Any) -> HttpResponse:
    return Client(**environment).post(
        "/admin/login/", {"username": name, "password": password, "next": "/admin/"}
    )  # type: ignore[return-value]


def fail(times: int = 5, **options: Any) -> HttpResponse:
    answers = [log_in(**options) for _ in range(times)]
    assert {answer.status_code for answer in answers[:-1]} <= {200}
    return answers[-1]


def test_after_five_failures_even_the_password_is_not_tried() -> None:
    answer = fail()
    assert answer.status_code == 429
    answer = log_in(PASSWORD)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "900")
    told = answer.content.decode()
    assert "locked from your address" in told and "15 minutes" in told
    assert "wanjiku" not in told


def test_others_and_other_addresses_go_on() -> None:
    User.objects.create_superuser("otieno", password=PASSWORD)
    fail()
    assert log_in(PASSWORD, name="otieno").status_code == 302
    assert log_in(PASSWORD, REMOTE_ADDR="203.0.113.9").status_code == 302


def test_a_success_forgets_the_failures_before_it() -> None:
    fail(4)
    assert log_in(PASSWORD).status_code == 302
    fail(4)
    assert log_in(PASSWORD).status_code == 302
    assert not AccessAttempt.objects.exists()


def test_the_lock_ends_by_itself_and_trying_does_not_prolong_it() -> None:
    fail()
    before = AccessAttempt.objects.get().attempt_time
    log_in()
    assert AccessAttempt.objects.get().attempt_time == before
    AccessAttempt.objects.update(attempt_time=before - timedelta(minutes=15, seconds=1))
    assert log_in(PASSWORD).status_code == 302


def test_processes_count_together() -> None:
    fail(4)
    code = (
        "import django; django.setup(); from django.test import Client\n"
        "said = Client().post('/admin/login/', {'username': 'wanjiku', 'password': 'no'})\n"
        "print(said.status_code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, timeout=60,
        env=child_environment(DJANGO_SETTINGS_MODULE="tests.settings"), check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "429"
    assert log_in(PASSWORD).status_code == 429


def test_an_address_in_a_header_is_believed_of_our_own_proxies_alone(settings: Any) -> None:
    # Whoever writes the header would otherwise count from zero each time.
    for number in range(5):
        answer = log_in(HTTP_X_FORWARDED_FOR=f"203.0.113.{number}")
    assert answer.status_code == 429
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    assert log_in(PASSWORD, HTTP_X_FORWARDED_FOR="203.0.113.77").status_code == 302
    fail(HTTP_X_FORWARDED_FOR="203.0.113.78")
    assert log_in(PASSWORD, HTTP_X_FORWARDED_FOR="203.0.113.78").status_code == 429
    assert log_in(PASSWORD, HTTP_X_FORWARDED_FOR="203.0.113.77").status_code == 302


@pytest.mark.parametrize(("address", "counted"), [
    ("203.0.113.9", "203.0.113.9"), ("::ffff:203.0.113.9", "203.0.113.9"),
    ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"), ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
    ("", None), ("nonsense", None),
])  # fmt: skip
def test_an_ipv6_network_counts_as_one(address: str, counted: str | None) -> None:
    assert counted_address(RequestFactory().get("/", REMOTE_ADDR=address)) == counted


def test_lines_and_rows_tell_neither_names_nor_passwords(lines: Lines) -> None:
    fail()
    log_in(PASSWORD)
    told = str(lines())
    assert "address 127.0.0.1" in told
    assert "wanjiku" not in told
    row = AccessAttempt.objects.get()
    assert PASSWORD not in f"{row.post_data} {row.get_data}"
    assert "wrong" not in row.post_data


@pytest.mark.parametrize("name", ["LOGIN_FAILURE_LIMIT", "LOGIN_LOCKOUT_MINUTES"])
def test_a_number_that_would_lock_nobody_out_is_refused(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import bengoerp.settings"],
        cwd=ROOT, env=child_environment(**{name: "0"}), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"{name} must be 1 or more." in done.stderr
