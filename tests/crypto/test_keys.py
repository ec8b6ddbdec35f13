"""Which keys are taken from the environment and which are refused."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from integrations.crypto import decrypt_text, encrypt_text, keyring, keys
from integrations.crypto.devkey import generate_dev_key, is_dev_key, read_or_create
from integrations.exceptions import ConfigurationError, DecryptionError

pytestmark = pytest.mark.django_db


def refusal(code: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        encrypt_text("hush")
    assert caught.value.code == code, caught.value
    return caught.value


@pytest.mark.parametrize("keys_set", ["", "  ", ",", " , \n"])
def test_without_a_key_nothing_is_encrypted(set_environment_key, keys_set):
    set_environment_key(keys_set)
    assert "CYPHER_KEY" in str(refusal("no_key"))


def test_without_a_key_nothing_is_read(set_environment_key):
    token = encrypt_text("hush")
    set_environment_key("")
    with pytest.raises(ConfigurationError) as caught:
        decrypt_text(token)
    assert caught.value.code == "no_key"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: key[:-1],
        lambda key: key[:-5] + "====",
        lambda key: key + "A",
        lambda key: "é" + key[1:],
        lambda key: "short",
        lambda key: key.replace(key[3], "!"),
        lambda key: key + key,
    ],
)
def test_a_malformed_key_is_refused_without_its_text(set_environment_key, new_key, spoil):
    bad = spoil(new_key())
    set_environment_key(bad)
    error = refusal("bad_key")
    assert "CYPHER_KEY" in str(error)
    assert bad not in str(error)


def test_one_malformed_key_among_good_ones_is_refused(set_environment_key, new_key):
    set_environment_key(f"{new_key()},oops")
    refusal("bad_key")


def test_the_published_key_is_refused_by_its_digest(set_environment_key, new_key, monkeypatch):
    published = new_key()
    token = Fernet(published).encrypt(b"hush").decode()
    monkeypatch.setattr(
        keys, "PUBLISHED_KEY_DIGEST", hashlib.sha256(published.encode()).hexdigest()
    )
    for listed in (published, f"{new_key()},{published}", f" {published}\n"):
        set_environment_key(listed)
        assert published not in str(refusal("published_key"))
        with pytest.raises(ConfigurationError):
            decrypt_text(token)


def test_the_digest_of_the_published_key_is_the_documented_one():
    documented = "0ce408b3e9f7d0bc3f10168046f4ac02b7acc52a75289aa7837a69298a1faa2a"
    assert documented == keys.PUBLISHED_KEY_DIGEST


def test_another_spelling_of_the_published_key_is_refused_too(
    set_environment_key, new_key, monkeypatch
):
    published = "A" * 42 + "E="
    monkeypatch.setattr(
        keys, "PUBLISHED_KEY_DIGEST", hashlib.sha256(published.encode()).hexdigest()
    )
    # The last two bits before the padding are not part of the key.
    set_environment_key("A" * 42 + "F=")
    refusal("published_key")


def test_a_development_key_is_refused_outside_debug(set_environment_key, settings):
    key = generate_dev_key()
    set_environment_key(key)
    refusal("dev_key")
    settings.DEBUG = True
    keyring.forget()
    assert decrypt_text(encrypt_text("hush")) == "hush"


def test_development_keys_are_known_on_any_machine_and_real_ones_are_not(new_key):
    assert is_dev_key(generate_dev_key())
    assert not any(is_dev_key(new_key()) for _ in range(50))


@pytest.mark.parametrize("separator", [",", " ", "\n", ", ", ",\n"])
def test_the_first_of_several_keys_encrypts_and_all_decrypt(
    set_environment_key, new_key, separator
):
    first, second = new_key(), new_key()
    set_environment_key(separator.join([first, second]))
    token = encrypt_text("hush")
    assert Fernet(first).decrypt(token.encode()) == b"hush"
    assert decrypt_text(Fernet(second).encrypt(b"older").decode()) == "older"


def test_a_key_that_is_no_longer_listed_reads_nothing(set_environment_key, new_key):
    first, second = new_key(), new_key()
    set_environment_key(first)
    token = encrypt_text("hush")
    set_environment_key(second)
    with pytest.raises(DecryptionError):
        decrypt_text(token)


@given(st.text())
def test_any_text_is_read_back_as_it_was(text):
    token = encrypt_text(text)
    assert decrypt_text(token) == text
    assert text not in token or len(text) < 4


# --- the development key file ---------------------------------------------------------------


def test_debug_makes_a_key_once_and_keeps_it(set_environment_key, settings, tmp_path):
    settings.DEBUG, settings.CYPHER_DEV_KEY_FILE = True, tmp_path / "dev" / "cypher_key"
    set_environment_key("")
    token = encrypt_text("hush")
    keyring.forget()
    assert decrypt_text(token) == "hush"
    assert is_dev_key(settings.CYPHER_DEV_KEY_FILE.read_text().strip())
    assert stat.S_IMODE(settings.CYPHER_DEV_KEY_FILE.stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.CYPHER_DEV_KEY_FILE.parent.stat().st_mode) == 0o700


def test_the_development_key_file_is_never_used_outside_debug(
    set_environment_key, settings, tmp_path
):
    settings.CYPHER_DEV_KEY_FILE = tmp_path / "cypher_key"
    set_environment_key("")
    refusal("no_key")
    assert not settings.CYPHER_DEV_KEY_FILE.exists()


RACE = """
import sys, time
from pathlib import Path
from integrations.crypto.devkey import generate_dev_key, read_or_create
def slow():
    key = generate_dev_key()
    time.sleep(0.05)
    return key
