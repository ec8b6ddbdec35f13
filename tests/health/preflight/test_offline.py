"""Each mistake in a configuration is found, named by its field, and no secret is told."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.utils import timezone

from integrations.config import clear_cache
from integrations.config.rows import describe_row, row_snapshot
from integrations.crypto import keyring
from integrations.health import preflight
from integrations.health.preflight import CHECKS, Finding, Level
from integrations.health.preflight.secrets import PUBLISHED_PASSKEY
from integrations.models import C2BRegistration, MpesaSettings, Payment, PeriodicLease
from integrations.work.clock import later

pytestmark = pytest.mark.django_db
PASSKEY = "ab12" * 16
GOOD: dict[str, Any] = {
    "environment": "production",
    "short_code": "123456",
    "consumer_key": "k" * 48,
    "consumer_secret": "s" * 64,
    "passkey": PASSKEY,
    "callback_base_url": "https://erp.example.co.ke",
    "initiator_name": "api",
    "initiator_password": "Secret#1",
    "approve_above": 0,
}


def pem(key: Any) -> str:
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(serialization.Encoding.PEM, public).decode())


CERTIFICATE = pem(rsa.generate_private_key(65537, 2048))
SMALL = pem(rsa.generate_private_key(65537, 1024))
NOT_RSA = pem(ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture(autouse=True)
def working(db: None) -> None:
    PeriodicLease.objects.create(name="a job", next_run_at=timezone.now() + timedelta(minutes=1))


def make(**changes: Any) -> MpesaSettings:
    return MpesaSettings.objects.create(**{**GOOD, "certificate": CERTIFICATE, **changes})


def examine(row: MpesaSettings) -> list[Finding]:
    config = row_snapshot("mpesa", row.business, describe_row(row), source="row")
    return preflight.examine(config, row, is_online=False)


def found(level: Level, **changes: Any) -> dict[str, str]:
    return {each.field: each.reason for each in examine(make(**changes)) if each.level is level}


def test_a_good_configuration_has_no_error() -> None:
    lines = examine(make())
    assert [each.line for each in lines if each.level is Level.ERROR] == []
    # The one thing that is not done: registering addresses for payments without a prompt.
    assert [each.field for each in lines if each.level is Level.WARNING] == ["c2b"]


@pytest.mark.parametrize(
    ("field", "told", "changes"),
    [
        ("consumer_key", "empty", {"consumer_key": ""}),
        ("passkey", "empty", {"passkey": ""}),
        ("short_code", "empty", {"short_code": ""}),
        ("short_code", "not a number", {"short_code": "12 34"}),
        ("short_code", "sandbox", {"short_code": "174379"}),
        ("short_code", "sandbox", {"short_code": "600999"}),
        ("passkey", "published one", {"passkey": PUBLISHED_PASSKEY}),
        ("passkey", "encoded password",
         {"passkey": base64.b64encode(f"123456{PASSKEY}20260114093005".encode()).decode()}),
        ("passkey", "encoded in base64", {"passkey": base64.b64encode(PASSKEY.encode()).decode()}),
        ("passkey", "space", {"passkey": PASSKEY + " x"}),
        ("passkey", "quotes", {"passkey": f'"{PASSKEY}"'}),
        ("consumer_key", "space", {"consumer_key": "k k"}),
        ("consumer_secret", "quotes", {"consumer_secret": "“abc”"}),
        ("consumer_key", "same text as consumer_secret", {"consumer_key": "s" * 64}),
        ("till_number", "empty", {"transaction_type": "CustomerBuyGoodsOnline"}),
        ("short_code", "same as the till",
         {"transaction_type": "CustomerBuyGoodsOnline", "till_number": "123456"}),
        ("base_url", "api.safaricom.co.ke", {"base_url": "https://safaricom.co.ke"}),
        ("base_url", "api.safaricom.co.ke", {"base_url": "https://sandbox.safaricom.co.ke"}),
        ("callback_base_url", "forbids the word", {"callback_base_url": "https://a.co.ke/MPesa"}),
        ("callback_base_url", "https", {"callback_base_url": "http://erp.example.co.ke"}),
        ("callback_base_url", "can't reach", {"callback_base_url": "https://10.0.0.7"}),
        ("callback_base_url", "web address", {"callback_base_url": "https://erp .co.ke"}),
        ("callback_base_url", "tunnel", {"callback_base_url": "https://a1.ngrok-free.app"}),
        ("callback_base_url", "request bin", {"callback_base_url": "https://webhook.site"}),
        ("PUBLIC_BASE_URL", "No callback address", {"callback_base_url": ""}),
        ("callback_sources", "no address", {"callback_sources": "196.201.214.200 x"}),
        ("maximum_amount", "below minimum_amount", {"minimum_amount": 10, "maximum_amount": 5}),
        ("payout_maximum", "below payout_minimum", {"payout_minimum": 50, "payout_maximum": 5}),
        ("pull_phone", "empty", {"pull_enabled": True}),
        ("initiator_name", "empty", {"initiator_name": ""}),
        ("initiator_password", "empty", {"initiator_password": ""}),
        ("initiator_password", "brackets", {"initiator_password": "Secret(1)"}),
        ("certificate", "empty", {"certificate": ""}),
        ("certificate", "not PEM", {"certificate": "MIIB"}),
        ("certificate", "RSA", {"certificate": NOT_RSA}),
        ("security_credential", "344",
         {"initiator_password": "", "security_credential": "c2hvcnQ="}),
    ],
)  # fmt: skip
def test_an_error_is_named_by_its_field(field: str, told: str, changes: dict[str, Any]) -> None:
    errors = found(Level.ERROR, **changes)
    assert told in errors[field]


@pytest.mark.parametrize(
    ("field", "told", "changes"),
    [
        ("short_code", "not one of the sandbox's", {"environment": "sandbox"}),
        ("passkey", "64 digits", {"passkey": "abc"}),
        ("consumer_key", "lengths of each other",
         {"consumer_key": "k" * 64, "consumer_secret": "s" * 48}),
        ("till_number", "does not use it", {"till_number": "9310081"}),
        ("base_url", "is gateway.example", {"base_url": "https://gateway.example"}),
        ("callback_base_url", "upper-case", {"callback_base_url": "https://erp.example.co.ke/ERP"}),
        ("callback_sources", "is empty", {"callback_sources": ""}),
        ("callback_sources", "196.201.212.69", {"callback_sources": "196.201.214.0/24"}),
        ("maximum_amount", "most that M-Pesa carries", {"maximum_amount": 300_000}),
        ("payer_daily_limit", "below maximum_amount", {"payer_daily_limit": 1000}),
        ("payout_daily_limit", "below payout_maximum", {"payout_daily_limit": 1000}),
        ("payee_daily_limit", "in a day", {"payee_daily_limit": 600_000}),
        ("approve_above", "one person alone", {"approve_above": None}),
        ("approve_above", "no payout ever", {"approve_above": 250_000}),
        ("initiator_password", "characters beside", {"initiator_password": "Secret@1."}),
        ("certificate", "1024 bits", {"certificate": SMALL}),
    ],
)  # fmt: skip
def test_a_warning_is_named_by_its_field(field: str, told: str, changes: dict[str, Any]) -> None:
    assert told in found(Level.WARNING, **changes)[field]


@pytest.mark.parametrize(
    ("level", "field", "told", "changes"),
    [
        (Level.ERROR, "passkey", "174379 takes no other", {"short_code": "174379"}),
        (Level.OK, "passkey", "form", {"short_code": "600997"}),
        (Level.ERROR, "sandbox_url", "real money", {"sandbox_url": "https://api.safaricom.co.ke"}),
        (Level.WARNING, "callback_base_url", "http://",
         {"callback_base_url": "http://erp.example.co.ke"}),
        (Level.WARNING, "callback_base_url", "tunnel",
         {"callback_base_url": "https://a.trycloudflare.com"}),
        (Level.ERROR, "callback_base_url", "can't reach",
         {"callback_base_url": "https://localhost"}),
    ],
)  # fmt: skip
def test_the_sandbox_has_rules_of_its_own(
    level: Level, field: str, told: str, changes: dict[str, Any]
) -> None:
    changes = {"short_code": "600997", **changes}
    assert told in found(level, environment="sandbox", **changes)[field]


def test_a_till_with_both_numbers_is_fine() -> None:
    changes = {"transaction_type": "CustomerBuyGoodsOnline", "till_number": "9310081"}
    assert "till_number" in found(Level.OK, **changes)


def test_a_ready_made_credential_of_the_right_length_is_fine() -> None:
    good = base64.b64encode(b"x" * 256).decode()
    assert len(good) == 344
    told = found(Level.OK, initiator_password="", security_credential=good)
    assert "security_credential" in told


def test_a_moved_host_asks_for_the_secrets_again() -> None:
    row = make()
    MpesaSettings.objects.filter(pk=row.pk).update(secret_hosts=["elsewhere.example:443"])
    row.refresh_from_db()
    told = {each.field: each for each in examine(row) if each.level is Level.ERROR}
    assert "another host" in told["base_url"].reason


def test_secrets_that_can_not_be_read_are_errors(settings: Any) -> None:
    row = make()
    settings.CYPHER_KEY = Fernet.generate_key().decode()
    keyring.forget()
    clear_cache()
    row.refresh_from_db()
    told = {each.field for each in examine(row) if each.level is Level.ERROR}
    assert {"consumer_key", "consumer_secret", "passkey", "initiator_password"} <= told


@pytest.mark.parametrize(
    ("seconds", "level"), [(30, Level.OK), (120, Level.WARNING), (1200, Level.ERROR)]
)
def test_rows_that_nobody_works_on_are_told(seconds: int, level: Level) -> None:
    Payment.objects.create(
        provider="mpesa", product="stk_push", environment="sandbox", amount=1,
        next_attempt_at=later(-seconds),
    )  # fmt: skip
    told = found(level)["worker"]
    assert ("payments" in told) is (level is not Level.OK)


def test_periodic_jobs_that_stand_still_are_told() -> None:
    PeriodicLease.objects.update(next_run_at=timezone.now() - timedelta(hours=1))
    assert "don't run" in found(Level.ERROR)["worker"]
    PeriodicLease.objects.all().delete()
    MpesaSettings.objects.all().delete()
    assert "ever run" in found(Level.ERROR)["worker"]


def test_a_registration_is_compared_with_the_settings() -> None:
    values = {
        "environment": "production", "short_code": "123456", "version": "v2",
        "state": "registered", "validation_digest": "a", "confirmation_digest": "b",
    }  # fmt: skip
    C2BRegistration.objects.create(**values, response_type="Completed")
    row = make()
    assert "registered" in {e.field: e.reason for e in examine(row)}["c2b"]
    row.c2b_response_type = "Cancelled"
    row.save()
    told = {e.field: e.reason for e in examine(row) if e.level is Level.WARNING}
    assert "c2b_response_type" in told


def test_the_operators_rate_is_told_where_it_goes_first(settings: Any) -> None:
    settings.INTEGRATIONS_RATE_LIMITS = {"mpesa": [50, 50]}
    assert "50 per second" in found(Level.WARNING)["requests_per_second"]


def test_a_check_that_breaks_is_a_finding_and_hides_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def check_broken(_subject: object) -> list[Finding]:
        raise ZeroDivisionError

    monkeypatch.setitem(CHECKS, "mpesa", (check_broken, *CHECKS["mpesa"]))  # type: ignore[arg-type]
    lines = examine(make())
    assert (lines[0].level, lines[0].field) == (Level.WARNING, "broken")
    assert len(lines) > 10


def test_no_finding_holds_a_secret() -> None:
    secrets = {
        "consumer_key": "kxqk kxqk", "consumer_secret": "'sxqs'", "passkey": "pxqp(pxqp)",
        "initiator_password": "ixqi{ixqi}", "security_credential": "cxqc",
    }  # fmt: skip
    told = " ".join(each.line for each in examine(make(**secrets)))
    assert "xq" not in told
    assert "xq" not in repr(preflight.Subject(row_snapshot(
        "mpesa", "", describe_row(MpesaSettings.objects.get()), source="row")))  # fmt: skip


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        ([], "Nothing is wrong."),
        ([Level.OK], "Nothing is wrong."),
        ([Level.ERROR, Level.WARNING, Level.WARNING], "Found 1 error and 2 warnings."),
        ([Level.ERROR] * 2, "Found 2 errors."),
    ],
)
def test_the_summary_counts(levels: list[Level], words: str) -> None:
    assert preflight.summary(Finding(level, "f", "r") for level in levels) == words
