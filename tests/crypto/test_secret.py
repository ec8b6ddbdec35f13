"""The value that a stored secret has in Python, and the original's Crypto facade."""

from __future__ import annotations

import copy
import json
import logging
import pickle

import pytest
from cryptography.fernet import Fernet
from django.core.serializers.json import DjangoJSONEncoder
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.renderers import JSONRenderer

from integrations.crypto import MASK, EncryptedStr, Secret, decrypt_text
from integrations.exceptions import DecryptionError, InvalidInput
from integrations.utils import Crypto

pytestmark = pytest.mark.django_db
HUSH = "hush-hush"


@pytest.fixture
def secret() -> Secret:
    return Secret.seal(HUSH)


def test_a_secret_shows_a_mask_wherever_it_is_printed(secret):
    shown_as = [str(secret), repr(secret), f"{secret}", f"{secret!r:>30}", f"{[secret]}"]
    for shown in (*shown_as, "{0} {0!r}".format(secret)):  # noqa: UP032
        assert MASK in shown
        assert HUSH not in shown and secret.token not in shown


def test_a_secret_opens_on_purpose_only(secret):
    assert secret.reveal() == HUSH
    assert not isinstance(secret, str)
    assert secret.token.startswith("gAAAAA")


@pytest.mark.parametrize("encoder", [json.JSONEncoder, DjangoJSONEncoder])
def test_a_secret_is_not_encoded_as_json(secret, encoder):
    with pytest.raises(TypeError):
        json.dumps({"passkey": secret}, cls=encoder)


def test_an_api_answer_can_not_hold_a_secret(secret):
    with pytest.raises(TypeError):
        JSONRenderer().render({"passkey": secret})


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickled_secret_holds_its_token_alone(secret, protocol):
    secret.where = "somewhere"
    dumped = pickle.dumps(secret, protocol=protocol)
    assert HUSH.encode() not in dumped
    assert pickle.loads(dumped) == secret
    assert pickle.loads(dumped).reveal() == HUSH


def test_copies_hold_the_token_alone(secret):
    for made in (copy.copy(secret), copy.deepcopy({"a": [secret]})["a"][0]):
        assert made.token == secret.token
        assert made.reveal() == HUSH


def test_a_secret_has_no_room_for_plaintext(secret):
    assert not hasattr(secret, "__dict__")
    assert HUSH not in [getattr(secret, name) for name in Secret.__slots__]


def test_a_log_line_shows_the_mask(secret, caplog):
    logging.getLogger("x").warning("got %s and %r", secret, {"passkey": secret})
    assert HUSH not in caplog.text and secret.token not in caplog.text


def test_nothing_stored_is_false_and_reveals_as_empty():
    for empty in (Secret(), Secret.seal(""), Secret.seal(None)):
        assert not empty
        assert empty.reveal() == "" == str(empty)
    assert Secret.seal("x")


def test_secrets_are_equal_by_token_and_never_equal_to_text(secret):
    assert secret == Secret(secret.token)
    assert secret != Secret.seal(HUSH)
    assert secret != HUSH and secret != secret.token
    assert len({secret, Secret(secret.token)}) == 1


@pytest.mark.parametrize("value", [5, 5.0, b"bytes", ["x"], {"a": 1}, object(), True])
def test_what_is_no_text_is_refused(value):
    with pytest.raises(InvalidInput, match="passkey"):
        Secret.seal(value, "passkey")


@pytest.mark.parametrize("value", [MASK, f"x{MASK}", f"{MASK}ab12"])
def test_the_mask_is_refused_as_a_secret(value):
    with pytest.raises(InvalidInput) as caught:
        Secret.seal(value, "passkey")
    assert caught.value.code == "mask_as_value"


def test_half_a_character_is_refused_without_the_text_in_the_error():
    with pytest.raises(InvalidInput) as caught:
        Secret.seal("hush\ud83d", "passkey")
    assert "hush" not in repr(caught.value)
    assert caught.value.__cause__ is None and caught.value.__context__ is None