while not Path(sys.argv[2]).exists():
    pass
print(read_or_create(Path(sys.argv[1]), slow))
"""


def test_processes_that_start_at_once_agree_on_one_development_key(tmp_path):
    path, gun = tmp_path / "cypher_key", tmp_path / "gun"
    racers = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", RACE, str(path), str(gun)],
            stdout=subprocess.PIPE,
            text=True,
            umask=0,
        )
        for _ in range(6)
    ]
    gun.touch()
    told = {racer.communicate(timeout=20)[0] for racer in racers}
    assert [racer.returncode for racer in racers] == [0] * 6
    assert told == {path.read_text() + "\n"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(file.name for file in tmp_path.iterdir()) == ["cypher_key", "gun"]


def test_a_key_file_that_is_there_is_left_alone(tmp_path):
    path = tmp_path / "cypher_key"
    path.write_text("mine\n")
    assert read_or_create(path, lambda: "another") == "mine"


# --- CYPHER_KEY_FILE ------------------------------------------------------------------------

READ = (
    "import django; django.setup();"
    "from integrations.crypto import keys;"
    "print(','.join(keys.environment_keys()))"
)


def run_with(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name != "CYPHER_KEY"}
    return subprocess.run(
        [sys.executable, "-c", READ],
        env={
            **clean,
            "DJANGO_SETTINGS_MODULE": "bengoerp.settings",
            "DJANGO_SECRET_KEY": "x" * 50,
            "DJANGO_DEBUG": "0",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_key_can_come_from_a_file(tmp_path, new_key):
    first, second = new_key(), new_key()
    path: Path = tmp_path / "key"
    path.write_text(f"{first}\n{second}\n")
    done = run_with({"CYPHER_KEY_FILE": str(path), "CYPHER_KEY": "ignored"})
    assert done.stdout.strip() == f"{first},{second}", done.stderr


def test_a_key_file_that_is_missing_stops_the_process(tmp_path):
    done = run_with({"CYPHER_KEY_FILE": str(tmp_path / "gone")})
    assert done.returncode != 0
    assert str(tmp_path / "gone") in done.stderr
