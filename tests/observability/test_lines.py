"""What a log line looks like, whoever wrote it, and what is never in it."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
import structlog

from bengoerp.logging import line_formatter
from integrations.correlation import correlated
from integrations.crypto.masking import HIDDEN, redact_fields
from integrations.logs import log_event
from tests.observability.conftest import Lines

log = logging.getLogger("tests.lines")
struct = structlog.get_logger("tests.lines")
WORD = "hushhush7"


def test_both_kinds_of_logging_make_the_same_line(lines: Lines) -> None:
    log_event(log, logging.WARNING, "till_opened", till=7, drawer=None)
    struct.warning("till_opened", till=7)
    first, second = lines("till_opened")
    assert first.pop("time") <= second.pop("time")
    assert first == second == {
        "level": "warning", "logger": "tests.lines", "event": "till_opened", "till": 7,
    }  # fmt: skip


def test_a_handler_that_knows_no_fields_gets_them_as_text(caplog: Any) -> None:
    with caplog.at_level(logging.INFO, "tests.lines"):
        log_event(log, logging.INFO, "till_opened", till=7, by="a b\nevent=forged")
    assert caplog.messages == ["event=till_opened till=7 by=a_b_event_forged"]


def test_what_is_bound_stands_in_every_line_of_the_block(lines: Lines) -> None:
    with correlated("abc", queue="payments"):
        log.info("inside")
    log.info("outside")
    (inside,), (outside,) = lines("inside"), lines("outside")
    assert (inside["correlation_id"], inside["queue"]) == ("abc", "payments")
    assert "correlation_id" not in outside


@pytest.mark.parametrize("write", [
    lambda: log.warning("got password=%s", WORD),
    lambda: log_event(log, logging.WARNING, "got", password=WORD),
    lambda: log_event(log, logging.WARNING, "got", body={"Passkey": WORD, "x": [f"Bearer {WORD}"]}),
    lambda: struct.warning("got", access_token=WORD),
    lambda: struct.warning("got", url=f"redis://user:{WORD}@host"),
    lambda: struct.warning(f"got passkey={WORD}"),
])  # fmt: skip
def test_secrets_are_taken_out_of_text_and_of_fields(lines: Lines, write: Any) -> None:
    write()
    (line,) = lines()
    assert line["event"].startswith("got")
    assert WORD not in json.dumps(line)


def test_a_bound_value_is_redacted_too(lines: Lines) -> None:
    with structlog.contextvars.bound_contextvars(note=f"password={WORD}"):
        log.info("inside")
    assert lines("inside")[0]["note"] == "password=[hidden]"


@pytest.mark.parametrize("logger", [log, struct])
def test_a_traceback_is_one_field_without_variables_or_secrets(lines: Lines, logger: Any) -> None:
    plaintext = WORD  # noqa: F841
    try:
        raise ValueError(f"password={WORD}")
    except ValueError:
        logger.exception("broke")
    (line,) = lines("broke")
    assert "ValueError: password=[hidden]" in line["exception"]
    assert WORD not in json.dumps(line)


def test_a_field_of_any_type_makes_a_line() -> None:
    fields = {"a": object(), "b": {1: b"x"}, "c": {"d": {"e": {"f": {"g": [1]}}}}, "h": {1, 2}}
    assert json.dumps(redact_fields(fields))
    assert redact_fields({"secret": 0, "pin_password": 1234}) == {
        "secret": 0, "pin_password": HIDDEN,
    }  # fmt: skip


def test_for_people_the_line_is_text_with_the_same_fields() -> None:
    record = log.makeRecord("tests.lines", 20, "f", 1, "password=%s", (WORD,), None)
    text = line_formatter(as_json=False).format(record)
    assert "password=[hidden]" in text and "info" in text and "tests.lines" in text