def test_text_that_looks_encrypted_is_encrypted_like_any_other():
    typed_token = Fernet(Fernet.generate_key()).encrypt(b"inner").decode()
    for text in ("gAAAAA", "xgAAAAAx", typed_token):
        assert Secret.seal(text).reveal() == text


def test_what_the_facade_encrypted_is_kept_by_its_type():
    token = Crypto(HUSH, "encrypt").encrypt()
    assert isinstance(token, EncryptedStr)
    assert Secret.seal(token).token == token
    assert Secret.seal(token).reveal() == HUSH
    # The same text without the type is text.
    assert Secret.seal("".join(token)).reveal() == token


def test_a_type_that_lies_is_refused():
    with pytest.raises(InvalidInput):
        Secret.seal(EncryptedStr("plain"), "passkey")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])).filter(lambda t: MASK not in t))
def test_any_text_seals_and_opens(text):
    sealed = Secret.seal(text)
    assert sealed.reveal() == text
    assert bool(sealed) is bool(text)
    assert pickle.loads(pickle.dumps(sealed)).reveal() == text


# --- Crypto(text, command) ------------------------------------------------------------------


def test_the_two_documented_calls_work():
    token = Crypto(HUSH, "encrypt").encrypt()
    assert isinstance(token, str) and token.startswith("gAAAAA")
    assert Crypto(token, "decrypt").decrypt() == HUSH
    assert Crypto(HUSH).encrypt() and Crypto(token, "whatever").decrypt() == HUSH


def test_tokens_of_the_original_are_read(settings, set_environment_key, new_key):
    legacy = new_key()
    set_environment_key(f"{new_key()},{legacy}")
    token = Fernet(legacy.encode()).encrypt(HUSH.encode()).decode()
    assert Crypto(token, "decrypt").decrypt() == HUSH


def test_a_wrong_key_is_an_error_and_not_an_answer(set_environment_key, new_key):
    token = Crypto(HUSH, "encrypt").encrypt()
    set_environment_key(new_key())
    with pytest.raises(DecryptionError):
        Crypto(token, "decrypt").decrypt()


@pytest.mark.parametrize("bad", ["nonsense", "gAAAAAx", "é", HUSH, "gAAAAA" + "A" * 200])
def test_what_is_no_token_is_an_error_and_not_an_answer(bad):
    with pytest.raises(DecryptionError) as caught:
        Crypto(bad, "decrypt").decrypt()
    assert bad not in str(caught.value)


@pytest.mark.parametrize("tampered", [0, 10, 60, -2])
def test_a_changed_token_is_an_error(tampered):
    token = list(Crypto(HUSH).encrypt())
    token[tampered] = "A" if token[tampered] != "A" else "B"
    with pytest.raises(DecryptionError):
        Crypto("".join(token), "decrypt").decrypt()


@pytest.mark.parametrize("nothing", ["", None, Secret()])
def test_nothing_encrypts_to_nothing_and_back(nothing):
    assert Crypto(nothing, "encrypt").encrypt() == ""
    assert Crypto(nothing, "decrypt").decrypt() == ""


@pytest.mark.parametrize("value", [5, b"x", ["x"]])
def test_the_facade_takes_text_only(value):
    with pytest.raises(InvalidInput):
        Crypto(value, "encrypt").encrypt()
    with pytest.raises(InvalidInput):
        Crypto(value, "decrypt").decrypt()


def test_the_facade_never_encrypts_the_mask():
    with pytest.raises(InvalidInput):
        Crypto(MASK, "encrypt").encrypt()


def test_the_facade_encrypts_once_and_knows_secrets(secret):
    token = Crypto(HUSH).encrypt()
    assert Crypto(token, "encrypt").encrypt() == token
    assert Crypto(secret, "encrypt").encrypt() == secret.token
    assert Crypto(secret, "decrypt").decrypt() == HUSH
    assert decrypt_text(token) == HUSH


def test_the_facade_shows_nothing_of_its_text():
    assert HUSH not in repr(Crypto(HUSH, "encrypt"))
