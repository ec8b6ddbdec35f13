"""`python -m bengoerp.healthcheck`: exit 0 where the web server of this container answers.

For HEALTHCHECK lines; loads no Django. Asks /livez, or the path given as argument, with a host
name that the installation answers to.
"""

from __future__ import annotations

import http.client
import os
import sys
from pathlib import Path

ADDRESS = ("127.0.0.1", 8000)
SECONDS = 3.0


def main(path: str = "/livez", address: tuple[str, int] = ADDRESS) -> int:
    """0 for an answer 200, 1 for anything else; the reason goes to standard error."""
    connection = http.client.HTTPConnection(*address, timeout=SECONDS)
    try:
        connection.request("GET", path, headers={"Host": allowed_host()})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        sys.stderr.write(f"{path}: {type(error).__name__}\n")
        return 1
    finally:
        connection.close()
    if status != 200:
        sys.stderr.write(f"{path}: HTTP {status}\n")
    return int(status != 200)


def allowed_host() -> str:
    """The first of DJANGO_ALLOWED_HOSTS as a name that it allows."""
    path = os.environ.get("DJANGO_ALLOWED_HOSTS_FILE")
    listed = Path(path).read_text() if path else os.environ.get("DJANGO_ALLOWED_HOSTS", "")
    first = listed.split(",")[0].strip()
    return "localhost" if first in ("", "*") else first.removeprefix(".")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "/livez"))
