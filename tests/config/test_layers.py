"""Defaults, environment, rows: which layer answers, whole and in words."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.config import default_config, get_snapshot
from integrations.crypto import EncryptedStr, decrypt_text
from integrations.exceptions import (
    ConfigurationError,
    ConfigurationUnavailable,
    DecryptionError,
    InvalidInput,
)
from integrations.models import Integrations, MpesaSettings
from integrations.services import IntegrationConfigService as Service
from tests.config.conftest import VALUES

pytestmark = pytest.mark.django_db
SANDBOX = "https://sandbox.safaricom.co.ke"
LIVE = "https://api.safaricom.co.ke"


@pytest.fixture
def setenv(monkeypatch: pytest.MonkeyPatch) -> Any:
    def change(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return change


def test_without_anything_the_documented_defaults_answer():
    config = Service.get_mpesa_config()
    assert (config["source"], config["configured"]) == ("default", False)
    assert (config["environment"], config["business"]) == ("sandbox", "")
    assert (config["base_url"], config["short_code"]) == (SANDBOX, "174379")
    assert {config[name] for name in ("consumer_key", "consumer_secret", "passkey")} == {""}
    assert not get_snapshot("mpesa").active and get_snapshot("mpesa").hosts == frozenset()


def test_a_row_answers_whole(row):
    config = Service.get_mpesa_config()
    assert {name: config[name] for name in VALUES} == VALUES
    assert (config["source"], config["configured"], config["environment"]) == (
        "row", True, "sandbox",
    )  # fmt: skip


def test_nothing_is_merged_into_a_row(setenv, db):
    setenv(MPESA_PASSKEY="from-environment", MPESA_SHORT_CODE="700000")
    MpesaSettings.objects.create(consumer_key="k", consumer_secret="s")
    config = Service.get_mpesa_config()
    assert (config["passkey"], config["short_code"]) == ("", "")
    assert (config["source"], config["configured"]) == ("row", False)


def test_a_business_with_a_row_gets_that_row_and_nothing_of_another(row):
    row.shared = True
    row.save()
    MpesaSettings.objects.create(
        business="b", consumer_key="bk", environment="production", short_code="500000"
    )
    config = Service.get_mpesa_config(business="b")
    assert (config["consumer_key"], config["consumer_secret"], config["passkey"]) == ("bk", "", "")
    assert (config["business"], config["short_code"]) == ("b", "500000")
    assert (config["environment"], config["base_url"]) == ("production", LIVE)
    assert config["configured"] is False
    assert Service.get_mpesa_config()["consumer_key"] == VALUES["consumer_key"]


def test_a_business_without_a_row_uses_a_shared_one(row):
    row.shared = True
    row.save()
    config = Service.get_mpesa_config(business="b")
    assert (config["consumer_key"], config["business"]) == (VALUES["consumer_key"], "b")
    assert config["source"] == "row"


@pytest.mark.parametrize("business", ["b", "B", " ", "b" * 500, "\x00'\"; --", "é" * 300])
def test_an_unknown_business_is_refused(row, business):
    if "\x00" in business:
        business = business.replace("\x00", "\x01")
    for _ in range(2):
        with pytest.raises((ConfigurationError, InvalidInput)) as caught:
            Service.get_mpesa_config(business=business)
        assert caught.value.code == "unknown_business"
        assert len(str(caught.value)) < 250
    assert not Service.is_mpesa_configured(business=business)
    assert not Service.is_mpesa_active(business=business)


def test_a_row_of_another_business_is_never_shared(row):
    MpesaSettings.objects.create(business="a", consumer_key="ak")
    models_row = MpesaSettings.objects.get(business="a")
    MpesaSettings.objects.filter(pk=models_row.pk).update(shared=True)
    with pytest.raises(ConfigurationError):
        Service.get_mpesa_config(business="b")


def test_every_answer_is_a_fresh_dict(row):
    first = Service.get_mpesa_config()
    first["consumer_key"] = "spoiled"
    first.clear()
    assert Service.get_mpesa_config()["consumer_key"] == VALUES["consumer_key"]
    defaults = Service.DEFAULT_MPESA_CONFIG
    defaults["short_code"] = "spoiled"
    assert Service.DEFAULT_MPESA_CONFIG["short_code"] == "174379"
    assert default_config("mpesa") is not default_config("mpesa")


def test_ciphertext_is_what_undecrypted_secrets_are(row):
    config = Service.get_mpesa_config(decrypt_secrets=False)
    for name in ("consumer_key", "consumer_secret", "passkey"):
        assert isinstance(config[name], EncryptedStr)
        assert decrypt_text(config[name]) == VALUES[name]
    assert config["initiator_password"] == ""
    assert config["short_code"] == "600000"
    # Such a value can be stored again without being encrypted twice.
    row.consumer_key = config["passkey"]
    row.save()
    assert Service.get_mpesa_config()["consumer_key"] == VALUES["passkey"]


def test_ciphertext_is_given_even_where_it_can_not_be_read(row, settings):
    from cryptography.fernet import Fernet

    from integrations.crypto import keyring

    settings.CYPHER_KEY = Fernet.generate_key().decode()
    keyring.forget()
    assert Service.get_mpesa_config(decrypt_secrets=False)["passkey"].startswith("gAAAAA")
    with pytest.raises(DecryptionError) as caught:
        Service.get_mpesa_config()
    assert f"integrations.MpesaSettings.consumer_key (row {row.pk})" in str(caught.value)


# --- environment variables ------------------------------------------------------------------


def test_environment_variables_stand_for_the_row_where_there_is_none(setenv):
    setenv(
        MPESA_CONSUMER_KEY="ek", MPESA_CONSUMER_SECRET="es", MPESA_PASSKEY="ep",
        MPESA_SHORT_CODE="600111", MPESA_ENVIRONMENT="production", MPESA_MINIMUM_AMOUNT="10",
    )  # fmt: skip
    config = Service.get_mpesa_config()
    assert (config["source"], config["configured"]) == ("environment", True)
    assert (config["consumer_key"], config["passkey"]) == ("ek", "ep")
    assert (config["base_url"], config["minimum_amount"]) == (LIVE, 10)
    assert get_snapshot("mpesa").hosts == {"api.safaricom.co.ke:443"}
    assert Service.is_mpesa_configured() and Service.is_mpesa_active()
    raw = Service.get_mpesa_config(decrypt_secrets=False)
    assert decrypt_text(raw["passkey"]) == "ep"


def test_the_sandbox_short_code_is_filled_in_for_the_environment(setenv):
    setenv(MPESA_CONSUMER_KEY="ek")
    assert Service.get_mpesa_config()["short_code"] == "174379"
    assert Service.get_mpesa_config()["base_url"] == SANDBOX


def test_each_variable_can_be_a_file(setenv, tmp_path):
    (tmp_path / "key").write_text("from-file\n")
    setenv(MPESA_CONSUMER_KEY="ignored", MPESA_CONSUMER_KEY_FILE=str(tmp_path / "key"))
    assert Service.get_mpesa_config()["consumer_key"] == "from-file"


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_can_not_be_read_is_named(setenv, tmp_path, content):
    if content:
        (tmp_path / "key").write_bytes(content)
    setenv(MPESA_PASSKEY_FILE=str(tmp_path / "key"))
    with pytest.raises(ConfigurationError, match="MPESA_PASSKEY_FILE"):
        Service.get_mpesa_config()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MPESA_ENVIRONMENT", "prod"),
        ("MPESA_MINIMUM_AMOUNT", "many"),
        ("MPESA_BASE_URL", "no-url"),
        ("MPESA_TRANSACTION_TYPE", "CustomerPayBill"),
        ("MPESA_SHORT_CODE", "abc"),
        ("MPESA_SHARED", "perhaps"),
    ],
)
def test_a_variable_with_a_wrong_value_is_refused_by_name(setenv, name, value):
    setenv(**{name: value, "MPESA_CONSUMER_KEY": "ek"})
    with pytest.raises(ConfigurationError, match=name):
        Service.get_mpesa_config()


def test_variables_that_contradict_each_other_are_refused(setenv):
    setenv(MPESA_TRANSACTION_TYPE="CustomerBuyGoodsOnline", MPESA_CONSUMER_KEY="k")
    with pytest.raises(ConfigurationError, match="MPESA_TILL_NUMBER"):
        Service.get_mpesa_config()


def test_a_secret_of_the_environment_is_never_taken_for_a_token(setenv):
    for text in ("gAAAAA-like", EncryptedStr(Service_token())):
        setenv(MPESA_PASSKEY="$fernet$" + text)
        Service.clear_config_cache()
        assert Service.get_mpesa_config()["passkey"] == "$fernet$" + text


def Service_token() -> str:  # noqa: N802
    from integrations.crypto import encrypt_text

    return encrypt_text("inner")


def test_an_empty_variable_is_as_good_as_none(setenv):
    setenv(MPESA_CONSUMER_KEY="", MPESA_SHORT_CODE="")
    assert Service.get_mpesa_config()["source"] == "default"


def test_a_row_takes_the_place_of_the_environment_at_once(setenv):
    setenv(MPESA_CONSUMER_KEY="ek")
    assert Service.get_mpesa_config()["source"] == "environment"
    row = MpesaSettings.objects.create(**VALUES)
    assert Service.get_mpesa_config()["source"] == "row"
    row.delete()
    assert Service.get_mpesa_config()["source"] == "environment"


def test_the_environment_serves_a_business_only_where_it_says_shared(setenv):
    setenv(MPESA_CONSUMER_KEY="ek")
    with pytest.raises(ConfigurationError):
        Service.get_mpesa_config(business="b")
    setenv(MPESA_SHARED="true")
    Service.clear_config_cache()
    config = Service.get_mpesa_config(business="b")
    assert (config["consumer_key"], config["business"]) == ("ek", "b")


def test_without_a_key_secrets_of_the_environment_are_refused(setenv, settings):
    from integrations.crypto import keyring

    settings.CYPHER_KEY = ""
    keyring.forget()
    setenv(MPESA_CONSUMER_KEY="ek")
    with pytest.raises(ConfigurationError) as caught:
        Service.get_mpesa_config()
    assert caught.value.code == "no_key"


# --- configured, active ---------------------------------------------------------------------


@pytest.mark.parametrize("missing", sorted(VALUES))
def test_a_row_without_something_required_is_not_configured(db, missing):
    MpesaSettings.objects.create(**{**VALUES, missing: ""})
    assert Service.get_mpesa_config()["configured"] is False
    assert not Service.is_mpesa_configured() and not Service.is_mpesa_active()
    assert not Service.is_integration_configured("MPESA")


def test_an_integration_that_is_switched_off_is_not_active(row):
    row.integration = Integrations.objects.create(name="MPESA", is_active=True)
    row.save()
    assert Service.is_mpesa_active() and Service.is_integration_active("MPESA")
    row.integration.is_active = False
    row.integration.save()
    assert Service.is_mpesa_configured() and Service.is_integration_configured("MPESA")
    assert not Service.is_mpesa_active() and not Service.is_integration_active("MPESA")
    with pytest.raises(ConfigurationError) as caught:
        get_snapshot("mpesa").require_usable()
    assert caught.value.code == "inactive"
    Integrations.objects.update(is_active=True)
    assert Service.is_mpesa_active()


def test_integrations_that_are_not_built_answer_by_their_row(db):
    assert not Service.is_integration_configured("CARD")
    assert not Service.is_integration_active("CARD")
    Integrations.objects.create(name="CARD")
    assert Service.is_integration_active("CARD")


def test_an_unknown_integration_is_refused(db):
    with pytest.raises(ConfigurationError):
        get_snapshot("nothing")
    with pytest.raises(AttributeError):
        Service.get_nothing_config  # noqa: B018


# --- the database is away -------------------------------------------------------------------


@pytest.mark.parametrize("is_warm", [True, False])
def test_without_the_database_nothing_falls_back_to_the_sandbox(
    row, database_down, pass_time, setenv, is_warm
):
    setenv(MPESA_CONSUMER_KEY="ek")
    if is_warm:
        assert Service.get_mpesa_config()["source"] == "row"
    else:
        Service.clear_config_cache()
    pass_time(1.1)
    with database_down():
        for ask in (
            Service.get_mpesa_config,
            lambda: Service.get_mpesa_config(decrypt_secrets=False),
            Service.is_mpesa_configured,
            Service.is_mpesa_active,
            lambda: Service.is_integration_configured("MPESA"),
        ):
            with pytest.raises(ConfigurationUnavailable):
                ask()
        is_ok, message = Service.test_mpesa_connection()
        assert not is_ok and "database" in message
    assert Service.get_mpesa_config()["source"] == "row"


def test_a_lost_database_is_not_noticed_inside_the_interval(row, database_down):
    Service.get_mpesa_config()
    with database_down():
        assert Service.get_mpesa_config()["consumer_key"] == VALUES["consumer_key"]


def test_a_new_row_joins_the_switch_of_its_integration(row):
    assert row.integration.name == "MPESA"
    other = MpesaSettings.objects.create(business="b", **VALUES)
    assert other.integration == row.integration
    Integrations.objects.filter(name="MPESA").update(is_active=False)
    assert Service.is_mpesa_configured()
    assert not Service.is_mpesa_active()
    assert not Service.is_mpesa_active(business="b")
