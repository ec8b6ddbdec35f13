"""What is taken out of logs and error reports."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from bengoerp.logging import line_formatter
from integrations.crypto.masking import RedactingFilter, redact
from tests.processes import child_environment

HUSH = "hush,hush 7"
WORD = "hushhush7"


@pytest.mark.parametrize("name", [
    "password", "Password", "initiator_password", "passkey", "consumer_key", "consumerSecret",
    "client_secret", "SECRET_KEY", "api_key", "apikey", "x-api-key", "access_token",
    "refresh_token", "SecurityCredential", "security_credential", "CYPHER_KEY", "private_key",
])  # fmt: skip
@pytest.mark.parametrize("shape", [
    '{{"{0}": "{1}"}}', "{{'{0}': '{1}'}}", "{0}='{1}'", '{0} = "{1}"', '{{\\"{0}\\": \\"{1}\\"}}',
    "&#x27;{0}&#x27;: &#x27;{1}&#x27;", "{0}=&quot;{1}&quot;",
])  # fmt: skip
def test_a_quoted_secret_goes_whole(name, shape):
    text = redact("before " + shape.format(name, HUSH) + " after")
    assert "hush" not in text
    assert text.startswith("before ") and text.endswith(" after")


@pytest.mark.parametrize("text", [
    f"password={WORD}&next=1", f"?access_token={WORD}", f"passkey: {WORD}, other: 1",
    f"MPESA_PASSKEY={WORD}", f"Authorization: Bearer {WORD}", f"authorization: basic {WORD}==",
    f"Bearer {WORD}.{WORD}-x", f"redis://user:{WORD}@host:6379/0", f"postgres://:{WORD}@h/db",
    f"amqp://guest:{WORD}@10.0.0.1//", r"password='it\'s " + WORD + "'",
])  # fmt: skip
def test_a_bare_secret_goes_too(text):
    assert WORD not in redact(text)


def test_tokens_of_the_http_api_go():
    assert "hush" not in redact(f"the token bit_{WORD}-{WORD}_x was sent")
    assert redact("a bit_of_this") == "a bit_of_this"


def test_tokens_and_callback_paths_go():
    token = Fernet(Fernet.generate_key()).encrypt(b"x").decode()
    assert token[10:30] not in redact(f"the row holds {token}.")
    for prefix in ("/", "https://erp.example/api/v1/integrations/"):
        assert "0123456789abcdef" not in redact(f"POST {prefix}cb/stk/{'0123456789abcdef' * 2}/")


@pytest.mark.parametrize("text", [
    "M-Pesa is not configured.", "secret_hosts=['a:443']", "https://example.com:8080/path?x=1",
    "The consumer key and secret are accepted.", "payment 5 succeeded, code=0", "/cb/stk/",
    "credential=0123456789abcdef",
])  # fmt: skip
def test_what_is_no_secret_stays(text):
    assert redact(text) == text


@given(st.text(alphabet="password=:'\"\\ &;,{}x", max_size=200))
def test_redaction_takes_any_text(text):
    assert isinstance(redact(text), str)


def test_redaction_of_a_long_text_takes_no_time():
    started = time.perf_counter()
    for text in (
        "password='" + "\\" * 50_000,
        "secret" * 20_000,
        "password=" * 10_000,
        "a://" * 9000,
        # An answer of a webhook's receiver, which holds up the dispatcher while it is looked at.
        "secret " + "a." * 32_000,
        "secret://" + "+a" * 32_000,
    ):
        redact(text)
    assert time.perf_counter() - started < 2


@pytest.fixture
def log() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactingFilter())
    handler.setFormatter(line_formatter(as_json=True))
    logger = logging.getLogger("tests.redaction")
    logger.addHandler(handler)
    yield logger, stream
    logger.removeHandler(handler)


def line(stream: io.StringIO) -> dict[str, str]:
    answer: dict[str, str] = json.loads(stream.getvalue().splitlines()[-1])
    return answer


def test_a_log_line_is_redacted_after_its_arguments_are_filled_in(log):
    logger, stream = log
    logger.warning("got %s=%s", "password", WORD)
    logger.warning("got %(password)r", {"password": WORD})
    logger.warning("config %s", {"passkey": WORD})
    assert f"password={WORD}" not in stream.getvalue()
    assert line(stream)["event"] == "config {'passkey': [hidden]}"


def test_a_traceback_is_redacted_and_shows_no_variables(log):
    logger, stream = log
    plaintext = WORD  # noqa: F841
    try:
        raise ValueError(f"password={WORD!r} refused")
    except ValueError:
        logger.exception("failed")
    told = line(stream)["exception"]
    assert "ValueError" in told and WORD not in told


def test_a_stack_is_redacted(log):
    logger, stream = log
    record = logger.makeRecord("x", 30, "f", 1, "m", (), None, sinfo=f"password='{WORD}'")
    logger.handle(record)
    assert WORD not in stream.getvalue()


def test_a_log_call_with_wrong_arguments_breaks_nobody(log):
    logger, stream = log
    logger.warning("%d and %s", *["one", "two"])
    assert re.search("do not fit", line(stream)["event"])


def test_the_product_logs_through_the_filter():
    from bengoerp.logging import configure

    handlers, level = logging.root.handlers[:], logging.root.level
    try:
        configure({"level": "INFO", "json": True})
        (handler,) = [h for h in logging.root.handlers if h not in handlers]
        assert any(isinstance(item, RedactingFilter) for item in handler.filters)
        assert json.loads(handler.format(logging.makeLogRecord({"msg": "x"})))["event"] == "x"
    finally:
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
        sys.stderr.flush()


SECRET_PATH = "/api/v1/integrations/cb/stk/" + "0123456789abcdef" * 2
NOISY = f"""
import logging
from django.test import Client
Client().put({SECRET_PATH!r} + "/")
for name in ("django", "django.server"):
    logging.getLogger(name).error('"POST %s/ HTTP/1.1" %s %s', {SECRET_PATH!r}, 400, 9)
