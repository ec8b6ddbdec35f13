"""What people may see of a secret: a mask, and logs with secrets taken out."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

# Reserved: a field or a request that carries this text is refused, so a mask that came back
# from a form or an API client can never be stored or sent as the value.
MASK = "••••••••"

_NAMES = (
    r"password|passwd|passkey|passphrase|secret(?:[_-]?key)?"
    r"|(?:consumer|api|private|cypher|cmc|communication)[_-]?key"
    r"|(?:access|auth|refresh|api)[_-]?token|security[_-]?credential|authorization"
)
# As written, as JSON inside JSON, and as Django's error page escapes it.
_QUOTE = r"""\\?["']|&\#x27;|&\#39;|&quot;"""
_PATTERNS = (
    # Fernet tokens: ciphertext is not plaintext, but has no business in a log either.
    (re.compile(r"gAAAAA[\w\-=]{20,}"), "[token]"),
    # Tokens of the HTTP API.
    (re.compile(r"\bbit_[\w-]{16,}"), "[token]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w\-.~+/=]{8,}"), r"\1 [hidden]"),
    # name = value: up to the closing quote, or up to what ends a bare word.
    (
        re.compile(
            rf"(?i)((?:{_NAMES})(?:{_QUOTE})?\s*[:=]\s*)"
            rf"(?:(?P<quote>{_QUOTE})(?:(?!(?P=quote))(?:\\.|.))*(?P=quote)?"
            r"|(?:[^\s\"',}&]|,(?=\S))+)"
        ),
        r"\1[hidden]",
    ),
    # The password in redis://user:password@host and its like. The scheme is not looked for: its
    # beginning can't be told in "a.a.a.a", and trying each makes hostile texts take minutes.
    (re.compile(r"(://[^\s:/@]*:)[^\s@/]+@"), r"\1[hidden]@"),
    # PostgreSQL quotes the whole row that breaks a constraint; its texts may have several lines.
    (re.compile(r"(?s)(Failing row contains )\(.*"), r"\1([hidden])"),
    # The per-payment secret in a callback path.
    (re.compile(r"(/cb/[\w-]+/)[\w-]{16,}"), r"\1[hidden]"),
)

# No pattern fits a text without one of these, and most texts have none: much quicker to ask first.
_HINTS = (
    "gaaaaa", "bit_", "bearer", "basic", "://", "failing row", "/cb/",
    "pass", "secret", "key", "token", "security", "authorization",
)  # fmt: skip
_SECRET_NAME = re.compile(rf"(?i)(?:{_NAMES})$")
HIDDEN = "[hidden]"
# A formatter makes text of these, and redacts it.
_RENDERED_LATER = ("exc_info", "stack_info")
# Nested deeper, a field is told as text.
_DEEPEST = 4


def redact(text: str) -> str:
    """The text with tokens, credentials and callback path secrets replaced."""
    folded = text.casefold()
    if not any(hint in folded for hint in _HINTS):
        return text
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def redact_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a log line as JSON can carry them, redacted; those named as secrets hidden."""
    return {str(name): _safe(value, str(name)) for name, value in fields.items()}


def _safe(value: Any, name: str = "", depth: int = 0) -> Any:
    if value is None or isinstance(value, bool | int | float):
        # A number may be a PIN, but only under such a name.
        return HIDDEN if _SECRET_NAME.search(name) and value else value
    if _SECRET_NAME.search(name):
        return HIDDEN if value else ""
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {redact(str(key)): _safe(item, str(key), depth + 1) for key, item in value.items()}
    if depth < _DEEPEST and isinstance(value, list | tuple | set | frozenset):
        return [_safe(item, "", depth + 1) for item in value]
    return redact(str(value))


class RedactingFilter(logging.Filter):
    """Redacts the finished message and the traceback text of each record of a handler."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; always lets it through."""
        if isinstance(record.msg, Mapping):
            # A line of structlog: its fields, until a formatter renders them.
            kept = {name: record.msg[name] for name in _RENDERED_LATER if name in record.msg}
            record.msg = redact_fields(record.msg) | kept
        else:
            record.msg = redact(_message(record))
        record.args = None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return True


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - a bad log call must not break who made it
        return f"{record.msg} (its arguments do not fit)"
