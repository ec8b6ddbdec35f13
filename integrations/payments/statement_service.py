"""Statements for ERP code, as 3-tuples `(success, message, data)`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.db import Error as DatabaseError

from integrations.exceptions import IntegrationError, InvalidInput, help_url
from integrations.models import ItemFinding, RunState, StatementRun
from integrations.payments.accounts import account_text
from integrations.payments.answers import Answer, in_transaction
from integrations.payments.pull import pull_now
from integrations.payments.statements.compare import compare_now
from integrations.payments.statements.reader import BadStatement
from integrations.payments.statements.start import import_file

OPEN_TRANSACTION = (
    "A statement is stored in pieces, which an open database transaction could undo. Call after "
    "the commit (transaction.on_commit)."
)
AWAY = "The database does not answer; the same file may be given again."


class StatementService:
    """What M-Pesa's own books say. It settles only what every fact fits."""

    @classmethod
    def reconcile_statement(
        cls, file: IO[bytes] | str | Path, *, business: str = "", short_code: str = ""
    ) -> Answer:
        """Import an organisation statement (CSV) and compare it: `(done, words, data)`.

        `file` is a path, or a file opened for reading bytes. True means that it was compared, not
        that all is well: `data` has the counts of each finding (`matched`, `missing_here`,
        `missing_there`, `amount_differs`, `state_differs`), `settled` and `open`. A file that was
        given before answers for the first time, with `repeated`. Refused: `faults` lists every
        line that can't be read, and nothing is stored.
        """
        if in_transaction():
            return _refused(OPEN_TRANSACTION, code="open_transaction")
        try:
            with _opened(file) as (source, name):
                started = import_file(
                    source, name=name, business=business, short_code=account_text(short_code)
                )
            compare_now(started.run)
        except BadStatement as error:
            faults = [{"line": line, "reason": reason} for line, reason in error.faults]
            return _refused(error.message, code=error.code, field=error.field, faults=faults)
        except InvalidInput as error:
            return _refused(error.message, code=error.code, field=error.field)
        except IntegrationError as error:
            return _refused(error.message, code=error.code)
        except DatabaseError:
            return _refused(AWAY, code="not_stored")
        return _describe(started.run, is_new=started.is_new)

    @classmethod
    def pull_transactions(cls, *, business: str = "", short_code: str = "") -> Answer:
        """Fetch an account's new transactions from M-Pesa now: `(done, words, data)`.

        `data` has `fetched_to` and `new_lines`. Workers do this by themselves for every account
        with `pull_enabled`.
        """
        try:
            account = pull_now(business, account_text(short_code))
        except InvalidInput as error:
            return _refused(error.message, code=error.code, field=error.field)
        except IntegrationError as error:
            return _refused(error.message, code=error.code)
        until = account.fetched_to.isoformat() if account.fetched_to else ""
        data = {"short_code": account.short_code, "fetched_to": until,
                "new_lines": account.last_lines, "code": ""}  # fmt: skip
        if account.error:
            return False, account.error, {**data, "code": "no_answer"}
        return True, "Transactions fetched", data


@contextmanager
def _opened(file: IO[bytes] | str | Path) -> Iterator[tuple[IO[bytes], str]]:
    """The file and its name; raises InvalidInput where it can't be read."""
    if not isinstance(file, str | Path):
        yield file, str(getattr(file, "name", "") or "")
        return
    try:
        source = Path(file).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise InvalidInput("file", f"can't be read: {error.strerror}.") from None
    with source:
        yield source, Path(file).name


def _refused(text: str, *, code: str, **more: Any) -> Answer:
    return False, text, {"statement_id": "", "code": code, "help": help_url(code), **more}


def _describe(run: StatementRun, *, is_new: bool) -> Answer:
    counts = {
        finding.value: run.totals.get(finding.value, {"count": 0})["count"]
        for finding in ItemFinding
    }
    data = {
        "statement_id": str(run.public_id),
        "state": run.state,
        "code": "",
        "lines": run.lines,
        "new_lines": run.new_lines,
        "settled": run.settled,
        "open": run.items.filter(is_open=True).count(),
        "repeated": not is_new,
        **counts,
    }
    if run.state != RunState.DONE:
        return True, "A worker is comparing it", data
    return True, "Statement compared", data
