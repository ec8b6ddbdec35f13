"""One row and one line per call, and never a changed outcome."""

from __future__ import annotations

import logging
import threading

import pytest
from django.db import connection, transaction

from integrations.exceptions import (
    ConfigurationError,
    OutcomeUnknown,
    ProviderError,
    TransportError,
)
from integrations.models.provider_call import ProviderCall
from integrations.outbound import flush, recorded
from tests.outbound.conftest import get, limits, pay
from tests.outbound.servers import answer, drop, in_turn

pytestmark = pytest.mark.django_db(transaction=True)


class RollbackError(Exception):
    """Ends a transaction."""


def _row() -> ProviderCall:
    return ProviderCall.objects.get()


def test_a_call_leaves_one_row_with_what_people_ask_for(serve, client_for):
    server = serve(answer(200, b'{"requestId": "1c5b-4ba8"}'))
    client = client_for(server, business="shop-1", environment="sandbox")
    client.send(
        pay(server, reference="INV001"),
        classify=lambda response: ("ok", "0", response.json()["requestId"]),
    )
    row = _row()
    assert (row.provider, row.operation, row.business) == ("mpesa", "stk_push", "shop-1")
    assert (row.environment, row.outcome, row.http_status) == ("sandbox", "ok", 200)
    assert (row.error_code, row.provider_request_id) == ("0", "1c5b-4ba8")
    assert (row.reference, row.credential, row.cost) == ("INV001", "c1", None)
    assert 0 <= row.latency_ms < 5000
    assert row.created_at.tzinfo is not None


@pytest.mark.parametrize(
    ("status", "money", "query"),
    [
        (200, "ok", "ok"),
        (302, "refused", "refused"),
        (404, "refused", "refused"),
        (500, "unknown", "failed"),
    ],
)
def test_without_a_better_word_the_status_names_the_outcome(
    serve, client_for, status, money, query
):
    server = serve(answer(status))
    client_for(server).send(pay(server))
    assert _row().outcome == money
    ProviderCall.objects.all().delete()
    client_for(server).send(get(server))
    assert _row().outcome == query


@pytest.mark.parametrize(("make", "outcome"), [(pay, "unknown"), (get, "failed")])
def test_a_lost_answer_to_a_payment_is_unknown(serve, client_for, make, outcome):
    server = serve(drop)
    with pytest.raises(TransportError):
        client_for(server).send(make(server))
    row = _row()
    assert (row.outcome, row.error_code, row.http_status) == (outcome, "connection_lost", None)


def test_an_unreadable_answer_to_a_payment_is_unknown(serve, client_for):
    server = serve(answer(200, b"<html>"))
    client_for(server).send(pay(server), classify=lambda r: ("ok", r.json()["x"], ""))
    row = _row()
    assert (row.outcome, row.error_code, row.http_status) == ("unknown", "not_json", 200)


def test_the_last_attempt_counts(serve, client_for):
    server = serve(in_turn(answer(404), drop))
    with pytest.raises(TransportError):
        client_for(server).send(
            pay(server),
            authorize=lambda deadline: ("t", 3599),
            rejects_token=lambda response: response.status == 404,
            classify=lambda response: ("refused", "404.001.03", "r1"),
        )
    row = _row()
    assert (row.outcome, row.error_code, row.http_status) == ("unknown", "connection_lost", None)
    assert row.provider_request_id == ""


def test_calls_that_were_stopped_here_are_blocked(serve, client_for):
    ours, other = serve(), serve()
    with pytest.raises(ConfigurationError):
        client_for(ours).send(pay(other))
    assert (_row().outcome, _row().error_code) == ("blocked", "host_not_confirmed")


def test_a_classifier_that_breaks_changes_nothing(serve, client_for):
    server = serve()
    response = client_for(server).send(pay(server), classify=lambda response: 1 / 0)
    assert response.status == 200
    assert _row().outcome == "ok"


def test_inside_a_transaction_the_row_waits_for_the_commit(serve, client_for):
    server = serve()
    with transaction.atomic():
        client_for(server).send(get(server))
        with transaction.atomic():
            client_for(server).send(get(server))
        assert ProviderCall.objects.count() == 0
    assert ProviderCall.objects.count() == 2


