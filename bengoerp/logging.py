"""Logging: one line an event, JSON outside DEBUG, secrets masked on the way out.

Lines of structlog and of standard logging take the same way: fields are collected, secrets are
taken out of all of them, and only then is the line written.
"""

from __future__ import annotations

import json
import logging
import logging.config
from collections.abc import MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from bengoerp.request_user import known_user_id
from integrations.crypto.masking import RedactingFilter, redact_fields

# What begins every line, in this order; the fields of the event and of its context follow.
HEAD = ("time", "level", "logger", "event")


def configure(options: dict[str, Any]) -> None:
    """Django's LOGGING_CONFIG hook; `options` holds `level` (name) and `json` (bool)."""
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"redact": {"()": RedactingFilter}},
            "formatters": {"lines": {"()": line_formatter, "as_json": options["json"]}},
            "handlers": {
                "stderr": {
                    "class": "logging.StreamHandler",
                    "filters": ["redact"],
                    "formatter": "lines",
                }
            },
            # Django's own handlers would print or mail the same lines without redaction.
            "loggers": {
                name: {"handlers": [], "level": "NOTSET", "propagate": True}
                for name in ("django", "django.server")
            }
            # "Not Found: /address": the request's own line tells it without the address.
            # And what axes counts and cleans up is nobody's news; failures and locks are.
            # Templates tell at DEBUG each variable that is not there, and quote what is.
            | {
                "django.request": {"level": "ERROR"},
                "django.template": {"level": "INFO"},
                "axes": {"level": "WARNING"},
            },
            "root": {"handlers": ["stderr"], "level": options["level"]},
        }
    )


def line_formatter(*, as_json: bool) -> logging.Formatter:
    """The formatter of every line: JSON, or for people."""
    render: Sequence[Processor] = (
        (_in_order, _as_json)
        if as_json
        else (structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0),)
    )
    return ProcessorFormatter(
        foreign_pre_chain=(_take_trace,),
        processors=(
            _take_fields,
            structlog.contextvars.merge_contextvars,
            _take_user,
            _take_head,
            structlog.processors.format_exc_info,
            structlog.processors.StackInfoRenderer(),
            ProcessorFormatter.remove_processors_meta,
            # Last, so that nothing gets past it.
            _redact,
            *render,
        ),
    )


def _take_trace(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """The traceback that a filter has redacted already; else the error itself is formatted."""
    text = line["_record"].exc_text
    if text:
        line.pop("exc_info", None)
        line["exception"] = text
    return line


def _take_fields(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """The fields of `integrations.logs.log_event`, in place of their text."""
    record = line["_record"]
    name = getattr(record, "event_name", None)
    if name is not None:
        line["event"] = name
        line.update(record.event_fields)
    return line


def _take_user(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    user_id = known_user_id()
    if user_id is not None:
        line.setdefault("user_id", user_id)
    return line


def _take_head(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    record: logging.LogRecord = line["_record"]
    moment = datetime.fromtimestamp(record.created, UTC)
    line["time"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line["level"] = record.levelname.lower()
    line["logger"] = record.name
    return line


def _redact(_logger: WrappedLogger, _method: str, line: EventDict) -> MutableMapping[str, Any]:
    return redact_fields(line)


def _in_order(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    return {name: line.pop(name, "") for name in HEAD} | dict(line)


def _as_json(_logger: WrappedLogger, _method: str, line: EventDict) -> str:
    return json.dumps(line, ensure_ascii=False)
