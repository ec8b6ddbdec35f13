"""What people may see of a secret: a mask, and logs with secrets taken out."""

from __future__ import annotations

import logging
import re

# Reserved: a field or a request that carries this text is refused, so a mask that came back
# from a form or an API client can never be stored or sent as the value.
MASK = "••••••••"

_NAMES = (
    r"password|passwd|passkey|passphrase|secret(?:[_-]?key)?|(?:consumer|api|private|cypher)[_-]?key"
    r"|(?:access|auth|refresh|api)[_-]?token|security[_-]?credential|authorization"
)
# As written, as JSON inside JSON, and as Django's error page escapes it.
_QUOTE = r"""\\?["']|&\#x27;|&\#39;|&quot;"""
_PATTERNS = (
    # Fernet tokens: ciphertext is not plaintext, but has no business in a log either.
    (re.compile(r"gAAAAA[\w\-=]{20,}"), "[token]"),
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
    # The password in redis://user:password@host and its like.
    (re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@/]+@"), r"\1[hidden]@"),
    # The per-payment secret in a callback path.
    (re.compile(r"(/cb/[\w-]+/)[\w-]{16,}"), r"\1[hidden]"),
)


def redact(text: str) -> str:
    """The text with tokens, credentials and callback path secrets replaced."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


class RedactingFilter(logging.Filter):
    """Redacts the finished message and the traceback text of each record of a handler."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; always lets it through."""
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