def test_a_rollback_does_not_take_the_row_along(serve, client_for):
    server = serve()
    with pytest.raises(RollbackError), transaction.atomic():
        client_for(server).send(get(server, reference="first"))
        raise RollbackError
    assert ProviderCall.objects.count() == 0
    client_for(server).send(get(server, reference="second"))
    assert set(ProviderCall.objects.values_list("reference", flat=True)) == {"first", "second"}


def test_after_a_rollback_flush_writes_what_waits():
    with pytest.raises(RollbackError), transaction.atomic(), recorded("kra", "sync"):
        raise RollbackError
    assert ProviderCall.objects.count() == 0
    flush()
    flush()
    assert ProviderCall.objects.count() == 1


def test_a_broken_transaction_is_left_alone():
    with pytest.raises(RollbackError), transaction.atomic():
        transaction.set_rollback(True)
        with recorded("kra", "sync"):
            pass
        raise RollbackError
    flush()
    assert _row().operation == "sync"


def test_a_failed_insert_changes_no_outcome_and_is_logged(serve, client_for, caplog):
    server = serve()
    with connection.schema_editor() as editor:
        editor.delete_model(ProviderCall)
    try:
        with caplog.at_level(logging.INFO, "integrations.outbound"):
            assert client_for(server).send(pay(server)).status == 200
            server.reply = drop
            with pytest.raises(TransportError, match="broke"):
                client_for(server).send(pay(server))
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(ProviderCall)
    events = [record.getMessage().split()[0] for record in caplog.records]
    assert events.count("event=provider_call_not_recorded") == 2
    assert events.count("event=provider_call") == 2


def test_the_log_line_has_fields_and_no_body_no_secret_no_second_line(serve, client_for, caplog):
    server = serve(answer(200, b'{"access_token": "t0psecret"}'))
    call = pay(
        server,
        json={"Password": "t0psecret"},
        headers={"Authorization": "Bearer t0psecret"},
        reference="INV 1\nevent=forged",
    )
    with caplog.at_level(logging.DEBUG, "integrations.outbound"):
        client_for(server).send(call, classify=lambda r: ("ok", "a b=c", "r\n2"))
    [line] = [r.getMessage() for r in caplog.records if "event=provider_call " in r.getMessage()]
    assert "outcome=ok status=200 code=a_b_c " in line
    assert "reference=INV_1_event_forged" in line
    assert "\n" not in line
    assert "t0psecret" not in caplog.text


def test_what_a_provider_says_cannot_break_the_row(serve, client_for):
    server = serve()
    client_for(server).send(pay(server), classify=lambda r: ("ok", "x\0" * 500, "y" * 5000))
    row = _row()
    assert set(row.error_code) == {"x"}
    assert len(row.provider_request_id) == 120


def test_an_sdk_seam_records_its_own_calls():
    with recorded("stripe", "charge", reference="r") as record:
        record.http_status, record.provider_request_id = 201, "req_1"
    assert (_row().outcome, _row().http_status) == ("ok", 201)
    ProviderCall.objects.all().delete()
    with pytest.raises(ProviderError), recorded("stripe", "charge"):
        raise ProviderError("no", code="card_declined", permanent=True)
    assert (_row().outcome, _row().error_code) == ("refused", "card_declined")


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        (TransportError("x", sent=False, code="breaker_open"), "blocked", "breaker_open"),
        (TransportError("x", sent=False, code="dns"), "failed", "dns"),
        (TransportError("x", sent=True, code="timeout"), "unknown", "timeout"),
        (OutcomeUnknown("x"), "unknown", "outcome_unknown"),
        (KeyboardInterrupt(), "unknown", "KeyboardInterrupt"),
        (RuntimeError("x"), "unknown", "RuntimeError"),
    ],
)
def test_every_ending_has_an_outcome(error, outcome, code):
    with pytest.raises(type(error)), recorded("stripe", "charge"):
        raise error
    assert (_row().outcome, _row().error_code) == (outcome, code)


def test_threads_keep_their_waiting_rows_apart():
    with transaction.atomic(), recorded("kra", "here"):
        thread = threading.Thread(target=flush)
        thread.start()
        thread.join(5)
    assert _row().operation == "here"


def test_retries_are_one_row(serve, client_for):
    server = serve(in_turn(answer(503), answer(503), answer(200)))
    client_for(server).send(get(server, retry=3, limits=limits()))
    assert (_row().outcome, _row().http_status) == ("ok", 200)
