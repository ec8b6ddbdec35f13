"""What people may see of a secret: a mask, and logs with secrets taken out."""

from __future__ import annotations

import logging
import re

# Reserved: a field or a request that carries this text is refused, so a mask that came back
# from a form or an API client can never be stored or sent as the value.
MASK = "••••••••"

_PATTERNS = (
    # Fernet tokens: ciphertext is not plaintext, but has no business in a log either.
    (re.compile(r"gAAAAA[\w\-=]{20,}"), "[token]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w\-.~+/=]{8,}"), r"\1 [hidden]"),
    (
        re.compile(
            r"(?i)([\"']?(?:password|passkey|secret|consumer_key|consumer_secret|api_key|"
            r"access_token|security_?credential|authorization)[\"']?\s*[:=]\s*)[\"']?[^\s\"',}&]+"
        ),
        r"\1[hidden]",
    ),
    # The per-payment secret in a callback path.
    (re.compile(r"(/cb/[a-z0-9-]+/)[0-9a-f]{16,}"), r"\1[hidden]"),
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
        record.msg = redact(record.getMessage())
        record.args = None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        return True
