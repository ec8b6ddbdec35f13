"""Signatures against the published vectors, two libraries of others, and hostile input."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta, timezone

import pytest
import standardwebhooks
import svix.webhooks
import time_machine
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from integrations.exceptions import InvalidInput
from integrations.webhooks import signing
from tests.webhooks import vectors
from tests.webhooks.vectors import TIMESTAMP, V1, VECTORS, A, B, C, Vector

AT = datetime.fromtimestamp(TIMESTAMP, UTC)
LIBRARIES = [standardwebhooks.Webhook, svix.webhooks.Webhook]
WHSK_SEED = "whsk_" + base64.b64encode(vectors.SEED).decode()


def key(text: str) -> bytes:
    return signing.decode_secret(text)


def headers(message_id: str, signature: str, timestamp: object = TIMESTAMP) -> dict[str, str]:
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature,
    }


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.message_id)
def test_the_vectors_are_signed_as_published(vector: Vector) -> None:
    assert len(vector.body) == vector.length
    for secret, wanted in ((A, vector.with_a), (B, vector.with_b)):
        assert signing.sign_v1(key(secret), vector.message_id, TIMESTAMP, vector.body) == wanted
        assert hashlib.sha256(vector.body).hexdigest() == vectors.DIGESTS.get(
            vector, hashlib.sha256(vector.body).hexdigest()
        )


def test_a_secret_of_24_bytes_signs_as_published() -> None:
    assert signing.sign_v1(key(C), V1.message_id, TIMESTAMP, V1.body) == vectors.V1_WITH_C


def test_the_wrong_results_are_not_produced() -> None:
    signature = signing.sign_v1(key(A), V1.message_id, TIMESTAMP, V1.body)
    content = b"msg_0001.1767225600." + V1.body
    by_text = base64.b64encode(hmac.digest(A.encode(), content, "sha256")).decode()
    assert by_text == vectors.WRONG_TEXT_KEY
    assert vectors.WRONG_TEXT_KEY not in signature
    assert base64.b64decode(signature[3:]).hex() == vectors.WRONG_HEX
    assert vectors.WRONG_HEX not in signature


@pytest.mark.parametrize("vector", vectors.V1A, ids=lambda vector: vector.message_id)
def test_ed25519_signs_as_published(vector: Vector) -> None:
    pair = signing.decode_private_key(WHSK_SEED)
    signature = signing.sign_v1a(pair, vector.message_id, TIMESTAMP, vector.body)
    assert signature == vectors.V1A[vector]
    assert signing.public_key_of(WHSK_SEED) == vectors.PUBLIC
    content = signing.signed_bytes(vector.message_id, TIMESTAMP, vector.body)
    public = signing.decode_public_key(vectors.PUBLIC)
    public.verify(base64.b64decode(signature[4:]), content)
    assert signing.verify_v1a([public], signature, content)
    assert not signing.verify_v1a([public], signature, content + b" ")


@time_machine.travel(AT, tick=False)
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.message_id)
def test_the_libraries_of_others_agree(library: type, vector: Vector) -> None:
    for secret, wanted in ((A, vector.with_a), (B, vector.with_b)):
        other = library(secret)
        assert other.sign(vector.message_id, AT, vector.body.decode()) == wanted
        verified = standardwebhooks.Webhook(secret)
        verified.verify(vector.body, headers(vector.message_id, wanted), json_parse=False)


@time_machine.travel(AT, tick=False)
@pytest.mark.parametrize("library", LIBRARIES)
def test_while_two_secrets_live_each_of_them_verifies(library: type) -> None:
    both = headers(V1.message_id, f"{vectors.V1_ROTATION} {vectors.V1A[V1]}")
    for secret in (A, B):
        library(secret).verify(V1.body, both)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(C).verify(V1.body, both)


@given(
    body=st.text().map(lambda text: text.encode("utf-8", "replace")),
    raw=st.binary(min_size=24, max_size=64),
    message_id=st.from_regex(r"\Amsg_[0-9a-zA-Z_]{1,60}\Z"),
    second=st.integers(min_value=0, max_value=4_000_000_000),
)
def test_whatever_is_signed_the_libraries_accept(
    body: bytes, raw: bytes, message_id: str, second: int
) -> None:
    secret = "whsec_" + base64.b64encode(raw).decode()
    signature = signing.sign_v1(key(secret), message_id, second, body)
    with time_machine.travel(datetime.fromtimestamp(second, UTC), tick=False):
        standardwebhooks.Webhook(secret).verify(
            body, headers(message_id, signature, second), json_parse=False
        )
    content = signing.signed_bytes(message_id, second, body)
    assert signing.verify_v1([raw], signature, content)
    assert not signing.verify_v1([raw[::-1] + b"x"], signature, content)


@given(
    body=st.binary(),
    message_id=st.from_regex(r"\Amsg_[0-9a-f]{32}\Z"),
    raw=st.binary(min_size=32, max_size=32),
)
def test_bodies_that_are_no_text_are_signed_as_bytes(
    body: bytes, message_id: str, raw: bytes
) -> None:
    content = message_id.encode() + b".1." + body
    expected = base64.b64encode(hmac.digest(raw, content, "sha256")).decode()
    assert signing.sign_v1(raw, message_id, 1, body) == f"v1,{expected}"
    pair = Ed25519PrivateKey.from_private_bytes(raw)
    signature = signing.sign_v1a(pair, message_id, 1, body)
    assert signing.verify_v1a([pair.public_key()], signature, content)


def test_a_time_in_nairobi_is_signed_as_its_second() -> None:
    """The reference package replaces the zone instead of converting it: a wrong timestamp."""
    nairobi = AT.astimezone(timezone(timedelta(hours=3)))
    wrong = standardwebhooks.Webhook(A).sign(V1.message_id, nairobi, V1.body.decode())
    ours = signing.sign_v1(key(A), V1.message_id, int(nairobi.timestamp()), V1.body)
    assert ours == V1.with_a != wrong


@pytest.mark.parametrize(
    "message_id",
    ["", "a.1767225600", ".", "msg 1", "msg_1\n", "msg_1\r\nX: y", "wanjikũ", "x" * 201, "\x00"],
)
def test_ids_that_could_be_read_in_two_ways_are_refused(message_id: str) -> None:
    assert not signing.is_message_id(message_id)
    with pytest.raises(InvalidInput, match="message_id"):
        signing.sign_v1(key(A), message_id, TIMESTAMP, b"x")


def test_why_a_full_stop_is_refused() -> None:
    """Its two readings have one signature in the reference package."""
    library = standardwebhooks.Webhook(A)
    assert library.sign("a.1767225600", AT, "x") == library.sign("a", AT, "1767225600.x")


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("1767225600", TIMESTAMP),
        ("0", 0),
        ("999999999999", 999_999_999_999),
        ("1767225600.9", None),
        (" 1767225600 ", None),
        ("1767_225600", None),
        ("1.7672256e9", None),
        ("+1767225600", None),
        ("-1", None),
        ("1767225600000", None),
        ("١٧٦٧٢٢٥٦٠٠", None),
        ("1767225600\n", None),
        ("1767225600,1767225600", None),
        ("", None),
    ],
)
def test_a_timestamp_is_digits_and_nothing_else(text: str, second: int | None) -> None:
    assert signing.read_timestamp(text) == second


@pytest.mark.parametrize("secret", [A, B, C])
def test_padding_may_be_missing(secret: str) -> None:
    assert key(secret.rstrip("=")) == key(secret)


@pytest.mark.parametrize("size", [24, 25, 26, 32, 63, 64])
def test_secrets_of_24_to_64_bytes_are_taken(size: int) -> None:
    raw = bytes(range(size))
    text = "whsec_" + base64.b64encode(raw).decode()
    assert key(text) == key(text.rstrip("=")) == raw
    assert signing.is_standard(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "WHSEC_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
        "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
        "whsec_AAECAwQF BgcICQoLDA0ODxAREhMUFRYX",
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX\n",
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFR-_",
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXG",
        "whsec_ũũũũ",
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        None,
        b"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
    ],
)
def test_other_texts_are_no_secret_and_are_not_quoted(text: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        signing.decode_secret(text)  # type: ignore[arg-type]
    assert "AAEC" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_private_keys_come_as_seed_or_with_their_public_key() -> None:
    public = base64.b64decode(vectors.PUBLIC.removeprefix("whpk_"))
    whole = "whsk_" + base64.b64encode(vectors.SEED + public).decode()
    for text in (WHSK_SEED, whole, whole.rstrip("=")):
        assert signing.public_key_of(text) == vectors.PUBLIC
    foreign = "whsk_" + base64.b64encode(vectors.SEED + vectors.SEED).decode()
    for text in (foreign, WHSK_SEED[:-8], A, ""):
        with pytest.raises(InvalidInput, match="asymmetric_key"):
            signing.decode_private_key(text)
    with pytest.raises(InvalidInput, match="public_key"):
        signing.decode_public_key("whpk_AAAA")


def test_new_secrets_are_random_and_long_enough() -> None:
    made = {signing.new_secret() for _ in range(20)}
    assert len(made) == 20
    assert {len(key(text)) for text in made} == {32}
    pair = signing.new_key_pair()
    assert signing.public_key_of(pair.private) == pair.public
    assert pair.private not in repr(pair)


def test_entries_of_other_versions_and_malformed_ones_are_passed_over() -> None:
    content = signing.signed_bytes(V1.message_id, TIMESTAMP, V1.body)
    good = V1.with_a
    for noise in ("v0,xx", "v1", "v1,", "v1,%%%", "v1,a,b", ",", "", "v1,ũ", "v2," + good[3:]):
        assert not signing.verify_v1([key(A)], noise, content)
        assert signing.verify_v1([key(A)], f"{noise} {good}", content)
        assert signing.verify_v1([key(B), key(A)], f"{good} {noise}", content)
    # Two headers that a proxy joined by a comma are no entry.
    assert not signing.verify_v1([key(A)], f"{good},{good}", content)
    assert not signing.verify_v1([], good, content)
    assert not signing.verify_v1a([], vectors.V1A[V1], content)


@given(st.text())
def test_no_header_breaks_the_verifier(text: str) -> None:
    assert not signing.verify_v1([key(A)], text, b"content")
    public = signing.decode_public_key(vectors.PUBLIC)
    assert not signing.verify_v1a([public], text, b"content")


def test_the_original_signed_time_and_payload_not_the_body() -> None:
    stamp, payload = "2026-01-01T00:00:00+00:00", b'{"invoice":"INV-1","payer":"Wanjik\xc5\xa9"}'
    text = f'{{"timestamp":"{stamp}","payload":{payload.decode()}}}'
    wanted = hmac.new(b"any text", text.encode(), "sha256").hexdigest()
    assert signing.original_signature("any text", stamp, payload) == wanted
