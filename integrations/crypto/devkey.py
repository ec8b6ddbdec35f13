"""Development secrets: generated once per checkout, kept in a file, never a constant in code.

Imported by the settings module, so it must not import Django settings itself.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path

# A development key announces itself in its own bytes, so that a copy of it in a production
# environment can be refused. It keeps 192 random bits, ample for throw-away data.
DEV_MARK = b"DEV-ONLY"


def generate_dev_key() -> str:
    """A Fernet key that `is_dev_key` recognises. Never for production."""
    return base64.urlsafe_b64encode(DEV_MARK + secrets.token_bytes(32 - len(DEV_MARK))).decode()


def is_dev_key(key: str) -> bool:
    """Whether this key text came from `generate_dev_key`, on any machine."""
    try:
        return base64.urlsafe_b64decode(key.encode()).startswith(DEV_MARK)
    except ValueError:
        return False


def read_or_create(path: Path, make: Callable[[], str]) -> str:
    """The text in `path`; the first caller writes it (mode 0600), the others read that.

    Raises OSError where the folder can't be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    if not path.exists():
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(make())
        try:
            # A link appears whole or not at all, and never takes the place of another's key.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
