"""`mpesa-settings/`: documented fields, write-only secrets, the model's own rules, rights."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from rest_framework.test import APIClient

from integrations.crypto import MASK
from integrations.models import ApiAnswer, AuditEntry, BusinessGrant, MpesaSettings
from tests.api.conftest import logged_in, user_with, with_token
from tests.conftest import CONSUMER_KEY, CONSUMER_SECRET
from tests.hunt.plants import planted
from tests.sandbox.driver import SandboxDriver

URL = "/api/v1/integrations/mpesa-settings/"
EVERY_RIGHT = tuple(f"{verb}_mpesasettings" for verb in ("view", "add", "change", "delete"))
DOCUMENTED = {
    "id", "integration", "short_code", "base_url", "callback_base_url", "initiator_name",
    "consumer_key_preview", "consumer_secret_preview", "passkey_preview",
    "security_credential_preview",
}  # fmt: skip
SENT = {
    "consumer_key": CONSUMER_KEY,
    "consumer_secret": CONSUMER_SECRET,
    "passkey": planted("passkey"),
    "short_code": "174379",
}


@pytest.fixture
def staff(transactional_db: None) -> APIClient:
    return logged_in(user_with(*EVERY_RIGHT, is_staff=True, businesses=("*",)))


@pytest.fixture
def row(transactional_db: None) -> MpesaSettings:
    return MpesaSettings.objects.create(**SENT)


def test_a_row_is_made_and_read_with_the_documented_fields(staff: APIClient) -> None:
    made = staff.post(URL, {**SENT, "business": "duka"})
    assert made.status_code == 201, made.json()
    body = made.json()
    assert set(body) >= DOCUMENTED
    assert (body["business"], body["environment"], body["status"], body["last_test"]) == (
        "duka", "sandbox", "not_tested", None,
    )  # fmt: skip
    stored = MpesaSettings.objects.get()
    assert stored.passkey.reveal() == planted("passkey")
    assert body["integration"] == stored.integration_id
    assert staff.get(f"{URL}{body['id']}/").json() == body
    assert staff.get(URL).json() == [body]
    entry = AuditEntry.objects.get(action="settings.created")
    assert entry.actor_name.startswith("caller-")
    assert "passkey" in entry.fields


def test_previews_tell_that_a_secret_is_set_and_nothing_of_it(
    staff: APIClient, row: MpesaSettings
) -> None:
    body = staff.get(f"{URL}{row.pk}/").json()
    assert not set(MpesaSettings.secret_fields()) & set(body)
    preview = body["consumer_key_preview"]
    assert preview.startswith("set, fingerprint ") and len(preview) == len("set, fingerprint 4f2a")
    assert body["initiator_password_preview"] == ""
    for secret in (row.consumer_key, row.passkey):
        assert secret.token not in str(body)


def test_a_secret_that_is_left_out_stays_and_an_empty_one_is_cleared(
    staff: APIClient, row: MpesaSettings
) -> None:
    MpesaSettings.objects.update(initiator_password=planted("initiator password"))
    answer = staff.patch(f"{URL}{row.pk}/", {"initiator_password": "", "initiator_name": "bot"})
    assert answer.status_code == 200, answer.json()
    again = MpesaSettings.objects.get()
    assert not again.initiator_password
    assert again.initiator_name == "bot"
    assert again.passkey.reveal() == planted("passkey")


def test_what_was_read_may_be_put_back(staff: APIClient, row: MpesaSettings) -> None:
    body = staff.get(f"{URL}{row.pk}/").json()
    answer = staff.put(f"{URL}{row.pk}/", {**body, "minimum_amount": 5})
    assert answer.status_code == 200, answer.json()
    again = MpesaSettings.objects.get()
    assert again.minimum_amount == 5
    assert again.consumer_key.reveal() == CONSUMER_KEY


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"passkey": MASK}, "passkey"),
        ({"passkey": None}, "passkey"),
        ({"passkey": " "}, "passkey"),
        ({"passkey": "a\u0000b"}, "passkey"),
        ({"short_code": "12"}, "short_code"),
        ({"minimum_amount": 10, "maximum_amount": 5}, "minimum_amount"),
        ({"environment": "moon"}, "environment"),
        ({"base_url": "javascript:alert(1)"}, "base_url"),
        ({"sandbox_url": "https://10.0.0.1/", **SENT}, "sandbox_url"),
        ({"shared": True, "business": "duka"}, "shared"),
        ({"passkye": "x"}, "passkye"),
        ({"business": "x" * 65}, "business"),
        ({"integration": 999999}, "integration"),
    ],
)
def test_bad_input_is_refused_on_its_field(
    staff: APIClient, row: MpesaSettings, sent: dict[str, Any], field: str
) -> None:
    before = MpesaSettings.objects.values().get()
    answer = staff.patch(f"{URL}{row.pk}/", sent)
    assert answer.status_code == 400, answer.json()
    error = answer.json()["error"]
    assert error["field"] == field
    assert field in error["detail"]
    assert MpesaSettings.objects.values().get() == before


def test_a_new_host_demands_the_secrets_again(staff: APIClient, row: MpesaSettings) -> None:
    move = {"sandbox_url": "https://evil.example.com"}
    answer = staff.patch(f"{URL}{row.pk}/", move)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert set(error["detail"]) == {"consumer_key", "consumer_secret", "passkey"}
    assert "type this secret again" in str(error["detail"]["passkey"])
    assert error["code"] == "host_not_confirmed"
    retyped = {name: SENT[name] for name in ("consumer_key", "consumer_secret", "passkey")}
    assert staff.patch(f"{URL}{row.pk}/", {**move, **retyped}).status_code == 200


def test_a_second_row_of_a_business_is_refused(staff: APIClient, row: MpesaSettings) -> None:
    answer = staff.post(URL, SENT)
    assert answer.status_code == 400
    assert "already has M-Pesa settings" in str(answer.json()["error"]["detail"])


def test_a_row_is_deleted_with_an_entry_in_the_trail(staff: APIClient, row: MpesaSettings) -> None:
    assert staff.delete(f"{URL}{row.pk}/").status_code == 204
    assert not MpesaSettings.objects.exists()
    assert AuditEntry.objects.filter(action="settings.deleted").exists()


@pytest.mark.parametrize("pk", ["0", "999999", "9" * 40, "-1", "abc", "%00", "١"])
def test_what_is_not_there_is_not_found(staff: APIClient, row: MpesaSettings, pk: str) -> None:
    for answer in (staff.get(f"{URL}{pk}/"), staff.patch(f"{URL}{pk}/", {})):
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "not_found"


def test_each_method_asks_for_its_right(row: MpesaSettings) -> None:
    detail = f"{URL}{row.pk}/"
    reader = logged_in(user_with("view_mpesasettings"))
    assert reader.get(URL).status_code == reader.get(detail).status_code == 200
    no_staff = logged_in(user_with(*EVERY_RIGHT))
    nothing = logged_in(user_with(is_staff=True))
    assert nothing.get(URL).status_code == nothing.get(f"{URL}current/").status_code == 403
    for client in (reader, no_staff, nothing, APIClient()):
        expected = 403 if client.credentials is not None and client.cookies else 401
        assert client.post(URL, {}, format="json").status_code == expected
        assert client.patch(detail, {}, format="json").status_code == expected
        assert client.put(detail, {}, format="json").status_code == expected
        assert client.delete(detail).status_code == expected
        assert client.post(f"{detail}test/").status_code == expected
    assert MpesaSettings.objects.count() == 1


def test_a_token_writes_with_its_scope_and_its_users_permission(row: MpesaSettings) -> None:
    user = user_with("view_mpesasettings", "change_mpesasettings", is_staff=True)
    detail = f"{URL}{row.pk}/"
    client = with_token(user, "settings:write")
    assert client.patch(detail, {"initiator_name": "bot"}).status_code == 200
    assert client.get(detail).status_code == 403  # reading is a scope of its own
    assert client.delete(detail).status_code == 403  # its user may not
    assert with_token(user, "settings:read").patch(detail, {}).status_code == 403


def test_a_token_loses_its_writes_with_its_users_staff_status(row: MpesaSettings) -> None:
    user = user_with(*EVERY_RIGHT, is_staff=True)
    client = with_token(user, "settings:write", "settings:read")
    detail = f"{URL}{row.pk}/"
    assert client.patch(detail, {"initiator_name": "bot"}).status_code == 200
    User.objects.filter(pk=user.pk).update(is_staff=False)
    refused = client.patch(detail, {"initiator_name": "late"})
    assert (refused.status_code, refused.json()["error"]["detail"]) == (
        403,
        "Only staff may do this.",
    )
    for answer in (
        client.post(URL, {**SENT, "business": ""}), client.put(detail, {}), client.delete(detail),
        client.post(f"{detail}test/"), client.post("/api/v1/integrations/cache/clear/"),
    ):  # fmt: skip
        assert answer.status_code == 403
    assert client.get(detail).json()["initiator_name"] == "bot"


def test_a_strangers_row_does_not_exist(transactional_db: None) -> None:
    theirs = MpesaSettings.objects.create(**SENT, business="b1")
    client = logged_in(user_with(*EVERY_RIGHT, is_staff=True, businesses=("b2",)))
    mine = client.post(URL, {**SENT, "business": "b2"}).json()
    assert [each["id"] for each in client.get(URL).json()] == [mine["id"]]
    assert client.get(f"{URL}?business=b1").json() == []
    detail = f"{URL}{theirs.pk}/"
    for answer in (
        client.get(detail), client.patch(detail, {}), client.put(detail, {}),
        client.delete(detail), client.post(f"{detail}test/"),
    ):  # fmt: skip
        assert answer.status_code == 404
    # The same answer whether or not that business has settings.
    refusals = [client.post(URL, {**SENT, "business": name}) for name in ("b1", "nobody")]
    refusals.append(client.patch(f"{URL}{mine['id']}/", {"business": "b1"}))
    assert {(each.status_code, each.content) for each in refusals} == {
        (403, refusals[0].content)
    }  # fmt: skip
    assert refusals[0].json()["error"]["field"] == "business"
    assert client.get(f"{URL}current/?business=b1").status_code == 403
    theirs.refresh_from_db()
    assert theirs.business == "b1"


def test_current_is_the_row_or_the_documented_defaults(staff: APIClient) -> None:
    body = staff.get(f"{URL}current/").json()
    assert (body["short_code"], body["base_url"]) == ("174379", "https://sandbox.safaricom.co.ke")
    assert (body["source"], body["configured"], body["passkey"]) == ("default", False, "")
    assert staff.get(f"{URL}current/?business=none-yet").json()["source"] == "default"
    made = staff.post(URL, {**SENT, "shared": True}).json()
    assert staff.get(f"{URL}current/").json() == made
    shared = staff.get(f"{URL}current/?business=duka").json()
    assert (shared["source"], shared["configured"], shared["business"]) == ("row", True, "duka")
    assert shared["consumer_key"] == ""


def test_the_connection_is_tested_with_what_is_saved(
    staff: APIClient, mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.app(CONSUMER_KEY, "another secret")
    found = staff.post(f"{URL}{mpesa.pk}/test/").json()
    assert (found["success"], found["status"]) == (False, "failing")
    shown = staff.get(f"{URL}{mpesa.pk}/").json()
    assert shown["last_test"]["ok"] is False
    assert shown["last_test"]["message"] == found["message"]
    sandbox.reset()
    found = staff.post(f"{URL}{mpesa.pk}/test/").json()
    assert (found["success"], found["status"]) == (True, "connected"), found
    assert found["message"].startswith(f"Connected to {sandbox.daraja_url}")
    assert AuditEntry.objects.filter(action="settings.tested").count() == 2


def test_connection_tests_are_limited(
    staff: APIClient, row: MpesaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    MpesaSettings.objects.update(passkey="")  # not configured: nothing is sent
    monkeypatch.setattr("integrations.api.throttles.TestThrottle.default_rate", "2/min")
    answers = [staff.post(f"{URL}{row.pk}/test/") for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert int(answers[2]["Retry-After"]) > 0
    assert answers[2].json()["error"]["code"] == "throttled"


def test_a_repeated_key_answers_again_and_does_nothing(staff: APIClient) -> None:
    sent = {**SENT, "business": "duka"}
    key = {"Idempotency-Key": "order-1"}
    first = staff.post(URL, sent, headers=key)
    again = staff.post(URL, sent, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    other = staff.post(URL, {**sent, "business": "kiosk"}, headers=key)
    assert other.status_code == 409
    assert other.json()["error"]["code"] == "idempotency_mismatch"
    assert MpesaSettings.objects.count() == 1
    # Somebody else's key of the same text is another key.
    elsewhere = logged_in(user_with(*EVERY_RIGHT, is_staff=True, businesses=("kiosk",)))
    made = elsewhere.post(URL, {**sent, "business": "kiosk"}, headers=key)
    assert made.status_code == 201


@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_change_is_done_once_for_its_key(
    staff: APIClient, row: MpesaSettings, method: str
) -> None:
    key, detail = {"Idempotency-Key": "change-1"}, f"{URL}{row.pk}/"
    send = getattr(staff, method)
    first = send(detail, {"minimum_amount": 5}, headers=key)
    assert first.status_code == 200, first.json()
    assert staff.patch(detail, {"minimum_amount": 7}).status_code == 200
    again = send(detail, {"minimum_amount": 5}, headers=key)
    assert (again.status_code, again.json()) == (200, first.json())
    assert again["Idempotency-Replayed"] == "true"
    assert MpesaSettings.objects.get().minimum_amount == 7
    other = send(detail, {"minimum_amount": 6}, headers=key)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_mismatch")


def test_a_repeated_change_is_hidden_from_who_lost_the_business(row: MpesaSettings) -> None:
    user = user_with(*EVERY_RIGHT, is_staff=True)
    key, detail = {"Idempotency-Key": "change-1"}, f"{URL}{row.pk}/"
    assert logged_in(user).patch(detail, {"minimum_amount": 5}, headers=key).status_code == 200
    BusinessGrant.objects.create(user=user, business="elsewhere")
    answer = logged_in(user).patch(detail, {"minimum_amount": 5}, headers=key)
    assert answer.status_code == 403
    assert "short_code" not in answer.json()


def test_a_repeated_delete_is_answered_as_the_first(staff: APIClient, row: MpesaSettings) -> None:
    key, detail = {"Idempotency-Key": "delete-1"}, f"{URL}{row.pk}/"
    first, again = (cast(Any, staff.delete(detail, headers=key)) for _ in range(2))
    assert (first.status_code, again.status_code) == (204, 204)
    assert again.data is None
    assert again["Idempotency-Replayed"] == "true"
    assert staff.delete(detail).status_code == 404
    assert staff.delete(detail, headers={"Idempotency-Key": "delete-2"}).status_code == 404
    assert AuditEntry.objects.filter(action="settings.deleted").count() == 1


def test_a_refused_request_may_be_corrected_under_its_key(staff: APIClient) -> None:
    key = {"Idempotency-Key": "order-1"}
    assert staff.post(URL, {"short_code": "1"}, headers=key).status_code == 400
    assert not ApiAnswer.objects.exists()
    assert staff.post(URL, SENT, headers=key).status_code == 201


@pytest.mark.parametrize("key", ["", " ", "x" * 129, "h\u00e9"])
def test_a_key_that_can_not_be_kept_is_refused(staff: APIClient, key: str) -> None:
    answer = staff.post(URL, SENT, headers={"Idempotency-Key": key})
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == "Idempotency-Key"


def test_of_two_requests_at_once_one_is_done(transactional_db: None) -> None:
    user = user_with(*EVERY_RIGHT, is_staff=True)
    clients = [logged_in(user) for _ in range(4)]
    gate = threading.Barrier(4)

    def send(client: APIClient) -> tuple[int, int]:
        try:
            gate.wait(10)
            answer = client.post(URL, SENT, headers={"Idempotency-Key": "once"})
            return answer.status_code, answer.json()["id"]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        answers = set(pool.map(send, clients))
    connection.close()
    assert answers == {(201, MpesaSettings.objects.get().pk)}
    assert AuditEntry.objects.filter(action="settings.created").count() == 1


def test_an_answer_is_forgotten_after_its_time(staff: APIClient) -> None:
    key = {"Idempotency-Key": "order-1"}
    first = staff.post(URL, SENT, headers=key).json()
    ApiAnswer.objects.update(expires_at="2020-01-01T00:00:00Z")
    staff.delete(f"{URL}{first['id']}/")
    again = staff.post(URL, {**SENT, "business": "duka"}, headers=key)
    assert again.status_code == 201
    assert again.json()["id"] != first["id"]
