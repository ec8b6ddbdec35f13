"""Where a callback came from: proxies are believed only where configured, and from the right."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import RequestFactory, override_settings
from hypothesis import given
from hypothesis import strategies as st

from integrations.callbacks.source import client_address
from integrations.payments.callback_doubts import is_listed

SAFARICOM = "196.201.214.200"


def address(remote: str, forwarded: str | None = None) -> str:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = RequestFactory().post("/", headers=headers)
    request.META["REMOTE_ADDR"] = remote
    return client_address(request)


def test_without_trusted_proxies_the_header_is_only_a_claim(settings: Any) -> None:
    settings.TRUSTED_PROXIES = []
    assert address("203.0.113.9", SAFARICOM) == "203.0.113.9"


@pytest.mark.parametrize(
    ("remote", "forwarded", "expected"),
    [
        ("10.0.0.2", SAFARICOM, SAFARICOM),
        ("10.0.0.2", f"1.2.3.4, {SAFARICOM}", SAFARICOM),
        ("10.0.0.2", f"{SAFARICOM}, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.2", f"{SAFARICOM}, 10.0.0.3", SAFARICOM),
        ("203.0.113.9", SAFARICOM, "203.0.113.9"),
        ("10.0.0.2", None, "10.0.0.2"),
        ("10.0.0.2", "", "10.0.0.2"),
        ("10.0.0.2", "unknown", "10.0.0.2"),
        ("10.0.0.2", f"{SAFARICOM}, nonsense", "10.0.0.2"),
        ("10.0.0.2", f"{SAFARICOM}:41234", SAFARICOM),
        ("10.0.0.2", "[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:10.0.0.2", f"::ffff:{SAFARICOM}", SAFARICOM),
        (f"::ffff:{SAFARICOM}", None, SAFARICOM),
        ("fe80::1%eth0", None, "fe80::1"),
        ("", None, ""),
        ("", SAFARICOM, ""),
    ],
)
def test_the_nearest_foreign_address_counts(
    settings: Any, remote: str, forwarded: str | None, expected: str
) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/24", "not a network"]
    assert address(remote, forwarded) == expected


@given(st.text(st.characters(codec="latin-1")))
def test_any_header_gives_an_address_or_nothing(header: str) -> None:
    with override_settings(TRUSTED_PROXIES=["10.0.0.0/8"]):
        request = RequestFactory().post("/")
        request.META.update(REMOTE_ADDR="10.0.0.2", HTTP_X_FORWARDED_FOR=header)
        assert client_address(request)


@pytest.mark.parametrize(
    ("source", "allowed", "expected"),
    [
        (SAFARICOM, f"1.1.1.1 {SAFARICOM}", True),
        (SAFARICOM, f"1.1.1.1,{SAFARICOM}\n", True),
        (SAFARICOM, "196.201.214.0/24", True),
        (SAFARICOM, "196.201.213.0/24 nonsense", False),
        ("", SAFARICOM, False),
        ("nonsense", SAFARICOM, False),
        ("::1", "127.0.0.1", False),
    ],
)
def test_lists_hold_addresses_and_networks(source: str, allowed: str, expected: bool) -> None:
    assert is_listed(source, allowed) is expected
