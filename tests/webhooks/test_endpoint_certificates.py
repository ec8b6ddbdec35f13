"""The client certificate of an endpoint: a whole pair, in time, and never a key in the clear."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from integrations.exceptions import InvalidInput
from integrations.webhooks import endpoints

pytestmark = pytest.mark.django_db
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub")])


def pair(*, begins: int = -1, ends: int = 365, passphrase: bytes = b"") -> tuple[str, str]:
    """A certificate and its key as PEM; days from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=begins))
        .not_valid_after(now + timedelta(days=ends))
        .sign(key, hashes.SHA256())
    )
    how = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how).decode()
    return made.public_bytes(Encoding.PEM).decode(), text


def create(certificate: Any, key: Any) -> endpoints.Created:
    return endpoints.create_endpoint(
        {
            "name": "ERP",
            "url": "https://93.184.215.14/hooks",
            "client_certificate": certificate,
            "client_key": key,
        }
    )


def test_a_pair_is_taken_and_its_key_is_encrypted() -> None:
    certificate, key = pair()
    created = create(certificate, key)
    assert created.warnings == []
    created.endpoint.refresh_from_db()
    assert created.endpoint.client_key.reveal() == key
    # With those between it and its root behind it.
    other, _ = pair()
    assert create(certificate + other, key).endpoint.pk


def test_one_that_ends_soon_is_taken_with_a_warning() -> None:
    created = create(*pair(ends=5))
    assert created.warnings[0].startswith("client_certificate: ends on ")


def test_half_a_pair_and_what_can_not_be_used_is_refused() -> None:
    certificate, key = pair()
    other, other_key = pair()
    locked = pair(passphrase=b"words")
    cases = [
        (certificate, "", "client_key"),
        ("", key, "client_certificate"),
        (certificate, other_key, "client_key"),
        (other + certificate, key, "client_key"),
        (*pair(ends=0), "client_certificate"),
        (*pair(begins=1), "client_certificate"),
        (locked[0], locked[1], "client_key"),
        ("no PEM", key, "client_certificate"),
        (certificate, "no PEM", "client_key"),
        (certificate + key, key, "client_certificate"),
        ("x" * 70_000, key, "client_certificate"),
        (certificate, "x" * 70_000, "client_key"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            key,
            "client_certificate",
        ),
    ]
    for given, given_key, field in cases:
        with pytest.raises(InvalidInput) as caught:
            create(given, given_key)
        assert caught.value.field == field
        assert "BEGIN" not in str(caught.value)


def test_the_key_goes_with_the_certificate() -> None:
    row = create(*pair()).endpoint
    with pytest.raises(InvalidInput):
        endpoints.update_endpoint(row, {"client_key": ""})
    endpoints.update_endpoint(row, {"client_certificate": ""})
    assert (row.client_certificate, bool(row.client_key)) == ("", False)


def test_one_that_has_ended_does_not_stop_a_pause() -> None:
    row = create(*pair()).endpoint
    type(row).objects.filter(pk=row.pk).update(client_certificate=pair(ends=0)[0])
    row.refresh_from_db()
    endpoints.pause(row)
    endpoints.disable(row)
    with pytest.raises(InvalidInput):
        endpoints.enable(row)
