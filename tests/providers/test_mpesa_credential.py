"""The security credential: encrypted for Safaricom alone, from whatever was pasted."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from integrations.config import Snapshot
from integrations.crypto.certificate import CertificateUnreadable, rsa_public_key
from integrations.exceptions import ConfigurationError
from integrations.models import MpesaSettings
from integrations.providers.mpesa.payloads import initiator_name, security_credential
from tests.providers.conftest import PASSWORD, PEM, Safaricom, certificate_of

MakeConfig = Callable[..., Snapshot]
READY_MADE = "ready-made"


@pytest.mark.parametrize("kind", ["certificate", "public_key"])
def test_the_password_alone_is_encrypted_for_safaricom(
    config_of: MakeConfig, safaricom: Safaricom, kind: str
) -> None:
    config = config_of(certificate=getattr(safaricom, kind))
    credential = security_credential(config)
    assert len(credential) == 344
    assert safaricom.open(credential) == PASSWORD


def test_each_credential_differs(config_of: MakeConfig) -> None:
    config = config_of()
    assert security_credential(config) != security_credential(config)


def test_a_certificate_may_come_with_text_around_it(
    config_of: MakeConfig, safaricom: Safaricom
) -> None:
    pasted = f"\r\nSubject: Safaricom\n{safaricom.certificate}\n\n".replace("\n", "\r\n")
    assert safaricom.open(security_credential(config_of(certificate=pasted))) == PASSWORD


def test_the_ready_made_value_is_used_where_no_password_is_set(
    config_of: MakeConfig, safaricom: Safaricom
) -> None:
    ready_made = safaricom.seal(READY_MADE)
    broken = f" {ready_made[:76]}\n{ready_made[76:]}\n"
    config = config_of(initiator_password="", certificate="", security_credential=broken)
    assert security_credential(config) == ready_made
    both = config_of(security_credential=ready_made)
    assert safaricom.open(security_credential(both)) == PASSWORD


def test_without_password_and_value_both_fields_are_named(config_of: MakeConfig) -> None:
    with pytest.raises(ConfigurationError) as caught:
        security_credential(config_of(initiator_password=""))
    assert "initiator_password" in str(caught.value)
    assert "security_credential" in str(caught.value)
    assert caught.value.code == "no_credential"


@pytest.mark.parametrize("value", [PASSWORD, "not base64!", base64.b64encode(b"x" * 60).decode()])
def test_a_plain_password_is_no_ready_made_value(config_of: MakeConfig, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        security_credential(config_of(initiator_password="", security_credential=value))
    assert caught.value.code == "bad_credential"
    assert value not in str(caught.value)


def test_a_missing_certificate_is_named_with_its_environment(config_of: MakeConfig) -> None:
    with pytest.raises(ConfigurationError, match="sandbox environment") as caught:
        security_credential(config_of(certificate=" "))
    assert caught.value.code == "no_certificate"
    assert "certificate" in str(caught.value)


def unusable(safaricom: Safaricom) -> dict[str, tuple[str, str]]:
    """Texts that are no certificate to encrypt with, and what is said of each."""
    curve = ec.generate_private_key(ec.SECP256R1())
    private = safaricom.key.private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    cut = safaricom.certificate[:400]
    return {
        "not PEM": ("MIIC", "not PEM"),
        "cut off": (cut, "can't be read"),
        "no base64": ("-----BEGIN CERTIFICATE-----\n%%\n-----END CERTIFICATE-----", "can't be"),
        "another object": ("-----BEGIN X-----\nAAAA\n-----END X-----", "can't be read"),
        "a private key": (private, "private key"),
        "a curve's certificate": (certificate_of(curve), "not an RSA key"),
        "a curve's key": (curve.public_key().public_bytes(PEM, spki).decode(), "not an RSA key"),
    }


CASES = (
    "not PEM",
    "cut off",
    "no base64",
    "another object",
    "a private key",
    "a curve's certificate",
    "a curve's key",
)


@pytest.mark.parametrize("case", CASES)
def test_what_is_no_rsa_certificate_is_refused_with_the_reason(
    config_of: MakeConfig, safaricom: Safaricom, case: str
) -> None:
    text, reason = unusable(safaricom)[case]
    with pytest.raises(ConfigurationError, match=reason) as caught:
        security_credential(config_of(certificate=text))
    assert caught.value.code == "bad_certificate"
    assert PASSWORD not in repr(caught.value)
    with pytest.raises(ValidationError) as refused:
        MpesaSettings(certificate=text).clean()
    assert reason in refused.value.message_dict["certificate"][0]


def test_a_good_certificate_can_be_saved_whatever_its_end_date(safaricom: Safaricom) -> None:
    for text in (safaricom.certificate, safaricom.public_key, ""):
        MpesaSettings(certificate=text).clean()


def test_a_password_too_long_for_the_key_is_said_without_it(config_of: MakeConfig) -> None:
    secret = PASSWORD * 10
    with pytest.raises(ConfigurationError, match="too long") as caught:
        security_credential(config_of(initiator_password=secret))
    assert PASSWORD not in repr(caught.value)


def test_a_password_of_any_letters_is_carried(config_of: MakeConfig, safaricom: Safaricom) -> None:
    assert safaricom.open(security_credential(config_of(initiator_password="a#&%$é"))) == "a#&%$é"


def test_an_initiator_without_a_name_names_the_field(config_of: MakeConfig) -> None:
    with pytest.raises(ConfigurationError, match="initiator_name") as caught:
        initiator_name(config_of(initiator_name=" "))
    assert caught.value.code == "no_initiator"


@given(st.text(max_size=200))
def test_any_text_is_a_key_or_unreadable(text: Any) -> None:
    for candidate in (text, f"-----BEGIN CERTIFICATE-----\n{text}"):
        with pytest.raises(CertificateUnreadable):
            rsa_public_key(candidate)