"""


def test_the_lines_of_a_development_server_hold_no_callback_secret() -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import django\ndjango.setup()\n{NOISY}"],
        env={**child_environment(),
            "DJANGO_SETTINGS_MODULE": "bengoerp.settings", "DJANGO_DEBUG": "1",
            "DJANGO_LOG_LEVEL": "DEBUG", "BENGOERP_NO_DOTENV": "1",
            "DJANGO_ALLOWED_HOSTS": "testserver"
        },
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "0123456789abcdef" not in done.stderr
    # Once each: Django's own handlers print nothing beside ours.
    assert done.stderr.count('"POST ') == 2


def test_a_row_that_postgresql_quotes_is_hidden_and_the_rest_of_the_error_stays() -> None:
    text = (
        'new row for relation "note" violates check constraint "shape"\n'
        "DETAIL:  Failing row contains (10, Jane Doe\n0712345678, hunter2-in-plain (old))."
    )
    shown = redact(text)
    assert 'violates check constraint "shape"' in shown
    assert "Jane" not in shown and "hunter2" not in shown and "(old)" not in shown


@pytest.mark.parametrize("text", [
    f"pa\u017f\u017fword={WORD}", f"PASSPHRASE={WORD}", f"to\u212aen x_access_to\u212aen={WORD}",
    f"BEARER {WORD}", f"private-key: {WORD}", f"authorization={WORD}",
])  # fmt: skip
def test_no_spelling_that_a_pattern_knows_is_passed_over(text: str) -> None:
    """A text is only looked at closely if it holds a hint; each pattern needs one."""
    assert WORD not in redact(text)


def test_a_text_without_a_hint_costs_next_to_nothing() -> None:
    text = "The till is closed until somebody opens it again, said the shop. " * 4
    started = time.process_time()
    for _ in range(2000):
        redact(text)
    assert time.process_time() - started < 0.1
